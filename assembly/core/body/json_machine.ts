import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON_BYTE,
  COMMA,
  isDigit,
  isLetter,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from "./json_bytes";
import { skipWhitespace } from "./find";
import {
  JsonFields,
  VALUE_ARRAY,
  VALUE_FALSE,
  VALUE_NOT_FINITE,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_OBJECT,
  VALUE_STRING,
  VALUE_TRUE,
} from "./json_fields";
import {
  hasReadKeys,
  ROLE_BODY,
  ROLE_DEPTH,
  ROLE_INPUT,
  ROLE_INPUT_MESSAGES,
  ROLE_NONE,
  ROLE_STREAM_OPTIONS,
  roleOfElement,
  roleOfKey,
  TOP_ROLE_COUNT,
} from "./roles";
import {
  MAX_DEPTH,
  REASON_BAD_LITERAL,
  REASON_BAD_NUMBER,
  REASON_BRACKET_MISMATCH,
  REASON_NONE,
  REASON_NOT_AN_OBJECT,
  REASON_OTHER_ENCODING,
  REASON_TOO_DEEP,
  REASON_TRAILING_BYTES,
  REASON_TRUNCATED,
  REASON_UNEXPECTED_BYTE,
  SCAN_COMPLETE,
  SCAN_MALFORMED,
  SCAN_MORE,
} from "./scan_codes";
import {
  STATE_AFTER_ELEMENT,
  STATE_AFTER_MEMBER,
  STATE_BEFORE_OBJECT,
  STATE_BOM_EF,
  STATE_BOM_EF_BB,
  STATE_BOM_FE,
  STATE_BOM_FF,
  STATE_COLON,
  STATE_DONE,
  STATE_ELEMENT,
  STATE_FAILED,
  STATE_FIRST_ELEMENT,
  STATE_FIRST_KEY,
  STATE_KEY,
  STATE_NUMBER_MINUS,
  STATE_NUMBER_ZERO,
  STATE_START,
  STATE_STRING,
  STATE_TEXT,
  STATE_VALUE,
  STATE_WORD_FALS,
  STATE_WORD_I,
  STATE_WORD_NUL,
  STATE_WORD_T,
  STATE_WORD_TRU,
} from "./scan_states";
import { StringScanner } from "./string_scanner";
import { isLastLetter, nextLetter, stateBehindLetter } from "./words";

/**
 * A JSON body. All of it is checked: structure, numbers, words, escapes, control characters, UTF-8. It takes what the
 * model servers take, whose oracle is Python's `json.loads(bytes)`: JSON (RFC 8259) and beyond it
 *
 * - a byte order mark of UTF-8 at the beginning,
 * - `NaN`, `Infinity` and `-Infinity`,
 * - surrogates written in UTF-8 (ED A0 80 to ED BF BF; Python's "surrogatepass").
 *
 * It differs from that parser where
 *
 * - the top level is not an object, or more than MAX_DEPTH brackets are open: refused,
 * - the body is UTF-16 or UTF-32, which Python guesses from a byte order mark or from NULs among the first bytes:
 *   refused with a reason of its own, REASON_OTHER_ENCODING,
 * - a number has more than 4300 digits, or brackets are nested so deep that Python gives up earlier: accepted.
 *
 * Memory is bounded, about 5 KB an object (3.3 KB for spans, 1.6 KB for texts, 128 bytes for MAX_DEPTH brackets), and
 * nothing is allocated after the constructor.
 */
@unmanaged
export class JsonMachine extends JsonFields {
  /** STATE_*; in a string STATE_STRING or STATE_TEXT, in a number STATE_NUMBER_MINUS, wherever in it. */
  private state: i32 = STATE_START;
  private readonly strings: StringScanner = new StringScanner();
  /** The string being read is a key. */
  private inKey: bool = false;

  /** Open brackets. */
  private depth: i32 = 0;
  /** A bit for each open bracket, the outermost lowest: it is `{`. */
  private readonly brackets: usize = heap.alloc(MAX_DEPTH >> 3);
  /** The innermost open bracket is `{`. */
  private inObject: bool = false;
  /** Roles of the outermost open values, by depth. */
  private readonly roles: usize = heap.alloc(ROLE_DEPTH + 1);
  /** Role of the innermost open object or array. */
  private container: i32 = ROLE_NONE;
  /** Role of the value that begins, or that is being read. */
  private role: i32 = ROLE_NONE;

