const REPLACEMENT: u32 = 0xfffd;
const HIGH_SURROGATE: u32 = 0xd800;
const LOW_SURROGATE: u32 = 0xdc00;
const AFTER_SURROGATES: u32 = 0xe000;
/** Up to here a loop is faster than `memory.copy`, which leaves the module's code. */
const SHORT_RUN_BYTES: i32 = 32;

/**
 * Collects the text of one JSON string, unescaped, as UTF-8 in a buffer of fixed size. Runs of plain
 * bytes and escapes may come in any cut. A surrogate without its partner becomes U+FFFD, and so does
 * one that is written in UTF-8. What does not fit is dropped and `tooLong` says so.
 */
@unmanaged
export class TextSink {
  bytes: i32 = 0;
  tooLong: bool = false;
  /** Address of the text, the same for the sink's life. */
  readonly ptr: usize;

  private readonly capacity: i32;
  /** A high surrogate that waits for its partner; 0 if none does. */
  private pending: u32 = 0;
  /** A byte ED has come, which may begin a surrogate. */
  private mayHoldSurrogates: bool = false;

  constructor(capacity: i32) {
    this.ptr = heap.alloc(capacity);
    this.capacity = capacity;
  }

  reset(): void {
    this.bytes = 0;
    this.tooLong = false;
    this.pending = 0;
    this.mayHoldSurrogates = false;
  }

  /** Told of a byte ED. */
  expectSurrogate(): void {
    this.mayHoldSurrogates = true;
  }

  /** Adds bytes that stand for themselves. */
  addRun(ptr: usize, bytes: i32): void {
    if (bytes == 0) return;
    this.settle();
    const room = this.capacity - this.bytes;
    if (bytes > room) this.tooLong = true;
    const fitting = min<i32>(bytes, room);
    const to = this.ptr + this.bytes;
    if (fitting > SHORT_RUN_BYTES) memory.copy(to, ptr, fitting);
    else for (let at = 0; at < fitting; at++) store<u8>(to + at, load<u8>(ptr + at));
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
    if (this.mayHoldSurrogates) this.replaceSurrogates();
  }

  /** ED A0 80 to ED BF BF become EF BF BD, which is as long. */
  private replaceSurrogates(): void {
    const last = this.ptr + this.bytes - 2;
    for (let at = this.ptr; at < last; at++) {
      if (load<u8>(at) != 0xed || load<u8>(at, 1) < 0xa0) continue;
      store<u8>(at, 0xef);
      store<u8>(at, 0xbf, 1);
      store<u8>(at, 0xbd, 2);
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
    if (this.bytes == this.capacity) {
      this.tooLong = true;
      return;
    }
    store<u8>(this.ptr + this.bytes++, <u8>byte);
  }
}

/** True if these bytes are `ascii`, a literal of ASCII characters. */
export function isText(ptr: usize, bytes: i32, ascii: string): bool {
  if (bytes != ascii.length) return false;
  const literal = changetype<usize>(ascii);
  for (let at = 0; at < bytes; at++) {
    if (<u32>load<u8>(ptr + at) != <u32>load<u16>(literal + ((<usize>at) << 1))) return false;
  }
  return true;
}
