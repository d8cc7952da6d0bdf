import { BodyScanner } from "../core/body/body_scanner";

/** What is kept of one request between its callbacks. Objects are pooled: none is allocated per request. */
export class StreamState {
  contextId: u32 = 0;
  /** The ledger's account that the request is counted in; -1 before its pick. */
  account: i32 = -1;
  uncachedTokens: u32 = 0;
  residentTokens: u32 = 0;
  priority: i32 = 0;
  /** The pick leaves as filter state, not as header. */
  byProperty: bool = false;
  /** Pool in the table of `tableSequence`. */
  pool: i32 = -1;
  tableEpoch: u64 = 0;
  tableSequence: u64 = 0;
  /** Held for its body; false once released or answered. */
  reading: bool = false;
  scannedBytes: u32 = 0;
  /** Above 0: the body is over this limit, the rest is thrown away, the answer waits for the end. */
  limitBytes: u32 = 0;
  /** Present while a body is read. */
  scanner: BodyScanner | null = null;
}

const INITIAL_CAPACITY: i32 = 1024;

/** Open addressing from context id to state; grows with the requests open at once, never shrinks. */
export class StreamTable {
  private states: StaticArray<StreamState | null> = new StaticArray<StreamState | null>(INITIAL_CAPACITY);
  private mask: u32 = INITIAL_CAPACITY - 1;
  private used: i32 = 0;
  private readonly spareStates: StreamState[] = [];
  private readonly spareScanners: BodyScanner[] = [];

  find(contextId: u32): StreamState | null {
    let at = this.home(contextId);
    while (true) {
      const state = unchecked(this.states[at]);
      if (state == null || state.contextId == contextId) return state;
      at = (at + 1) & this.mask;
    }
  }

  /** `contextId` must not be present. */
  add(contextId: u32): StreamState {
    if (this.used * 2 > this.states.length) this.grow();
    const state = this.spareStates.length > 0 ? this.spareStates.pop() : new StreamState();
    state.contextId = contextId;
    state.account = -1;
    state.uncachedTokens = 0;
    state.residentTokens = 0;
    state.priority = 0;
    state.reading = false;
    state.scannedBytes = 0;
    state.limitBytes = 0;
    this.insert(state);
    this.used++;
    return state;
  }

  /** Gives the state a scanner at the start of a body. */
  beginBody(state: StreamState): void {
    const scanner = this.spareScanners.length > 0 ? this.spareScanners.pop() : new BodyScanner();
    scanner.reset();
    state.scanner = scanner;
    state.reading = true;
  }

  endBody(state: StreamState): void {
    state.reading = false;
    const scanner = state.scanner;
    if (scanner == null) return;
    state.scanner = null;
    this.spareScanners.push(scanner);
  }

  remove(state: StreamState): void {
    this.endBody(state);
    let hole = this.home(state.contextId);
    while (unchecked(this.states[hole]) !== state) hole = (hole + 1) & this.mask;
    unchecked((this.states[hole] = null));
    // Whoever probed past the hole moves back into it.
    let at = (hole + 1) & this.mask;
    while (true) {
      const next = unchecked(this.states[at]);
      if (next == null) break;
      const home = this.home(next.contextId);
      if (((at - home) & this.mask) >= ((at - hole) & this.mask)) {
        unchecked((this.states[hole] = next));
        unchecked((this.states[at] = null));
        hole = at;
      }
      at = (at + 1) & this.mask;
    }
    this.used--;
    this.spareStates.push(state);
  }

  private home(contextId: u32): u32 {
    return (contextId * 0x9e3779b1) & this.mask;
  }

  private insert(state: StreamState): void {
    let at = this.home(state.contextId);
    while (unchecked(this.states[at]) != null) at = (at + 1) & this.mask;
    unchecked((this.states[at] = state));
  }

  private grow(): void {
    const old = this.states;
    this.states = new StaticArray<StreamState | null>(old.length * 2);
    this.mask = this.states.length - 1;
    for (let i = 0; i < old.length; i++) {
      const state = old[i];
      if (state != null) this.insert(state);
    }
  }
}
