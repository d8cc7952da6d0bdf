import { STATE_WORD_F, STATE_WORD_I, STATE_WORD_N, STATE_WORD_NAN_N, STATE_WORD_T } from "./scan_states";

/**
 * Bare words: those of JSON, and those beyond it that Python's parser takes and writes. Behind its first letters a word
 * is in a state of its own, STATE_WORD_*; here stands, by state, the letter that comes next.
 */
// prettier-ignore
const NEXT = memory.data<u8>([
  0x72, 0x75, 0x65, // true
  0x61, 0x6c, 0x73, 0x65, // false
  0x75, 0x6c, 0x6c, // null
  0x61, 0x4e, // NaN
  0x6e, 0x66, 0x69, 0x6e, 0x69, 0x74, 0x79, // Infinity
]);
const LETTERS: i32 = 19;

/** State behind a word's first letter; -1 if no word begins so. */
export function stateBehindLetter(byte: u32): i32 {
  switch (byte) {
    case 0x74: // t
      return STATE_WORD_T;
    case 0x66: // f
      return STATE_WORD_F;
    case 0x6e: // n
      return STATE_WORD_N;
    case 0x4e: // N
      return STATE_WORD_NAN_N;
    case 0x49: // I
      return STATE_WORD_I;
  }
  return -1;
}

/** The letter that must follow in a state of a word. */
export function nextLetter(state: i32): u32 {
  return load<u8>(NEXT + (state - STATE_WORD_T));
}

/** First letter whose state ends the word with the next one. */
export function isLastLetter(state: i32): bool {
  const next = state + 1;
  return (
    next == STATE_WORD_F ||
    next == STATE_WORD_N ||
    next == STATE_WORD_NAN_N ||
    next == STATE_WORD_I ||
    next == STATE_WORD_T + LETTERS
  );
}
