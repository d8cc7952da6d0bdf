// Where the JSON scanner is between two bytes, as `BodyScanner.scanState()` tells it. Constants only, so that
// TypeScript reads them as they stand; every number from 0 to STATE_COUNT - 1 is one state.
//
//   START -'{'-> FIRST_KEY -'"'-> TEXT -'"'-> COLON -':'-> VALUE
//   VALUE, FIRST_ELEMENT, ELEMENT -'{'-> FIRST_KEY   -'['-> FIRST_ELEMENT   -'"'-> STRING or TEXT
//                                 -digit, '-'-> a number's   -letter-> a word's
//   a value's end -> AFTER_MEMBER -','-> KEY, or AFTER_ELEMENT -','-> ELEMENT, or DONE behind the last '}'

/** Before the first byte. */
export const STATE_START: i32 = 0;
/** Behind the first byte of a byte order mark: UTF-8's EF, UTF-16's FE or FF. */
export const STATE_BOM_EF: i32 = 1;
export const STATE_BOM_EF_BB: i32 = 2;
export const STATE_BOM_FE: i32 = 3;
export const STATE_BOM_FF: i32 = 4;
/** Behind a byte order mark or white space. */
export const STATE_BEFORE_OBJECT: i32 = 5;
/** Behind `{`. */
export const STATE_FIRST_KEY: i32 = 6;
/** Behind a member's comma. */
export const STATE_KEY: i32 = 7;
export const STATE_COLON: i32 = 8;
export const STATE_VALUE: i32 = 9;
/** Behind `[`. */
export const STATE_FIRST_ELEMENT: i32 = 10;
/** Behind an element's comma. */
export const STATE_ELEMENT: i32 = 11;
export const STATE_AFTER_MEMBER: i32 = 12;
export const STATE_AFTER_ELEMENT: i32 = 13;
export const STATE_DONE: i32 = 14;
export const STATE_FAILED: i32 = 15;

// A number: what of it has been read.
export const STATE_NUMBER_MINUS: i32 = 16;
export const STATE_NUMBER_ZERO: i32 = 17;
export const STATE_NUMBER_DIGITS: i32 = 18;
export const STATE_NUMBER_POINT: i32 = 19;
export const STATE_NUMBER_FRACTION: i32 = 20;
export const STATE_NUMBER_E: i32 = 21;
export const STATE_NUMBER_E_SIGN: i32 = 22;
export const STATE_NUMBER_EXPONENT: i32 = 23;

// A bare word: the letters read.
export const STATE_WORD_T: i32 = 24;
export const STATE_WORD_TR: i32 = 25;
export const STATE_WORD_TRU: i32 = 26;
export const STATE_WORD_F: i32 = 27;
export const STATE_WORD_FA: i32 = 28;
export const STATE_WORD_FAL: i32 = 29;
export const STATE_WORD_FALS: i32 = 30;
export const STATE_WORD_N: i32 = 31;
export const STATE_WORD_NU: i32 = 32;
export const STATE_WORD_NUL: i32 = 33;
export const STATE_WORD_NAN_N: i32 = 34;
export const STATE_WORD_NAN_NA: i32 = 35;
export const STATE_WORD_I: i32 = 36;
export const STATE_WORD_IN: i32 = 37;
export const STATE_WORD_INF: i32 = 38;
export const STATE_WORD_INFI: i32 = 39;
export const STATE_WORD_INFIN: i32 = 40;
export const STATE_WORD_INFINI: i32 = 41;
export const STATE_WORD_INFINIT: i32 = 42;

/** A string that nobody reads, between two characters. */
export const STATE_STRING: i32 = 43;
// Inside a character of one; the same distances from STATE_TEXT hold for a string that is read.
export const STATE_STRING_ESCAPE: i32 = 44;
/** In `\uXXXX`, with so many digits to come. */
export const STATE_STRING_HEX_4: i32 = 45;
export const STATE_STRING_HEX_3: i32 = 46;
export const STATE_STRING_HEX_2: i32 = 47;
export const STATE_STRING_HEX_1: i32 = 48;
/** In a character of UTF-8, with so many continuation bytes to come. */
export const STATE_STRING_UTF8_1: i32 = 49;
export const STATE_STRING_UTF8_2: i32 = 50;
export const STATE_STRING_UTF8_3: i32 = 51;
/** Behind a first byte that narrows what the second may be: E0 (A0 to BF), F0 (90 to BF), F4 (80 to 8F). */
export const STATE_STRING_UTF8_E0: i32 = 52;
export const STATE_STRING_UTF8_F0: i32 = 53;
export const STATE_STRING_UTF8_F4: i32 = 54;

/** A string that is read: a key where keys matter, the model, the salt, the user, a part's type. */
export const STATE_TEXT: i32 = 55;
export const STATE_TEXT_ESCAPE: i32 = 56;
export const STATE_TEXT_HEX_4: i32 = 57;
export const STATE_TEXT_HEX_3: i32 = 58;
export const STATE_TEXT_HEX_2: i32 = 59;
export const STATE_TEXT_HEX_1: i32 = 60;
export const STATE_TEXT_UTF8_1: i32 = 61;
export const STATE_TEXT_UTF8_2: i32 = 62;
export const STATE_TEXT_UTF8_3: i32 = 63;
export const STATE_TEXT_UTF8_E0: i32 = 64;
export const STATE_TEXT_UTF8_F0: i32 = 65;
export const STATE_TEXT_UTF8_F4: i32 = 66;

export const STATE_COUNT: i32 = 67;
