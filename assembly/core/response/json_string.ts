import { BACKSLASH, hexDigit, LETTER_U, meaningOfEscape, QUOTE } from "../body/json_bytes";
import { GrowingBytes } from "./growing_bytes";
import { NO_MATCH, TOO_SHORT } from "./json_tokens";

const HEX_DIGITS: string = "0123456789abcdef";
/** A backslash, `u`, four digits. */
const UNIT_BYTES: usize = 6;

/** Bytes that one byte of text takes at most, however it is escaped. */
export const MOST_ESCAPED_BYTES: i32 = 6;

/** Appends the JSON string, quotes included, of the UTF-8 text [at, end): what must be escaped is, nothing else. */
export function appendString(out: GrowingBytes, at: usize, end: usize): void {
  out.appendByte(QUOTE);
  for (; at < end; at++) {
    const byte: u32 = load<u8>(at);
    if (byte == QUOTE || byte == BACKSLASH) {
      out.appendByte(BACKSLASH);
      out.appendByte(byte);
    } else if (byte < 0x20) {
      out.appendByte(BACKSLASH);
      out.appendByte(LETTER_U);
      out.appendByte(0x30);
      out.appendByte(0x30);
      out.appendByte(HEX_DIGITS.charCodeAt(byte >> 4));
      out.appendByte(HEX_DIGITS.charCodeAt(byte & 15));
    } else {
      out.appendByte(byte);
    }
  }
  out.appendByte(QUOTE);
}

/**
 * Matches, behind the opening quote at `at`, a JSON string that means the UTF-8 text [text, textEnd), whatever
 * of it is escaped: the address behind its closing quote, NO_MATCH, or TOO_SHORT.
 */
export function matchString(at: usize, end: usize, text: usize, textEnd: usize): usize {
  while (at < end) {
    const byte: u32 = load<u8>(at);
    if (byte == QUOTE) return text == textEnd ? at + 1 : NO_MATCH;
    if (text == textEnd) return NO_MATCH;
    if (byte != BACKSLASH) {
      if (load<u8>(text) != byte) return NO_MATCH;
      text++;
      at++;
      continue;
    }
    if (at + 1 == end) return TOO_SHORT;
    const escape: u32 = load<u8>(at + 1);
    if (escape != LETTER_U) {
      const meant = meaningOfEscape(escape);
      if (meant == 0 || load<u8>(text) != meant) return NO_MATCH;
      text++;
      at += 2;
      continue;
    }
    if (at + UNIT_BYTES > end) return TOO_SHORT;
    let code = unitAt(at);
    at += UNIT_BYTES;
    if ((code & 0xfffffc00) == 0xd800) {
      if (at + UNIT_BYTES > end) return TOO_SHORT;
      const low = unitAt(at);
      if ((low & 0xfffffc00) != 0xdc00) return NO_MATCH;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      at += UNIT_BYTES;
    }
    // A surrogate alone is in no UTF-8, nor is what was no escape.
    if (code > 0x10ffff || (code & 0xfffff800) == 0xd800) return NO_MATCH;
    text = matchCodePoint(code, text, textEnd);
    if (text == NO_MATCH) return NO_MATCH;
  }
  return TOO_SHORT;
}

/** The UTF-16 unit of the `\uXXXX` at `at`; above all units if it is none. */
function unitAt(at: usize): u32 {
  if (load<u8>(at) != BACKSLASH || load<u8>(at + 1) != LETTER_U) return u32.MAX_VALUE;
  let unit: u32 = 0;
  for (let place: usize = 2; place < UNIT_BYTES; place++) {
    const digit = hexDigit(load<u8>(at + place));
    if (digit < 0) return u32.MAX_VALUE;
    unit = (unit << 4) | (<u32>digit);
  }
  return unit;
}

/** Matches the UTF-8 of a code point; the address behind it, or NO_MATCH. */
function matchCodePoint(code: u32, text: usize, textEnd: usize): usize {
  const bytes: usize = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  if (text + bytes > textEnd) return NO_MATCH;
  if (bytes == 1) return load<u8>(text) == code ? text + 1 : NO_MATCH;
  // The first byte has as many leading ones as there are bytes.
  const mark: u32 = (0xf00 >> (<u32>bytes)) & 0xff;
  if (load<u8>(text) != (mark | (code >> (6 * (<u32>bytes - 1))))) return NO_MATCH;
  for (let place: usize = 1; place < bytes; place++) {
    const bits = (code >> (6 * (<u32>(bytes - place) - 1))) & 0x3f;
    if (load<u8>(text + place) != (0x80 | bits)) return NO_MATCH;
  }
  return text + bytes;
}
