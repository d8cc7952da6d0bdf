/** What `feed` and `finish` answer. */
export const SCAN_MORE: i32 = 0;
/** The top-level object has been closed, and only white space followed so far. */
export const SCAN_COMPLETE: i32 = 1;
export const SCAN_MALFORMED: i32 = 2;

/** Why a body is malformed (`errorReason`). */
export const REASON_NONE: i32 = 0;
/** The first byte that is not white space is not `{`. */
export const REASON_NOT_AN_OBJECT: i32 = 1;
export const REASON_UNEXPECTED_BYTE: i32 = 2;
/** A bracket closed by one of the other kind. */
export const REASON_BRACKET_MISMATCH: i32 = 3;
export const REASON_TOO_DEEP: i32 = 4;
/** A backslash followed by nothing that JSON knows, in a key or a value that is read. */
export const REASON_BAD_ESCAPE: i32 = 5;
/** Something other than white space after the object. */
export const REASON_TRAILING_BYTES: i32 = 6;
/** The body ended inside the object. */
export const REASON_TRUNCATED: i32 = 7;
/** A bare word other than true, false and null, or a number of other characters. */
export const REASON_BAD_LITERAL: i32 = 8;

/** Open brackets at most, the top-level object included. */
export const MAX_DEPTH: i32 = 512;
/** Bytes kept of the model's name; a longer one sets `modelTooLong`. */
export const MODEL_CAPACITY_BYTES: i32 = 1024;

/** A REASON_* in words, to follow "the body is not a valid JSON object: "; "" for REASON_NONE. */
export function reasonText(reason: i32): string {
  switch (reason) {
    case REASON_NOT_AN_OBJECT:
      return "not an object";
    case REASON_UNEXPECTED_BYTE:
      return "unexpected byte";
    case REASON_BRACKET_MISMATCH:
      return "bracket closed by another";
    case REASON_TOO_DEEP:
      return "nested too deeply";
    case REASON_BAD_ESCAPE:
      return "unknown escape";
    case REASON_TRAILING_BYTES:
      return "bytes after the object";
    case REASON_TRUNCATED:
      return "cut off";
    case REASON_BAD_LITERAL:
      return "unknown literal";
  }
  return "";
}
