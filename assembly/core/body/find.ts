/**
 * Searches over raw bytes, 16 at a time (SIMD), the rest one by one. Each returns the address of the
 * first hit in [at, end), or `end`. Nothing outside [at, end) is read.
 */

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
/** `{` and `[` are the same byte once bit 0x20 is set, and so are `}` and `]`; nothing else becomes these. */
const CASE_BIT: u8 = 0x20;
const OPENING: u8 = 0x7b;
const CLOSING: u8 = 0x7d;

/** First quote or backslash: what ends a run of plain bytes in a string. */
export function findQuoteOrBackslash(at: usize, end: usize): usize {
  const quotes = i8x16.splat(QUOTE);
  const backslashes = i8x16.splat(BACKSLASH);
  // Long strings: four vectors per test, the exact place is then found by the loop below.
  while (at + 64 <= end) {
    const a = v128.load(at);
    const b = v128.load(at, 16);
    const c = v128.load(at, 32);
    const d = v128.load(at, 48);
    const hits = v128.or(
      v128.or(
        v128.or(i8x16.eq(a, quotes), i8x16.eq(a, backslashes)),
        v128.or(i8x16.eq(b, quotes), i8x16.eq(b, backslashes)),
      ),
      v128.or(
        v128.or(i8x16.eq(c, quotes), i8x16.eq(c, backslashes)),
        v128.or(i8x16.eq(d, quotes), i8x16.eq(d, backslashes)),
      ),
    );
    if (v128.any_true(hits)) break;
    at += 64;
  }
  while (at + 16 <= end) {
    const bytes = v128.load(at);
    const mask = i8x16.bitmask(v128.or(i8x16.eq(bytes, quotes), i8x16.eq(bytes, backslashes)));
    if (mask != 0) return at + ctz<i32>(mask);
    at += 16;
  }
  while (at < end) {
    const byte = load<u8>(at);
    if (byte == QUOTE || byte == BACKSLASH) return at;
    at++;
  }
  return end;
}

/**
 * The quote that ends a string whose bytes from `start` on are given, `start` not being escaped. Only quotes
 * are searched for; whether one is escaped shows in the run of backslashes before it, so escapes of other
 * characters, which real prompts are full of, cost nothing.
 */
export function findClosingQuote(start: usize, end: usize): usize {
  const quotes = i8x16.splat(QUOTE);
  let at = start;
  while (at + 64 <= end) {
    const a = i8x16.eq(v128.load(at), quotes);
    const b = i8x16.eq(v128.load(at, 16), quotes);
    const c = i8x16.eq(v128.load(at, 32), quotes);
    const d = i8x16.eq(v128.load(at, 48), quotes);
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) {
      let mask =
        (<u64>i8x16.bitmask(a)) |
        ((<u64>i8x16.bitmask(b)) << 16) |
        ((<u64>i8x16.bitmask(c)) << 32) |
        ((<u64>i8x16.bitmask(d)) << 48);
      while (mask != 0) {
        const quote = at + <usize>ctz<u64>(mask);
        if (!endsInEscape(start, quote)) return quote;
        mask &= mask - 1;
      }
    }
    at += 64;
  }
  while (at < end) {
    if (load<u8>(at) == QUOTE && !endsInEscape(start, at)) return at;
    at++;
  }
  return end;
}

/** Does the odd number of backslashes before `end`, not looking before `start`, escape the byte at `end`? */
// prettier-ignore
@inline
export function endsInEscape(start: usize, end: usize): bool {
  let at = end;
  while (at > start && load<u8>(at - 1) == BACKSLASH) at--;
  return ((end - at) & 1) != 0;
}

/** First quote or bracket of either kind: what matters inside a value that is skipped. */
export function findQuoteOrBracket(at: usize, end: usize): usize {
  const quotes = i8x16.splat(QUOTE);
  const caseBits = i8x16.splat(CASE_BIT);
  const openings = i8x16.splat(OPENING);
  const closings = i8x16.splat(CLOSING);
  while (at + 16 <= end) {
    const bytes = v128.load(at);
    const folded = v128.or(bytes, caseBits);
    const mask = i8x16.bitmask(
      v128.or(i8x16.eq(bytes, quotes), v128.or(i8x16.eq(folded, openings), i8x16.eq(folded, closings))),
    );
    if (mask != 0) return at + ctz<i32>(mask);
    at += 16;
  }
  while (at < end) {
    const byte = load<u8>(at);
    const folded = byte | CASE_BIT;
    if (byte == QUOTE || folded == OPENING || folded == CLOSING) return at;
    at++;
  }
  return end;
}

/** First byte that is not JSON white space (space, tab, line feed, carriage return). */
export function skipWhitespace(at: usize, end: usize): usize {
  while (at < end) {
    const byte = load<u8>(at);
    if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) return at;
    at++;
  }
  return end;
}
