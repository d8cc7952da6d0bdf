const LINE_FEED: u8 = 0x0a;
const CARRIAGE_RETURN: u8 = 0x0d;
const SPACE: u8 = 0x20;
const COLON: u8 = 0x3a;

/** Nothing to tell. */
export const PART_NONE: i32 = 0;
/** A part of a `data` line's value, possibly empty. */
export const PART_DATA: i32 = 1;
/** A part of an `event` line's value. */
export const PART_NAME: i32 = 2;
/** A blank line. */
export const PART_END: i32 = 3;

// Where a line stands between two bytes.
const LINE_START: i32 = 0;
const FIELD: i32 = 1;
/** Behind the colon, where one space does not count. */
const VALUE_START: i32 = 2;
const VALUE: i32 = 3;

/** Field names as the little-endian number that their bytes make, and how many these are. */
const WORD_DATA: u64 = 0x61746164;
const WORD_DATA_BYTES: i32 = 4;
const WORD_EVENT: u64 = 0x746e657665;
const WORD_EVENT_BYTES: i32 = 5;

/**
 * Takes an event stream (WHATWG HTML, "Server-sent events") apart, in pieces cut anywhere: lines end with LF,
 * CR or both, one space behind the colon is no part of the value, a blank line ends an event. Nothing is
 * copied, nothing is kept but the place in the line.
 */
@unmanaged
export class EventLines {
  /** PART_* of the last `next`; its bytes are [from, to). */
  part: i32 = PART_NONE;
  from: usize = 0;
  to: usize = 0;
  /** It is the first part of its line's value. */
  isFirst: bool = false;

  private state: i32 = LINE_START;
  /** The first eight bytes of the field's name, and how many it has. */
  private word: u64 = 0;
  private wordBytes: i32 = 0;
  private atValueStart: bool = false;
  /** The last line ended with CR: an LF that follows belongs to it. */
  private afterReturn: bool = false;

  reset(): void {
    this.state = LINE_START;
    this.afterReturn = false;
    this.part = PART_NONE;
  }

  /** The last blank line ended with CR, and an LF that would belong to it has not come. */
  get isAfterReturn(): bool {
    return this.afterReturn;
  }

  /** Goes on to the next part, in [at, end), and returns the address behind it. */
  @inline next(at: usize, end: usize): usize {
    this.part = PART_NONE;
    if (this.state == LINE_START) {
      if (at == end) return end;
      const byte = load<u8>(at);
      if (this.afterReturn) {
        this.afterReturn = false;
        if (byte == LINE_FEED) return at + 1;
      }
      if (byte == LINE_FEED || byte == CARRIAGE_RETURN) {
        this.part = PART_END;
        return this.endLine(at);
      }
      this.word = 0;
      this.wordBytes = 0;
      if (at + 6 <= end && load<u32>(at) == <u32>WORD_DATA && load<u8>(at + 4) == COLON) {
        // As nearly all lines begin.
        this.word = WORD_DATA;
        this.wordBytes = WORD_DATA_BYTES;
        at += 5;
        this.state = VALUE_START;
      } else {
        this.state = FIELD;
      }
    }
    if (this.state == FIELD) {
      at = this.readField(at, end);
      if (this.state == FIELD || this.state == LINE_START) return at;
    }
    if (this.state == VALUE_START) {
      if (at == end) return end;
      if (load<u8>(at) == SPACE) at++;
      this.state = VALUE;
      this.atValueStart = true;
    }
    const stop = findLineEnd(at, end);
    this.setPart(at, stop);
    return stop == end ? end : this.endLine(stop);
  }

  private readField(at: usize, end: usize): usize {
    for (; at < end; at++) {
      const byte = load<u8>(at);
      if (byte == COLON) {
        this.state = VALUE_START;
        return at + 1;
      }
      if (byte == LINE_FEED || byte == CARRIAGE_RETURN) {
        this.atValueStart = true;
        this.setPart(at, at);
        return this.endLine(at);
      }
      if (this.wordBytes < 8) this.word |= (<u64>byte) << (<u64>this.wordBytes * 8);
      this.wordBytes++;
    }
    return end;
  }


  @inline private setPart(from: usize, to: usize): void {
    if (this.word == WORD_DATA && this.wordBytes == WORD_DATA_BYTES) this.part = PART_DATA;
    else if (this.word == WORD_EVENT && this.wordBytes == WORD_EVENT_BYTES) this.part = PART_NAME;
    this.from = from;
    this.to = to;
    this.isFirst = this.atValueStart;
    this.atValueStart = false;
  }


  @inline private endLine(at: usize): usize {
    this.state = LINE_START;
    this.afterReturn = load<u8>(at) == CARRIAGE_RETURN;
    return at + 1;
  }
}

/** First LF or CR in [at, end), or `end`. */
export function findLineEnd(at: usize, end: usize): usize {
  const feeds = i8x16.splat(LINE_FEED);
  const returns = i8x16.splat(CARRIAGE_RETURN);
  while (at + 64 <= end) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const c = v128.load(at, 32);
    const d = v128.load(at, 48);
    const anyFeed = v128.or(
      v128.or(i8x16.eq(a, feeds), i8x16.eq(b, feeds)),
      v128.or(i8x16.eq(c, feeds), i8x16.eq(d, feeds)),
    );
    const anyReturn = v128.or(
      v128.or(i8x16.eq(a, returns), i8x16.eq(b, returns)),
      v128.or(i8x16.eq(c, returns), i8x16.eq(d, returns)),
    );
    if (v128.any_true(v128.or(anyFeed, anyReturn))) break;
    at += 64;
  }
  while (at + 16 <= end) {
    const bytes = v128.load(at);
    const mask = i8x16.bitmask(v128.or(i8x16.eq(bytes, feeds), i8x16.eq(bytes, returns)));
    if (mask != 0) return at + ctz<i32>(mask);
    at += 16;
  }
  while (at < end) {
    const byte = load<u8>(at);
    if (byte == LINE_FEED || byte == CARRIAGE_RETURN) return at;
    at++;
  }
  return end;
}
