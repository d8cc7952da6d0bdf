/**
 * Bytes that a scanner could not judge yet, because it has to see what follows. It scans them again together
 * with the next ones, so that it sees a plain run of adjacent bytes however the stream is cut:
 *
 *   if (held.bytes != 0) {
 *     const before = held.bytes;
 *     const taken = held.fill(at, end);
 *     const stop = scan(held.ptr, held.end);
 *     if (at + taken == end) return held.keep(stop, held.end);
 *     at = held.resume(at, before, stop);
 *   }
 *   held.keep(scan(at, end), end);
 *
 * where `scan` returns the end, or the address, less than a window before it, of the first byte that needs more.
 */
@unmanaged
export class HeldBytes {
  bytes: usize = 0;
  /** Address of the first byte. */
  ptr: usize = 0;
  private capacityBytes: usize = 0;

  /** Empty; no byte needs to see more than `windowBytes` from itself on. */
  reset(windowBytes: usize): void {
    this.bytes = 0;
    // Twice: from every byte kept there is a whole window to see.
    if (this.capacityBytes >= windowBytes * 2) return;
    this.capacityBytes = windowBytes * 2;
    this.ptr = this.ptr == 0 ? heap.alloc(this.capacityBytes) : heap.realloc(this.ptr, this.capacityBytes);
  }

  get end(): usize {
    return this.ptr + this.bytes;
  }

  /** Appends as many bytes of [at, end) as there is room for; returns how many. */
  fill(at: usize, end: usize): usize {
    const taken = min<usize>(this.capacityBytes - this.bytes, end - at);
    memory.copy(this.end, at, taken);
    this.bytes += taken;
    return taken;
  }

  /** Holds the bytes [from, end) and no others; they may be held ones. */
  keep(from: usize, end: usize): void {
    this.bytes = end - from;
    if (from != end) memory.copy(this.ptr, from, this.bytes);
  }

  /**
   * After a `fill` from `at` that took all there was room for, `before` bytes being held before: the address
   * among the new bytes at which a scan that stopped at `stop` goes on. Nothing is held any more.
   */
  resume(at: usize, before: usize, stop: usize): usize {
    this.bytes = 0;
    return at + (stop - this.ptr - before);
  }
}