  reset(): void {
    this.resetValues();
    this.state = STATE_START;
    this.depth = 0;
    this.container = ROLE_NONE;
  }

  /** STATE_*: where it is, told as finely as the next byte's meaning asks for. */
  scanState(): i32 {
    const state = this.state;
    if (state == STATE_STRING) return this.strings.state;
    if (state == STATE_TEXT) return this.strings.state + (STATE_TEXT - STATE_STRING);
    return state == STATE_NUMBER_MINUS ? this.number.state : state;
  }

  feed(ptr: usize, bytes: i32): i32 {
    this.beginPiece(ptr);
    const end = ptr + <usize>bytes;
    let at = ptr;
    while (at < end) {
      const state = this.state;
      if (state >= STATE_STRING) {
        at = this.scanString(at, end);
        continue;
      }
      if (state >= STATE_WORD_T) {
        at = this.scanWord(at, end);
        continue;
      }
      switch (state) {
        case STATE_START:
        case STATE_BEFORE_OBJECT:
          at = this.scanStart(at, end);
          break;
        case STATE_BOM_EF:
          at = this.scanMark(at, 0xbb, STATE_BOM_EF_BB);
          break;
        case STATE_BOM_EF_BB:
          at = this.scanMark(at, 0xbf, STATE_BEFORE_OBJECT);
          break;
        case STATE_BOM_FE:
          at = this.scanMark(at, 0xff, STATE_FAILED);
          break;
        case STATE_BOM_FF:
          at = this.scanMark(at, 0xfe, STATE_FAILED);
          break;
        case STATE_FIRST_KEY:
        case STATE_KEY:
          at = this.scanKey(at, end);
          break;
        case STATE_COLON:
          at = this.scanColon(at, end);
          break;
        case STATE_VALUE:
        case STATE_FIRST_ELEMENT:
        case STATE_ELEMENT:
          at = this.scanValue(at, end);
          break;
        case STATE_AFTER_MEMBER:
        case STATE_AFTER_ELEMENT:
          at = this.scanAfterValue(at, end);
          break;
        case STATE_NUMBER_MINUS:
          at = this.scanNumber(at, end);
          break;
        case STATE_DONE:
          at = skipWhitespace(at, end);
          if (at < end) this.fail(at, REASON_TRAILING_BYTES);
          break;
        default: // STATE_FAILED
          return SCAN_MALFORMED;
      }
    }
    if (this.state == STATE_FAILED) return SCAN_MALFORMED;
    this.endPiece(bytes);
    return this.state == STATE_DONE ? SCAN_COMPLETE : SCAN_MORE;
  }

  finish(): i32 {
    if (this.state == STATE_DONE) return SCAN_COMPLETE;
    if (this.state == STATE_FAILED) return SCAN_MALFORMED;
    this.state = STATE_FAILED;
    return this.refuse(this.offset, REASON_TRUNCATED);
  }

  private scanStart(at: usize, end: usize): usize {
    const byte: u32 = load<u8>(at);
    if (this.state == STATE_START) {
      this.state = STATE_BEFORE_OBJECT;
      if (byte == 0xef) this.state = STATE_BOM_EF;
      else if (byte == 0xfe) this.state = STATE_BOM_FE;
      else if (byte == 0xff) this.state = STATE_BOM_FF;
      if (byte >= 0xef && this.state != STATE_BEFORE_OBJECT) return at + 1;
    }
    at = skipWhitespace(at, end);
    if (at == end) return end;
    if (load<u8>(at) != OPEN_BRACE) return this.fail(at, REASON_NOT_AN_OBJECT);
    this.role = ROLE_BODY;
    at = this.open(at, true);
    this.objectStart = this.bodyOffset(at);
    return at;
  }

