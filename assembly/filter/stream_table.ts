import { BodyScanner } from "../core/body/body_scanner";
import { MultipartScanner } from "../core/body/multipart_scanner";
import { AnswerEditor } from "../core/response/answer_editor";
import { ResponseReader } from "../core/response/response_reader";
import { StreamState } from "./stream_state";

const INITIAL_CAPACITY: i32 = 1024;

/** Open addressing from context id to state; grows with the requests open at once, never shrinks. */
export class StreamTable {
  private states: StaticArray<StreamState | null> = new StaticArray<StreamState | null>(INITIAL_CAPACITY);
  private mask: u32 = INITIAL_CAPACITY - 1;
  private used: i32 = 0;
  private readonly spareStates: StreamState[] = [];
  private readonly spareScanners: BodyScanner[] = [];
  private readonly spareForms: MultipartScanner[] = [];
  private readonly spareReaders: ResponseReader[] = [];
  private readonly spareEditors: AnswerEditor[] = [];

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
    state.reset(contextId);
    this.insert(state);
    this.used++;
    return state;
  }

  /** Gives the state a scanner of JSON at the start of a body; `hashes`: the prompt is hashed as it arrives. */
  beginJson(state: StreamState, hashes: bool): void {
    const scanner = this.spareScanners.length > 0 ? this.spareScanners.pop() : new BodyScanner();
    scanner.reset();
    scanner.chain.isOn = hashes;
    state.scanner = scanner;
  }

  /** The same for a form whose boundary is given; false for one that cannot be. */
  beginForm(state: StreamState, boundary: usize, boundaryBytes: i32): bool {
    const scanner = this.spareForms.length > 0 ? this.spareForms.pop() : new MultipartScanner();
    state.scanner = scanner;
    if (scanner.begin(boundary, boundaryBytes)) return true;
    this.endBody(state);
    return false;
  }

  endBody(state: StreamState): void {
    state.reading = false;
    state.watching = false;
    state.notes = false;
    const scanner = state.scanner;
    if (scanner == null) return;
    state.scanner = null;
    if (scanner instanceof BodyScanner) this.spareScanners.push(scanner as BodyScanner);
    else if (scanner instanceof MultipartScanner) this.spareForms.push(scanner as MultipartScanner);
  }

  beginAnswer(state: StreamState): ResponseReader {
    const reader = this.spareReaders.length > 0 ? this.spareReaders.pop() : new ResponseReader();
    reader.reset();
    state.reader = reader;
    return reader;
  }

  beginEdit(state: StreamState): AnswerEditor {
    const editor = this.spareEditors.length > 0 ? this.spareEditors.pop() : new AnswerEditor();
    state.editor = editor;
    return editor;
  }

  private endAnswer(state: StreamState): void {
    const reader = state.reader;
    if (reader != null) this.spareReaders.push(reader);
    state.reader = null;
    const editor = state.editor;
    if (editor != null) this.spareEditors.push(editor);
    state.editor = null;
  }

  /** A state that is not in the table is left alone. */
  remove(state: StreamState): void {
    let hole = this.home(state.contextId);
    while (true) {
      const found = unchecked(this.states[hole]);
      if (found == null) return;
      if (found === state) break;
      hole = (hole + 1) & this.mask;
    }
    this.endBody(state);
    this.endAnswer(state);
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
