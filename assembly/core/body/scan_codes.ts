// Numbers that the request scanners answer with. Constants only, so that TypeScript reads them as they stand.

/** What `feed` and `finish` answer. */
export const SCAN_MORE: i32 = 0;
/** The body is whole, and only what may follow it did so far. */
export const SCAN_COMPLETE: i32 = 1;
export const SCAN_MALFORMED: i32 = 2;

// Why a body is malformed (`errorReason`).
export const REASON_NONE: i32 = 0;
/** The first byte that is not white space is not `{`. */
export const REASON_NOT_AN_OBJECT: i32 = 1;
export const REASON_UNEXPECTED_BYTE: i32 = 2;
/** A bracket closed by one of the other kind. */
export const REASON_BRACKET_MISMATCH: i32 = 3;
export const REASON_TOO_DEEP: i32 = 4;
/** A backslash followed by nothing that JSON knows. */
export const REASON_BAD_ESCAPE: i32 = 5;
/** Something other than white space after the object. */
export const REASON_TRAILING_BYTES: i32 = 6;
/** The body ended too early. */
export const REASON_TRUNCATED: i32 = 7;
/** A bare word other than true, false, null, NaN and Infinity. */
export const REASON_BAD_LITERAL: i32 = 8;
/** A number that ends where a digit must stand, or that begins with a 0 and goes on with a digit. */
export const REASON_BAD_NUMBER: i32 = 9;
/** A byte below 0x20 in a string. */
export const REASON_CONTROL_CHARACTER: i32 = 10;
export const REASON_BAD_UTF8: i32 = 11;
/** UTF-16 or UTF-32 by its first bytes: servers may read it, the scanner does not. */
export const REASON_OTHER_ENCODING: i32 = 12;
/** A form's line of the boundary ends in something other than CRLF or `--`. */
export const REASON_BAD_DELIMITER: i32 = 13;
/** A header of a form's part: no name, a byte that no name has, or a line that does not end in CRLF. */
export const REASON_BAD_PART_HEADER: i32 = 14;
/** The headers of a form's part are longer than PART_HEADER_MAX_BYTES. */
export const REASON_PART_HEADER_TOO_LONG: i32 = 15;
/** A form's part without `content-disposition`, or one that gives no name. */
export const REASON_PART_WITHOUT_NAME: i32 = 16;

/**
 * Open brackets at most, the top-level object included. The servers' parser, Python's `json`, has a bound that depends
 * on its version: up to 3.11 it gives up near 1000, 3.12 takes more than this and 3.13 more than 9000.
 */
export const MAX_DEPTH: i32 = 1024;
/** Bytes kept of the model's name; a longer one sets `modelTooLong`. */
export const MODEL_CAPACITY_BYTES: i32 = 1024;
/** Bytes kept of the cache salt, and of the user. */
export const SALT_CAPACITY_BYTES: i32 = 256;
export const USER_CAPACITY_BYTES: i32 = 256;
/** Spans kept; further ones are counted in `spansDropped`. */
export const SPAN_CAPACITY: i32 = 256;
/** Bytes of a form's boundary (RFC 2046, 5.1.1). */
export const BOUNDARY_MAX_BYTES: i32 = 70;
/** Bytes of all headers of one part of a form. */
export const PART_HEADER_MAX_BYTES: i32 = 8192;

// Kinds of spans.
/** An element of `messages`, or of an `input` that is a list of objects. */
export const SPAN_MESSAGE: i32 = 1;
/** The value of a message's `content`. */
export const SPAN_CONTENT: i32 = 2;
/** A top-level value that the model reads: prompt, input, system, instructions, tools and the like. */
export const SPAN_PROMPT: i32 = 3;