  /** A byte of a byte order mark; `next` is STATE_FAILED where it makes the mark UTF-16's. */
  private scanMark(at: usize, expected: u32, next: i32): usize {
    if (load<u8>(at) != expected) return this.fail(at, REASON_NOT_AN_OBJECT);
    if (next == STATE_FAILED) return this.fail(at, REASON_OTHER_ENCODING);
    this.state = next;
    return at + 1;
  }

  private scanKey(at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    const byte = load<u8>(at);
    if (byte == QUOTE) {
      const isRead = hasReadKeys(this.container);
      this.strings.begin(isRead ? this.word : null);
      this.inKey = true;
      this.state = isRead ? STATE_TEXT : STATE_STRING;
      return at + 1;
    }
    if (this.state == STATE_KEY) return this.fail(at, REASON_UNEXPECTED_BYTE);
    if (byte == CLOSE_BRACE) {
      if (this.container == ROLE_STREAM_OPTIONS) this.streamOptionsEmpty = true;
      else if (this.container == ROLE_BODY) this.isEmptyObject = true;
      return this.close(at);
    }
    return this.fail(at, byte == CLOSE_BRACKET ? REASON_BRACKET_MISMATCH : REASON_UNEXPECTED_BYTE);
  }

  private scanColon(at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    if (load<u8>(at) != COLON_BYTE) return this.fail(at, REASON_UNEXPECTED_BYTE);
    this.state = STATE_VALUE;
    return at + 1;
  }

  private scanValue(at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    const byte: u32 = load<u8>(at);
    const isFirst = this.state == STATE_FIRST_ELEMENT;
    if (isFirst && byte == CLOSE_BRACKET) return this.close(at);
    if (this.container != ROLE_NONE && this.state != STATE_VALUE) this.beginElement(isFirst, byte);
    if (this.role != ROLE_NONE) this.beginValue(this.role, this.bodyOffset(at));
    if (byte == QUOTE) {
      const sink = this.sinkOf(this.role);
      this.strings.begin(sink);
      this.inKey = false;
      this.state = sink != null ? STATE_TEXT : STATE_STRING;
      return at + 1;
    }
    if (byte == OPEN_BRACE || byte == OPEN_BRACKET) return this.open(at, byte == OPEN_BRACE);
    if (isDigit(byte) || byte == MINUS) {
      this.number.begin(byte);
      this.state = STATE_NUMBER_MINUS;
      return at + 1;
    }
    const word = stateBehindLetter(byte);
    if (word >= 0) {
      this.state = word;
      return at + 1;
    }
    if (isLetter(byte)) return this.fail(at, REASON_BAD_LITERAL);
    const mismatch = isFirst && byte == CLOSE_BRACE;
    return this.fail(at, mismatch ? REASON_BRACKET_MISMATCH : REASON_UNEXPECTED_BYTE);
  }

  /** An element of an array that has a role begins with `byte`. */
  private beginElement(isFirst: bool, byte: u32): void {
    if (isFirst && byte == OPEN_BRACE && this.container == ROLE_INPUT) {
      this.container = ROLE_INPUT_MESSAGES;
      store<u8>(this.roles + this.depth, <u8>ROLE_INPUT_MESSAGES);
      this.takeInputAsMessages();
    }
    this.role = roleOfElement(this.container);
  }

