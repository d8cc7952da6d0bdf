/**
 * Matching of JSON's tokens at an address, where the bytes may end too early. Each function returns the
 * address behind what it matched, or one of these.
 */
export const NO_MATCH: usize = 0;
/** All bytes up to the end fit, more are needed. */
export const TOO_SHORT: usize = 1;

const COLON: u32 = 0x3a;
const WORD_BYTES: usize = 8;

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

/** Up to eight ASCII characters as the little-endian number that their bytes make. */
export function wordOf(ascii: string): u64 {
  let word: u64 = 0;
  for (let at = ascii.length - 1; at >= 0; at--) word = (word << 8) | ascii.charCodeAt(at);
  return word;
}

/** Matches the first `bytes` bytes, 1 to 8, of `word`. */
// prettier-ignore
@inline
export function matchWord(at: usize, end: usize, word: u64, bytes: usize): usize {
  if (at + WORD_BYTES > end) return matchWordNearEnd(at, end, word, bytes);
  return (load<u64>(at) ^ word) << ((WORD_BYTES - bytes) << 3) == 0 ? at + bytes : NO_MATCH;
}

function matchWordNearEnd(at: usize, end: usize, word: u64, bytes: usize): usize {
  const behind = at + bytes;
  for (; at < behind; at++) {
    if (at == end) return TOO_SHORT;
    if (<u64>load<u8>(at) != (word & 0xff)) return NO_MATCH;
    word >>= 8;
  }
  return behind;
}

/** Matches, behind a key, the colon with white space around it; the address of the value's first byte. */
// prettier-ignore
@inline
export function matchColon(at: usize, end: usize): usize {
  // As nearly all servers write it.
  if (at + 1 < end && load<u8>(at) == COLON && <u32>load<u8>(at + 1) > 0x20) return at + 1;
  return matchSpacedColon(at, end);
}

function matchSpacedColon(at: usize, end: usize): usize {
  while (at < end && isJsonSpace(load<u8>(at))) at++;
  if (at == end) return TOO_SHORT;
  if (load<u8>(at) != COLON) return NO_MATCH;
  at++;
  while (at < end && isJsonSpace(load<u8>(at))) at++;
  return at == end ? TOO_SHORT : at;
}

/** Matches the rest of a key, `bytes` bytes of `word` with its closing quote, and the colon; the value's first byte. */
// prettier-ignore
@inline
export function matchKey(at: usize, end: usize, word: u64, bytes: usize): usize {
  const behind = matchWord(at, end, word, bytes);
  return isMatch(behind) ? matchColon(behind, end) : behind;
}
