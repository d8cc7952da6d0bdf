/** Bytes that a guest may look at in place; positions count from the buffer's start. */
export interface BodyBuffer {
  readonly length: number;
  slice(start: number, length: number): Uint8Array;
  /** Replaces `length` bytes at `start` by others, of any number. */
  splice(start: number, length: number, bytes: Uint8Array): void;
}

/** A growing buffer: appending a byte at a time stays linear. */
export class GrowingBuffer implements BodyBuffer {
  #bytes: Buffer;
  #length = 0;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = Buffer.alloc(bytes.length);
    this.append(bytes);
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }

  slice(start: number, length: number): Uint8Array {
    return this.#bytes.subarray(start, Math.min(start + length, this.#length));
  }

  splice(start: number, length: number, bytes: Uint8Array): void {
    const tail = Uint8Array.from(this.slice(Math.min(start + length, this.#length), this.#length));
    this.#length = Math.min(start, this.#length);
    this.append(bytes);
    this.append(tail);
  }

  /** Everything, and the buffer is empty afterwards. */
  drain(): Uint8Array {
    const all = Uint8Array.from(this.slice(0, this.#length));
    this.#length = 0;
    return all;
  }
}
