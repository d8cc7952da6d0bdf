/** Collects a short text in a buffer of fixed size, in pieces cut anywhere. What does not fit is dropped. */
@unmanaged
export class ShortText {
  bytes: i32 = 0;
  /** More came than fits: the text equals nothing. */
  tooLong: bool = false;

  private ptr: usize;
  private capacityBytes: i32;

  constructor(capacityBytes: i32) {
    this.ptr = heap.alloc(<usize>capacityBytes);
    this.capacityBytes = capacityBytes;
  }


  @inline reset(): void {
    this.bytes = 0;
    this.tooLong = false;
  }


  @inline add(byte: u32): void {
    if (this.bytes == this.capacityBytes) {
      this.tooLong = true;
    } else {
      store<u8>(this.ptr + <usize>this.bytes, <u8>byte);
      this.bytes++;
    }
  }

  addRun(at: usize, end: usize): void {
    for (; at < end && !this.tooLong; at++) this.add(load<u8>(at));
  }

  /** True if the whole text is `ascii`, a literal of ASCII characters. */
  equals(ascii: string): bool {
    return this.bytes == ascii.length && this.endsWith(ascii);
  }

  endsWith(ascii: string): bool {
    const length = ascii.length;
    if (this.tooLong || this.bytes < length) return false;
    const start = this.ptr + <usize>(this.bytes - length);
    for (let at = 0; at < length; at++) {
      if (<i32>load<u8>(start + <usize>at) != ascii.charCodeAt(at)) return false;
    }
    return true;
  }
}
