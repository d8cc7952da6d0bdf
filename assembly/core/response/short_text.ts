const WORD_BYTES: usize = 8;

/** Collects a short text in a buffer of fixed size, in pieces cut anywhere. What does not fit is dropped. */
@unmanaged
export class ShortText {
  bytes: i32 = 0;
  /** More came than fits: the text equals nothing. */
  tooLong: bool = false;

  private ptr: usize;
  private capacityBytes: i32;

  constructor(capacityBytes: i32) {
    // So that a word can be loaded wherever one begins.
    this.ptr = heap.alloc(<usize>capacityBytes + WORD_BYTES);
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
    const bytes = <i32>(end - at);
    const taken = min<i32>(bytes, this.capacityBytes - this.bytes);
    if (taken < bytes) this.tooLong = true;
    const to = this.ptr + <usize>this.bytes;
    for (let place: usize = 0; place < <usize>taken; place++) store<u8>(to + place, load<u8>(at + place));
    this.bytes += taken;
  }

  /** True if the whole text is `ascii`, a literal of ASCII characters. */
  equals(ascii: string): bool {
    const length = ascii.length;
    if (this.tooLong || this.bytes != length) return false;
    for (let at: usize = 0; at < <usize>length; at++) {
      const wanted: u32 = load<u16>(changetype<usize>(ascii) + (at << 1));
      if (<u32>load<u8>(this.ptr + at) != wanted) return false;
    }
    return true;
  }

  /** True if the whole text is the first `bytes` bytes, 1 to 8, of `word`, the first one lowest. */
  @inline equalsWord(word: u64, bytes: i32): bool {
    return this.bytes == bytes && this.endsWithWord(word, bytes);
  }


  @inline endsWithWord(word: u64, bytes: i32): bool {
    if (this.tooLong || this.bytes < bytes) return false;
    const end = load<u64>(this.ptr + <usize>(this.bytes - bytes));
    const unusedBits = <u64>(64 - 8 * bytes);
    return (end ^ word) << unusedBits == 0;
  }
}
