import { SPAN_CAPACITY } from "./scan_codes";
import { SOURCE_COUNT } from "./roles";

/**
 * Stretches of a body in the order of their starts, at most SPAN_CAPACITY; what comes when the list is full is counted
 * as dropped. Each has a kind (SPAN_*) and a source, the top-level key below which it stands (a role below
 * SOURCE_COUNT): a key that is repeated takes back what it gave.
 */
export class SpanList {
  count: i32 = 0;
  dropped: u32 = 0;

  private readonly kinds: StaticArray<u8> = new StaticArray<u8>(SPAN_CAPACITY);
  private readonly sources: StaticArray<u8> = new StaticArray<u8>(SPAN_CAPACITY);
  private readonly starts: StaticArray<u32> = new StaticArray<u32>(SPAN_CAPACITY);
  private readonly ends: StaticArray<u32> = new StaticArray<u32>(SPAN_CAPACITY);
  private readonly droppedOf: StaticArray<u32> = new StaticArray<u32>(SOURCE_COUNT);

  reset(): void {
    this.count = 0;
    if (this.dropped == 0) return;
    this.dropped = 0;
    this.droppedOf.fill(0);
  }

  /** SPAN_* */
  kind(index: i32): i32 {
    return this.kinds[index];
  }

  /** Byte of the body at which it begins. */
  start(index: i32): u32 {
    return this.starts[index];
  }

  /** One past its last byte; 0 while it is not known. */
  end(index: i32): u32 {
    return this.ends[index];
  }

  /** A stretch that begins; its index for `close`, -1 if it was dropped. */
  open(kind: i32, source: i32, start: u32): i32 {
    const index = this.count;
    if (index == SPAN_CAPACITY) {
      this.dropped++;
      this.droppedOf[source]++;
      return -1;
    }
    this.count++;
    unchecked((this.kinds[index] = <u8>kind));
    unchecked((this.sources[index] = <u8>source));
    unchecked((this.starts[index] = start));
    unchecked((this.ends[index] = 0));
    return index;
  }

  close(index: i32, end: u32): void {
    if (index >= 0) this.ends[index] = end;
  }

  /** Takes back what came of a source. */
  forget(source: i32): void {
    let kept = 0;
    for (let index = 0; index < this.count; index++) {
      if (<i32>unchecked(this.sources[index]) == source) continue;
      unchecked((this.kinds[kept] = this.kinds[index]));
      unchecked((this.sources[kept] = this.sources[index]));
      unchecked((this.starts[kept] = this.starts[index]));
      unchecked((this.ends[kept] = this.ends[index]));
      kept++;
    }
    this.count = kept;
    this.dropped -= this.droppedOf[source];
    this.droppedOf[source] = 0;
  }

  /** Takes back what came of a source since the list was `count` long and had dropped `dropped`. */
  cut(source: i32, count: i32, dropped: u32): void {
    this.count = min(this.count, count);
    this.droppedOf[source] -= this.dropped - dropped;
    this.dropped = dropped;
  }
}
