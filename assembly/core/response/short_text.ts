/** Collects a short text in a buffer of fixed size, in pieces cut anywhere. What does not fit is dropped. */
export class ShortText {
  bytes: i32 = 0;
  /** More came than fits: the text equals nothing. */
  tooLong: bool = false;

  private buffer: StaticArray<u8>;

  constructor(capacityBytes: i32) {
    this.buffer = new StaticArray<u8>(capacityBytes);
  }

  reset(): void {
    this.bytes = 0;
    this.tooLong = false;
  }


  @inline add(byte: u32): void {
    if (this.bytes == this.buffer.length) this.tooLong = true;
    else unchecked((this.buffer[this.bytes++] = <u8>byte));
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
    const start = changetype<usize>(this.buffer) + <usize>(this.bytes - length);
    for (let at = 0; at < length; at++) {
      const wanted = load<u16>(changetype<usize>(ascii) + ((<usize>at) << 1));
      if (<u32>load<u8>(start + <usize>at) != <u32>wanted) return false;
    }
    return true;
  }
}
