import { BACKSLASH, QUOTE } from "../body/json_bytes";
import { GrowingBytes } from "./growing_bytes";
import { HeldBytes } from "./held_bytes";
import { appendString, matchString, MOST_ESCAPED_BYTES } from "./json_string";
import { isMatch, matchKey, NO_MATCH, TOO_SHORT, wordOf } from "./json_tokens";

const LETTER_M: i8 = 0x6d;
const MODEL: u64 = wordOf('model"');

/** A key `"model"`, its colon, the value's quotes, and white space. */
const BESIDE_NAME_BYTES: i32 = 64;

/**
 * Copies bytes and replaces the value of each key `model` that means the target's name by the client's name,
 * at any depth: a raw `"model"` before a colon can stand in no JSON string. Held back are only bytes that may
 * still be such a key and value.
 */
@unmanaged
export class ModelRestore {
  private out: GrowingBytes;
  private isOn: bool = false;
  private target: GrowingBytes = new GrowingBytes();
  /** The client's name as a JSON string. */
  private name: GrowingBytes = new GrowingBytes();
  private held: HeldBytes = new HeldBytes();
  private windowBytes: usize = 0;
  /** The last byte before those that are scanned next. */
  private lastByte: u32 = 0;
  /** The last match's value. */
  private value: usize = 0;

  constructor(out: GrowingBytes) {
    this.out = out;
  }

  /** Ready for the next answer. Either name empty: everything passes as it is. */
  begin(target: usize, targetBytes: i32, name: usize, nameBytes: i32): void {
    this.isOn = targetBytes != 0 && nameBytes != 0;
    this.held.bytes = 0;
    if (!this.isOn) return;
    this.target.clear();
    this.target.append(target, target + <usize>targetBytes);
    this.name.clear();
    appendString(this.name, name, name + <usize>nameBytes);
    this.windowBytes = <usize>(targetBytes * MOST_ESCAPED_BYTES + BESIDE_NAME_BYTES);
    this.held.reset(this.windowBytes);
    this.lastByte = 0;
  }

  /** Takes the next bytes of the answer. */
  take(at: usize, end: usize): void {
    if (at == end) return;
    if (!this.isOn) {
      this.out.append(at, end);
      return;
    }
    const held = this.held;
    if (held.bytes != 0) {
      const before = held.bytes;
      const taken = held.fill(at, end);
      const stop = this.scan(held.ptr, held.end);
      if (at + taken == end) {
        held.keep(stop, held.end);
        return;
      }
      at = held.resume(at, before, stop);
    }
    held.keep(this.scan(at, end), end);
  }

  /** The answer has ended: what was held back is no match. */
  finish(): void {
    if (this.held.bytes != 0) this.out.append(this.held.ptr, this.held.end);
    this.held.bytes = 0;
  }

  private scan(at: usize, end: usize): usize {
    const start = at;
    let copied = at;
    let stop = end;
    while (true) {
      const quote = findQuoteBeforeM(at, end);
      if (quote == end) break;
      const before = quote == start ? this.lastByte : load<u8>(quote - 1);
      const behind = before == BACKSLASH ? NO_MATCH : this.match(quote, end);
      if (behind == TOO_SHORT) {
        stop = quote;
        break;
      }
      if (behind == NO_MATCH) {
        at = quote + 1;
        continue;
      }
      this.out.append(copied, this.value);
      this.out.append(this.name.ptr, this.name.end);
      copied = behind;
      at = behind;
    }
    this.out.append(copied, stop);
    if (stop != start) this.lastByte = load<u8>(stop - 1);
    return stop;
  }

  /** The address behind the value if a key `model` that has the target's name begins at `quote`; NO_MATCH, TOO_SHORT. */
  private match(quote: usize, end: usize): usize {
    const windowEnd = quote + this.windowBytes;
    const limit = min<usize>(end, windowEnd);
    let behind = matchKey(quote + 1, limit, MODEL, 6);
    if (isMatch(behind)) {
      this.value = behind;
      behind =
        load<u8>(behind) == QUOTE
          ? matchString(behind + 1, limit, this.target.ptr, this.target.end)
          : NO_MATCH;
    }
    return behind == TOO_SHORT && end >= windowEnd ? NO_MATCH : behind;
  }
}

/** First quote in [at, end) with an `m` behind it, or that is the last byte; else `end`. */
function findQuoteBeforeM(at: usize, end: usize): usize {
  const quotes = i8x16.splat(<i8>QUOTE);
  const letters = i8x16.splat(LETTER_M);
  while (at + 17 <= end) {
    const mask = i8x16.bitmask(
      v128.and(i8x16.eq(v128.load(at), quotes), i8x16.eq(v128.load(at, 1), letters)),
    );
    if (mask != 0) return at + ctz<i32>(mask);
    at += 16;
  }
  while (at < end) {
    if (load<u8>(at) == QUOTE && (at + 1 == end || load<u8>(at + 1) == LETTER_M)) return at;
    at++;
  }
  return end;
}