  private scanAfterValue(at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    const byte: u32 = load<u8>(at);
    const inObject = this.inObject;
    if (byte == COMMA) {
      this.state = inObject ? STATE_KEY : STATE_ELEMENT;
      return at + 1;
    }
    if (byte == (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return this.close(at);
    const mismatch = byte == CLOSE_BRACE || byte == CLOSE_BRACKET;
    return this.fail(at, mismatch ? REASON_BRACKET_MISMATCH : REASON_UNEXPECTED_BYTE);
  }

  private scanString(at: usize, end: usize): usize {
    const strings = this.strings;
    at = strings.scan(at, end);
    if (strings.done) {
      if (!this.inKey) {
        this.endOfValue(VALUE_STRING, at);
      } else {
        this.role = this.state == STATE_TEXT ? roleOfKey(this.container, this.word) : ROLE_NONE;
        if (this.role < TOP_ROLE_COUNT) this.meetKey(this.role);
        this.state = STATE_COLON;
      }
    } else if (strings.reason != REASON_NONE) {
      return this.fail(at, strings.reason);
    }
    return at;
  }

  private scanNumber(at: usize, end: usize): usize {
    const number = this.number;
    at = number.scan(at, end);
    if (at == end) return end;
    const byte: u32 = load<u8>(at);
    if (!number.isComplete) {
      if (number.state != STATE_NUMBER_MINUS) return this.fail(at, REASON_BAD_NUMBER);
      const word = stateBehindLetter(byte);
      if (word != STATE_WORD_I) return this.fail(at, REASON_BAD_NUMBER);
      this.state = word;
      return at + 1;
    }
    if (number.state == STATE_NUMBER_ZERO && isDigit(byte)) return this.fail(at, REASON_BAD_NUMBER);
    this.endOfValue(VALUE_NUMBER, at);
    return at;
  }

  private scanWord(at: usize, end: usize): usize {
    while (at < end) {
      const state = this.state;
      if (load<u8>(at) != nextLetter(state)) return this.fail(at, REASON_BAD_LITERAL);
      at++;
      if (isLastLetter(state)) {
        this.endOfValue(kindOfWord(state), at);
        return at;
      }
      this.state = state + 1;
    }
    return end;
  }

  /** The bracket at `at` opens an object or an array of the role at hand. */
  private open(at: usize, isObject: bool): usize {
    const depth = this.depth;
    if (depth == MAX_DEPTH) return this.fail(at, REASON_TOO_DEEP);
    const bit: u64 = 1 << ((<u64>depth) & 63);
    const word = unchecked(this.brackets[depth >> 6]);
    unchecked((this.brackets[depth >> 6] = isObject ? word | bit : word & ~bit));
    this.depth = depth + 1;
    this.inObject = isObject;
    this.container = depth < ROLE_DEPTH ? this.role : ROLE_NONE;
    if (depth < ROLE_DEPTH) store<u8>(this.roles + depth, <u8>this.role, 1);
    this.role = ROLE_NONE;
    this.state = isObject ? STATE_FIRST_KEY : STATE_FIRST_ELEMENT;
    return at + 1;
  }

  /** The bracket at `at` closes the innermost object or array, and is of its kind. */
  private close(at: usize): usize {
    const kind = this.inObject ? VALUE_OBJECT : VALUE_ARRAY;
    const depth = this.depth - 1;
    this.role = this.container;
    this.depth = depth;
    if (depth > 0) {
      const below = depth - 1;
      this.inObject = ((unchecked(this.brackets[below >> 6]) >> ((<u64>below) & 63)) & 1) != 0;
      this.container = depth <= ROLE_DEPTH ? <i32>unchecked(this.roles[depth]) : ROLE_NONE;
    }
    this.endOfValue(kind, at + 1);
    return at + 1;
  }

  /** A value of kind VALUE_* ends before `at`. */
  private endOfValue(kind: i32, at: usize): void {
    if (this.role != ROLE_NONE) this.endValue(this.role, kind, this.bodyOffset(at));
    this.role = ROLE_NONE;
    if (this.depth == 0) {
      this.state = STATE_DONE;
      this.objectEnd = this.bodyOffset(at) - 1;
    } else {
      this.state = this.inObject ? STATE_AFTER_MEMBER : STATE_AFTER_ELEMENT;
    }
  }

  /** NUL is no byte of JSON: among the first two it is half of a character of two or four bytes. */
  private fail(at: usize, reason: i32): usize {
    const offset = this.bodyOffset(at);
    this.refuse(offset, offset < 2 && load<u8>(at) == 0 ? REASON_OTHER_ENCODING : reason);
    this.state = STATE_FAILED;
    return at;
  }
}

function kindOfWord(lastState: i32): i32 {
  switch (lastState) {
    case STATE_WORD_TRU:
      return VALUE_TRUE;
    case STATE_WORD_FALS:
      return VALUE_FALSE;
    case STATE_WORD_NUL:
      return VALUE_NULL;
  }
  return VALUE_NOT_FINITE;
}
