const REPLACEMENT: u32 = 0xfffd;
const HIGH_SURROGATE: u32 = 0xd800;
const LOW_SURROGATE: u32 = 0xdc00;
const AFTER_SURROGATES: u32 = 0xe000;

/**
 * Collects the text of one JSON string, unescaped, as UTF-8 in a buffer of fixed size. Runs of plain
 * bytes and escapes may come in any cut. A surrogate without its partner becomes U+FFFD, and so does
 * one that is written in UTF-8. What does not fit is dropped and `tooLong` says so.
 */
export class TextSink {
  bytes: i32 = 0;
  tooLong: bool = false;

  private buffer: StaticArray<u8>;
  /** A high surrogate that waits for its partner; 0 if none does. */
  private pending: u32 = 0;

  constructor(capacity: i32) {
    this.buffer = new StaticArray<u8>(capacity);
  }

  get ptr(): usize {
    return changetype<usize>(this.buffer);
  }

  reset(): void {
    this.bytes = 0;
    this.tooLong = false;
    this.pending = 0;
  }

  /** Adds bytes that stand for themselves. */
  addRun(ptr: usize, bytes: i32): void {
    if (bytes == 0) return;
    this.settle();
    const room = this.buffer.length - this.bytes;
    if (bytes > room) this.tooLong = true;
    const fitting = min<i32>(bytes, room);
    memory.copy(changetype<usize>(this.buffer) + this.bytes, ptr, fitting);
    this.bytes += fitting;
  }

  /** Adds the byte that a one-letter escape stands for. */
  addByte(byte: u32): void {
    this.settle();
    this.put(byte);
  }

  /** Adds the UTF-16 code unit of a `\uXXXX` escape. */
  addUnit(unit: u32): void {
    if (this.pending != 0) {
      if (unit >= LOW_SURROGATE && unit < AFTER_SURROGATES) {
        const high = this.pending;
        this.pending = 0;
        this.putCodePoint(0x10000 + ((high - HIGH_SURROGATE) << 10) + (unit - LOW_SURROGATE));
        return;
      }
      this.settle();
    }
    if (unit >= HIGH_SURROGATE && unit < LOW_SURROGATE) this.pending = unit;
    else this.putCodePoint(unit >= LOW_SURROGATE && unit < AFTER_SURROGATES ? REPLACEMENT : unit);
  }

  /** The string has ended. */
  finish(): void {
    this.settle();
    this.replaceSurrogates();
  }

  /** True if the text so far is `ascii`, a literal of ASCII characters. */
  equals(ascii: string): bool {
    const length = ascii.length;
    if (this.bytes != length) return false;
    const buffer = this.buffer;
    for (let at = 0; at < length; at++) {
      if (<i32>unchecked(buffer[at]) != load<u16>(changetype<usize>(ascii) + ((<usize>at) << 1)))
        return false;
    }
    return true;
  }

  /** ED A0 80 to ED BF BF become EF BF BD, which is as long. */
  private replaceSurrogates(): void {
    const buffer = this.buffer;
    for (let at = 0; at + 2 < this.bytes; at++) {
      if (unchecked(buffer[at]) != 0xed || unchecked(buffer[at + 1]) < 0xa0) continue;
      unchecked((buffer[at] = 0xef));
      unchecked((buffer[at + 1] = 0xbf));
      unchecked((buffer[at + 2] = 0xbd));
    }
  }

  private settle(): void {
    if (this.pending == 0) return;
    this.pending = 0;
    this.putCodePoint(REPLACEMENT);
  }

  private putCodePoint(code: u32): void {
    if (code < 0x80) {
      this.put(code);
    } else if (code < 0x800) {
      this.put(0xc0 | (code >> 6));
      this.put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      this.put(0xe0 | (code >> 12));
      this.put(0x80 | ((code >> 6) & 0x3f));
      this.put(0x80 | (code & 0x3f));
    } else {
      this.put(0xf0 | (code >> 18));
      this.put(0x80 | ((code >> 12) & 0x3f));
      this.put(0x80 | ((code >> 6) & 0x3f));
      this.put(0x80 | (code & 0x3f));
    }
  }

  private put(byte: u32): void {
    if (this.bytes == this.buffer.length) {
      this.tooLong = true;
      return;
    }
    unchecked((this.buffer[this.bytes++] = <u8>byte));
  }
}
