/** First byte in [at, end) that is not JSON white space (space, tab, line feed, carriage return), or `end`. */
export function skipWhitespace(at: usize, end: usize): usize {
  while (at < end) {
    const byte = load<u8>(at);
    if (byte != 0x20 && byte != 0x0a && byte != 0x0d && byte != 0x09) return at;
    at++;
  }
  return end;
}

const CARRIAGE_RETURN: u8 = 0x0d;
const LINE_FEED: u8 = 0x0a;

/**
 * First carriage return in [at, end) that a line feed follows, or that is the last byte, or `end`. 64 bytes at a time:
 * in sound and pictures each byte is as frequent as any other, the two in a row are rare.
 */
export function findLineBreak(at: usize, end: usize): usize {
  const returns = i8x16.splat(CARRIAGE_RETURN);
  const feeds = i8x16.splat(LINE_FEED);
  while (at + 65 <= end) {
    const a = v128.and(i8x16.eq(v128.load(at), returns), i8x16.eq(v128.load(at, 1), feeds));
    const b = v128.and(i8x16.eq(v128.load(at, 16), returns), i8x16.eq(v128.load(at, 17), feeds));
    const c = v128.and(i8x16.eq(v128.load(at, 32), returns), i8x16.eq(v128.load(at, 33), feeds));
    const d = v128.and(i8x16.eq(v128.load(at, 48), returns), i8x16.eq(v128.load(at, 49), feeds));
    if (v128.any_true(v128.or(v128.or(a, b), v128.or(c, d)))) break;
    at += 64;
  }
  while (at < end) {
    if (load<u8>(at) == CARRIAGE_RETURN && (at + 1 == end || load<u8>(at + 1) == LINE_FEED)) return at;
    at++;
  }
  return end;
}
