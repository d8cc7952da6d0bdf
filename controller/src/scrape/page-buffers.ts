import { Buffer } from "node:buffer";

/** A page of 59 KB fits without growing. */
const FIRST_BYTES = 64 * 1024;
/** Pages mostly arrive one after the other; those that come in slowly have buffers of their own. */
const MAX_FREE = 4;
/** What a free one may hold at most, so that a rare large page leaves no memory behind. */
const MAX_FREE_BYTES = 256 * 1024;

/**
 * Buffers that pages are put together in, used again: one of its own for each page is memory outside of the heap, which
 * makes the collector run often.
 */
export class PageBuffers {
  readonly #free: Buffer[] = [];

  /**
   * A buffer of at least `wantedBytes` that starts with the `usedBytes` of `buffer`, which must not be used any more
   * unless it is the result. The rest of it is other pages' bytes.
   */
  grown(buffer: Buffer | undefined, usedBytes: number, wantedBytes: number): Buffer {
    if (buffer === undefined) {
      const free = this.#free.pop() ?? Buffer.allocUnsafeSlow(FIRST_BYTES);
      return this.grown(free, 0, wantedBytes);
    }
    if (buffer.length >= wantedBytes) return buffer;
    const larger = Buffer.allocUnsafeSlow(Math.max(wantedBytes, 2 * buffer.length));
    larger.set(buffer.subarray(0, usedBytes));
    this.release(buffer);
    return larger;
  }

  /** Takes a buffer back. */
  release(buffer: Buffer): void {
    if (this.#free.length < MAX_FREE && buffer.length <= MAX_FREE_BYTES) this.#free.push(buffer);
  }
}
