import {
  REASON_BAD_DELIMITER,
  REASON_BAD_ESCAPE,
  REASON_BAD_LITERAL,
  REASON_BAD_NUMBER,
  REASON_BAD_PART_HEADER,
  REASON_BAD_UTF8,
  REASON_BRACKET_MISMATCH,
  REASON_CONTROL_CHARACTER,
  REASON_NOT_AN_OBJECT,
  REASON_OTHER_ENCODING,
  REASON_PART_HEADER_TOO_LONG,
  REASON_PART_WITHOUT_NAME,
  REASON_TOO_DEEP,
  REASON_TRAILING_BYTES,
  REASON_TRUNCATED,
  REASON_UNEXPECTED_BYTE,
} from "./scan_codes";

/** A REASON_* in words, to follow "the body is not valid: " and come before "at byte 7"; "" for REASON_NONE. */
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
    case REASON_BAD_NUMBER:
      return "malformed number";
    case REASON_CONTROL_CHARACTER:
      return "control character in a string";
    case REASON_BAD_UTF8:
      return "not UTF-8";
    case REASON_OTHER_ENCODING:
      return "UTF-16 or UTF-32";
    case REASON_BAD_DELIMITER:
      return "malformed line of the boundary";
    case REASON_BAD_PART_HEADER:
      return "malformed header of a part";
    case REASON_PART_HEADER_TOO_LONG:
      return "headers of a part too long";
    case REASON_PART_WITHOUT_NAME:
      return "part without a name";
  }
  return "";
}
