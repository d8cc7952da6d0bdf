/**
 * A scanner that sometimes has to see further than the bytes that have come. It then stops before the first
 * byte that it cannot judge yet; that one and what follows are kept here and scanned again together with the
 * next bytes. So a scanner is a plain function of adjacent bytes, however the stream is cut.
 */
export abstract class Lookahead {
  private held: StaticArray<u8> = new StaticArray<u8>(0);
  protected heldBytes: usize = 0;
  private windowBytes: usize = 0;

  /** `windowBytes`: a scanner never needs to see more bytes than these to judge the first of them. */
  protected setWindow(windowBytes: i32): void {
    this.windowBytes = windowBytes;
    // Twice: from every byte kept there is a whole window to see.
    if (this.held.length < windowBytes * 2) this.held = new StaticArray<u8>(windowBytes * 2);
    this.heldBytes = 0;
  }

  protected get heldPtr(): usize {
    return changetype<usize>(this.held);
  }

  /** Scans [at, end); `end`, or the address of the byte, less than a window before `end`, that needs more. */
  protected abstract scan(at: usize, end: usize): usize;

  feed(at: usize, end: usize): void {
    if (this.heldBytes != 0) {
      at = this.feedHeld(at, end);
      if (at == end) return;
    }
    const stop = this.scan(at, end);
    if (stop != end) {
      this.heldBytes = end - stop;
      memory.copy(this.heldPtr, stop, this.heldBytes);
    }
  }

  /** Scans what is kept and enough of what follows; from where on the rest has to be scanned. */
  private feedHeld(at: usize, end: usize): usize {
    const start = this.heldPtr;
    const before = this.heldBytes;
    const taken = min<usize>(this.windowBytes * 2 - before, end - at);
    memory.copy(start + before, at, taken);
    const heldEnd = start + before + taken;
    const stop = this.scan(start, heldEnd);
    if (at + taken == end) {
      this.heldBytes = heldEnd - stop;
      memory.copy(start, stop, this.heldBytes);
      return end;
    }
    // The buffer was filled, so `stop` lies behind what was kept.
    this.heldBytes = 0;
    return at + (stop - start - before);
  }
}
