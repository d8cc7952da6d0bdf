import { BLOCK_BYTES, escapes, maskOf } from "./block_masks";
import { BACKSLASH, QUOTE } from "./json_bytes";
import { STATE_STRING, STATE_STRING_ESCAPE, STATE_STRING_HEX_1 } from "./scan_states";
import { utf8Mistakes } from "./utf8_blocks";
import { isNeverUtf8, stateBehindBytes } from "./utf8_states";

/**
 * Letters that may follow a backslash at the place of their low half byte; `r` is compared by itself, since `b` has
 * its place, `"` and `\` have masks of their own, and `u` is looked at more closely.
 */
// prettier-ignore
const ESCAPE_LETTERS = i8x16(-1, 0, 0x62, 0, 0x74, 0, 0x66, 0, 0, 0, 0, 0, 0, 0, 0x6e, 0x2f);

/**
 * The inside of a string that nobody reads, 64 bytes at a time: a mask of 64 bits for each kind of byte, and arithmetic
 * on masks for what a byte makes of its neighbours. Nothing outside the bytes given is read.
 */
@unmanaged
export class StringBlocks {
  /** The string's closing quote has been taken. */
  closed: bool = false;
  /** State between the bytes before and behind the address that `skip` returned, unless `closed`. */
  state: i32 = STATE_STRING;

  /**
   * From between two characters. Returns the address behind the closing quote (`closed`), or that of the first block
   * that is not whole or has a mistake before its closing quote.
   */
  skip(start: usize, end: usize): usize {
    const quotes = i8x16.splat(<i8>QUOTE);
    const slashes = i8x16.splat(<i8>BACKSLASH);
    const space = i8x16.splat(0x20);
    // Bit 0: the block's first byte is escaped.
    let escapedFirst: u64 = 0;
    // Of the block's first bytes, those that `\u` of the block before takes.
    let digitsFirst: u64 = 0;
    // The 16 bytes before the block; all 0 where they are none that UTF-8 goes over.
    let before = i64x2.splat(0);
    // They may end inside a character.
    let open: bool = false;
    let at = start;
    this.closed = false;
    while (at + BLOCK_BYTES <= end) {
      const a = v128.load(at);
      const b = v128.load(at, 16);
      const c = v128.load(at, 32);
      const d = v128.load(at, 48);
      const slashA = i8x16.eq(a, slashes);
      const slashB = i8x16.eq(b, slashes);
      const slashC = i8x16.eq(c, slashes);
      const slashD = i8x16.eq(d, slashes);
      const quoteA = i8x16.eq(a, quotes);
      const quoteB = i8x16.eq(b, quotes);
      const quoteC = i8x16.eq(c, quotes);
      const quoteD = i8x16.eq(d, quotes);
      // As signed numbers, both control characters and what is not ASCII are below the space.
      const lowest = i8x16.min_s(i8x16.min_s(a, b), i8x16.min_s(c, d));
      const hasOdd = v128.any_true(i8x16.lt_s(lowest, space));
      const slashMask = maskOf(slashA, slashB, slashC, slashD);
      const quoteMask = maskOf(quoteA, quoteB, quoteC, quoteD);
      let escaped: u64 = 0;
      let escapedNext: u64 = 0;
      let digits: u64 = digitsFirst;
      let digitsNext: u64 = 0;
      let wrong: u64 = 0;

      if ((slashMask | escapedFirst) != 0) {
        const codes = escapes(slashMask, escapedFirst);
        escaped = codes ^ (slashMask | escapedFirst);
        escapedNext = (codes & slashMask) >> 63;
        // Most escapes are of quotes, backslashes, line feeds and tabs.
        wrong = escaped & ~(maskOf(often(a), often(b), often(c), often(d)) | slashMask | quoteMask);
        if (wrong != 0) {
          const u = i8x16.splat(0x75);
          const units = wrong & maskOf(i8x16.eq(a, u), i8x16.eq(b, u), i8x16.eq(c, u), i8x16.eq(d, u));
          wrong &= ~(units | maskOf(escapeLetters(a), escapeLetters(b), escapeLetters(c), escapeLetters(d)));
          digits |= (units << 1) | (units << 2) | (units << 3) | (units << 4);
          digitsNext = (units >> 63) | (units >> 62) | (units >> 61) | (units >> 60);
        }
      }
      if (digits != 0) {
        wrong |= digits & ~maskOf(hexDigits(a), hexDigits(b), hexDigits(c), hexDigits(d));
      }

      const closing = quoteMask & ~escaped;
      // The closing quote and all bits below; all bits if there is none.
      const within = closing ^ (closing - 1);
      if (hasOdd || open) {
        const leastOf = i8x16.min_u(i8x16.min_u(a, b), i8x16.min_u(c, d));
        if (v128.any_true(isControl(leastOf))) {
          wrong |= maskOf(isControl(a), isControl(b), isControl(c), isControl(d));
        }
        const mistakeA = utf8Mistakes(before, a);
        const mistakeB = utf8Mistakes(a, b);
        const mistakeC = utf8Mistakes(b, c);
        const mistakeD = utf8Mistakes(c, d);
        if (v128.any_true(v128.or(v128.or(mistakeA, mistakeB), v128.or(mistakeC, mistakeD)))) {
          const zero = i64x2.splat(0);
          wrong |= ~maskOf(
            i8x16.eq(mistakeA, zero),
            i8x16.eq(mistakeB, zero),
            i8x16.eq(mistakeC, zero),
            i8x16.eq(mistakeD, zero),
          );
        }
        // A last byte that begins no character would be noticed only with the next one.
        if ((wrong & within) != 0 || (closing == 0 && isNeverUtf8(load<u8>(at, 63)))) break;
        before = d;
        open = i8x16.bitmask(d) >= 1 << 13;
      } else {
        if ((wrong & within) != 0) break;
        before = i64x2.splat(0);
      }
      if (closing != 0) {
        this.closed = true;
        return at + <usize>ctz<u64>(closing) + 1;
      }
      escapedFirst = escapedNext;
      digitsFirst = digitsNext;
      at += BLOCK_BYTES;
    }
    if (escapedFirst != 0) this.state = STATE_STRING_ESCAPE;
    else if (digitsFirst != 0) this.state = STATE_STRING_HEX_1 + 1 - <i32>popcnt<u64>(digitsFirst);
    else this.state = open ? stateBehindBytes(at) : STATE_STRING;
    return at;
  }
}

