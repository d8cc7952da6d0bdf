import { BACKSLASH, QUOTE } from "./json_bytes";

const SEMICOLON: u32 = 0x3b;
const EQUALS: u32 = 0x3d;
const STAR: u32 = 0x2a;

/**
 * The parameters of a header's value, `type; key=value; key="value"`, one after the other. A semicolon between quotes
 * is none, and a quote behind a backslash neither; that is how the servers' parser (python-multipart, and Python's
 * email.message before it) reads them.
 */
@unmanaged
export class HeaderParams {
  /** Key and value without quotes; escapes in the value are left as they are. */
  keyPtr: usize = 0;
  keyBytes: i32 = 0;
  valuePtr: usize = 0;
  valueBytes: i32 = 0;
  /** The key ends in `*` (RFC 5987), which is not counted in `keyBytes`. */
  isExtended: bool = false;

  private at: usize = 0;
  private end: usize = 0;

  /** Goes over a value of `bytes` bytes at `ptr`; `typeIs` may be asked, then `next`. */
  begin(ptr: usize, bytes: i32): void {
    this.at = ptr;
    this.end = ptr + <usize>bytes;
  }

  /** Before the first `next`: what comes before the first parameter is `lower`, in any case. */
  typeIs(lower: string): bool {
    const stop = segmentEnd(this.at, this.end);
    const start = skipBlanks(this.at, stop);
    return isWord(start, <i32>(trimBlanks(start, stop) - start), lower);
  }

  /** Moves to the next parameter; false behind the last one. */
  next(): bool {
    const before = segmentEnd(this.at, this.end);
    this.at = before;
    if (before == this.end) return false;
    const start = before + 1;
    const stop = segmentEnd(start, this.end);
    this.at = stop;
    let equals = start;
    while (equals < stop && load<u8>(equals) != EQUALS) equals++;
    this.keyPtr = skipBlanks(start, equals);
    this.keyBytes = <i32>(trimBlanks(this.keyPtr, equals) - this.keyPtr);
    this.isExtended = this.keyBytes > 0 && load<u8>(this.keyPtr + this.keyBytes - 1) == STAR;
    if (this.isExtended) this.keyBytes--;
    this.valuePtr = skipBlanks(min(equals + 1, stop), stop);
    this.valueBytes = <i32>(trimBlanks(this.valuePtr, stop) - this.valuePtr);
    const last = this.valuePtr + this.valueBytes - 1;
    if (this.valueBytes >= 2 && load<u8>(this.valuePtr) == QUOTE && load<u8>(last) == QUOTE) {
      this.valuePtr++;
      this.valueBytes -= 2;
    }
    return true;
  }

  keyIs(lower: string): bool {
    return isWord(this.keyPtr, this.keyBytes, lower);
  }
}

/** Are these bytes the ASCII word, in any case? `lower` is in lower case. */
export function isWord(ptr: usize, bytes: i32, lower: string): bool {
  if (bytes != lower.length) return false;
  for (let i = 0; i < bytes; i++) {
    const byte: u32 = load<u8>(ptr + i);
    const folded = byte - 0x41 < 26 ? byte | 0x20 : byte;
    if (folded != load<u16>(changetype<usize>(lower) + ((<usize>i) << 1))) return false;
  }
  return true;
}

/** The semicolon that ends what begins at `at`, or `end`. */
function segmentEnd(at: usize, end: usize): usize {
  let quoted = false;
  let before: u32 = 0;
  while (at < end) {
    const byte: u32 = load<u8>(at);
    if (byte == QUOTE && before != BACKSLASH) quoted = !quoted;
    else if (byte == SEMICOLON && !quoted) return at;
    before = byte;
    at++;
  }
  return end;
}

function skipBlanks(at: usize, end: usize): usize {
  while (at < end && isBlank(load<u8>(at))) at++;
  return at;
}

function trimBlanks(at: usize, end: usize): usize {
  while (end > at && isBlank(load<u8>(end - 1))) end--;
  return end;
}

function isBlank(byte: u32): bool {
  return byte == 0x20 || byte == 0x09;
}
