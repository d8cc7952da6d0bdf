/**
 * Matching of short JSON tokens at an address, where the bytes may end too early. Each function returns the
 * address behind what it matched, or one of these.
 */
export const NO_MATCH: usize = 0;
/** All bytes up to the end fit, more are needed. */
export const TOO_SHORT: usize = 1;

/** Space, tab, line feed, carriage return. */
// prettier-ignore
@inline
export function isJsonSpace(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

/** A match, not one of the two answers above. */
// prettier-ignore
@inline
export function isMatch(address: usize): bool {
  return address > TOO_SHORT;
}

/** Matches `ascii`, a literal of ASCII characters. */
// prettier-ignore
@inline
export function matchText(at: usize, end: usize, ascii: string): usize {
  const length = <usize>ascii.length;
  for (let index: usize = 0; index < length; index++) {
    if (at + index == end) return TOO_SHORT;
    const wanted: u32 = load<u16>(changetype<usize>(ascii) + (index << 1));
    if (<u32>load<u8>(at + index) != wanted) return NO_MATCH;
  }
  return at + length;
}

/** Matches the colon behind a key, with white space around it; the address of the value's first byte. */
export function matchColon(at: usize, end: usize): usize {
  while (at < end && isJsonSpace(load<u8>(at))) at++;
  if (at == end) return TOO_SHORT;
  if (load<u8>(at) != 0x3a) return NO_MATCH;
  at++;
  while (at < end && isJsonSpace(load<u8>(at))) at++;
  return at == end ? TOO_SHORT : at;
}

/** Matches the rest of a key, its closing quote and the colon; the address of the value's first byte. */
// prettier-ignore
@inline
export function matchKey(at: usize, end: usize, restAndQuote: string): usize {
  const behind = matchText(at, end, restAndQuote);
  return isMatch(behind) ? matchColon(behind, end) : behind;
}