/** FF where a byte is below 0x20. */
// prettier-ignore
@inline
function isControl(bytes: v128): v128 {
  return i8x16.eq(i8x16.min_u(bytes, i8x16.splat(0x1f)), bytes);
}

/** FF where a byte is `n` or `t`. */
// prettier-ignore
@inline
function often(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(0x6e)), i8x16.eq(bytes, i8x16.splat(0x74)));
}

/** FF where a byte is one of `/bfnrt`. */
// prettier-ignore
@inline
function escapeLetters(bytes: v128): v128 {
  return v128.or(
    i8x16.eq(i8x16.swizzle(ESCAPE_LETTERS, v128.and(bytes, i8x16.splat(0x0f))), bytes),
    i8x16.eq(bytes, i8x16.splat(0x72)),
  );
}

/** FF where a byte is a hexadecimal digit. */
// prettier-ignore
@inline
function hexDigits(bytes: v128): v128 {
  const digit = i8x16.sub(bytes, i8x16.splat(0x30));
  const letter = i8x16.sub(v128.or(bytes, i8x16.splat(0x20)), i8x16.splat(0x61));
  return v128.or(
    i8x16.eq(i8x16.min_u(digit, i8x16.splat(9)), digit),
    i8x16.eq(i8x16.min_u(letter, i8x16.splat(5)), letter),
  );
}
