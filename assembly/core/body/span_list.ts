import { SOURCE_COUNT } from "./roles";
import { SPAN_CAPACITY } from "./scan_codes";

// One span, 12 bytes: start u32, end u32, kind u8, source u8.
const START: usize = 0;
const END: usize = 4;
const KIND: usize = 8;
const SOURCE: usize = 9;
const SPAN_BYTES: usize = 12;

/**
 * Stretches of a body in the order of their starts, at most SPAN_CAPACITY; what comes when the list is full is counted
 * as dropped. Each has a kind (SPAN_*) and a source, the top-level key below which it stands (a role below
 * SOURCE_COUNT): a key that is repeated takes back what it gave.
 */
@unmanaged
export class SpanList {
  count: i32 = 0;
  dropped: u32 = 0;

  private readonly spans: usize = heap.alloc(<usize>SPAN_CAPACITY * SPAN_BYTES);
  /** Dropped ones of each source, u32 each. */
  private readonly droppedOf: usize = heap.alloc((<usize>SOURCE_COUNT) << 2);

  reset(): void {
    this.count = 0;
    this.dropped = 0;
    memory.fill(this.droppedOf, 0, (<usize>SOURCE_COUNT) << 2);
  }

  /** SPAN_* of the span at `index`, which is below `count`. */
  kind(index: i32): i32 {
    return load<u8>(this.at(index), KIND);
  }

  /** Byte of the body at which it begins. */
  start(index: i32): u32 {
    return load<u32>(this.at(index), START);
  }

  /** One past its last byte; 0 while it is not known. */
  end(index: i32): u32 {
    return load<u32>(this.at(index), END);
  }

  /** A stretch that begins; its index for `close`, -1 if it was dropped. */
  open(kind: i32, source: i32, start: u32): i32 {
    const index = this.count;
    if (index == SPAN_CAPACITY) {
      this.dropped++;
      this.addDropped(source, 1);
      return -1;
    }
    this.count++;
    const span = this.at(index);
    store<u32>(span, start, START);
    store<u32>(span, 0, END);
    store<u8>(span, <u8>kind, KIND);
    store<u8>(span, <u8>source, SOURCE);
    return index;
  }

  close(index: i32, end: u32): void {
    if (index >= 0) store<u32>(this.at(index), end, END);
  }

  /** Takes back what came of a source. */
  forget(source: i32): void {
    let kept = 0;
    for (let index = 0; index < this.count; index++) {
      if (load<u8>(this.at(index), SOURCE) == source) continue;
      if (kept < index) memory.copy(this.at(kept), this.at(index), SPAN_BYTES);
      kept++;
    }
    this.count = kept;
    const dropped = load<u32>(this.droppedOf + ((<usize>source) << 2));
    this.dropped -= dropped;
    this.addDropped(source, -dropped);
  }

  /** Takes back what came of a source since the list was `count` long and had dropped `dropped`. */
  cut(source: i32, count: i32, dropped: u32): void {
    if (this.count == count && this.dropped == dropped) return;
    this.count = count;
    this.addDropped(source, dropped - this.dropped);
    this.dropped = dropped;
  }

  /** A difference below 0 is 2^32 more. */
  private addDropped(source: i32, difference: u32): void {
    const at = this.droppedOf + ((<usize>source) << 2);
    store<u32>(at, load<u32>(at) + difference);
  }


  @inline private at(index: i32): usize {
    return this.spans + <usize>index * SPAN_BYTES;
  }
}
