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
  ZERO,
} from "./json_bytes";
import { skipWhitespace } from "./find";
import {
  VALUE_FALSE,
  VALUE_NOT_FINITE,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
  VALUE_TRUE,
} from "./json_fields";
import { JsonNesting } from "./json_nesting";
import {
  hasReadKeys,
  ROLE_BODY,
  ROLE_INPUT,
  ROLE_INPUT_MESSAGES,
  ROLE_NONE,
  ROLE_STREAM_OPTIONS,
  roleOfElement,
  roleOfKey,
  TOP_ROLE_COUNT,
} from "./roles";
import {
  REASON_BAD_LITERAL,
  REASON_BAD_NUMBER,
  REASON_BRACKET_MISMATCH,
  REASON_NONE,
  REASON_NOT_AN_OBJECT,
  REASON_OTHER_ENCODING,
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
import { skipDigits } from "./number_scanner";
import { plainBytes, StringScanner, VECTOR_BYTES } from "./string_scanner";
import { isLastLetter, nextLetter, stateBehindLetter } from "./words";

/** Reads the grammar of a JSON body: `BodyScanner` says what it takes. */
@unmanaged
export class JsonMachine extends JsonNesting {
  private readonly strings: StringScanner = new StringScanner();
  /** The string being read is a key. */
  private inKey: bool = false;

  constructor() {
    super();
    this.reset();
  }

  reset(): void {
    this.resetValues();
    this.resetNesting();
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
      if (state >= STATE_NUMBER_MINUS) at = this.scanScalar(at, end);
      else if (state == STATE_KEY || state == STATE_FIRST_KEY) at = this.scanKey(at, end);
      else if (state >= STATE_VALUE && state <= STATE_ELEMENT) at = this.scanValue(at, end);
      else if (state == STATE_AFTER_MEMBER || state == STATE_AFTER_ELEMENT) at = this.scanAfterValue(at, end);
      else if (state == STATE_COLON) at = this.scanColon(at, end);
      else if (state == STATE_DONE) {
        at = skipWhitespace(at, end);
        if (at < end) this.fail(at, REASON_TRAILING_BYTES);
      } else if (state == STATE_FAILED) return SCAN_MALFORMED;
      else at = this.scanStart(at, end);
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

  /** In a string, a word or a number. */
  private scanScalar(at: usize, end: usize): usize {
    const state = this.state;
    if (state >= STATE_STRING) return this.scanString(at, end);
    return state >= STATE_WORD_T ? this.scanWord(at, end) : this.scanNumber(at, end);
  }

  private scanStart(at: usize, end: usize): usize {
    const byte: u32 = load<u8>(at);
    switch (this.state) {
      case STATE_START:
        this.state = STATE_BEFORE_OBJECT;
        if (byte == 0xef) this.state = STATE_BOM_EF;
        else if (byte == 0xfe) this.state = STATE_BOM_FE;
        else if (byte == 0xff) this.state = STATE_BOM_FF;
        else break;
        return at + 1;
      case STATE_BOM_EF:
        return this.scanMark(at, 0xbb, STATE_BOM_EF_BB);
      case STATE_BOM_EF_BB:
        return this.scanMark(at, 0xbf, STATE_BEFORE_OBJECT);
      case STATE_BOM_FE:
        return this.scanMark(at, 0xff, STATE_FAILED);
      case STATE_BOM_FF:
        return this.scanMark(at, 0xfe, STATE_FAILED);
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
      at = this.beginKey(at + 1, end);
      return this.state == STATE_VALUE && at < end ? this.scanValue(at, end) : at;
    }
    if (this.state == STATE_KEY) return this.fail(at, REASON_UNEXPECTED_BYTE);
    if (byte == CLOSE_BRACE) {
      if (this.container == ROLE_STREAM_OPTIONS) this.streamOptionsEmpty = true;
      else if (this.container == ROLE_BODY) this.isEmptyObject = true;
      return this.endOfValue(this.pop(), at + 1, end);
    }
    return this.fail(at, byte == CLOSE_BRACKET ? REASON_BRACKET_MISMATCH : REASON_UNEXPECTED_BYTE);
  }

  /** From behind the quote of a key. */
  private beginKey(at: usize, end: usize): usize {
    const isRead = hasReadKeys(this.container);
    if (end - at > VECTOR_BYTES) {
      // Nearly every key is short, in one piece and without escapes.
      const bytes = plainBytes(at);
      const behind = at + bytes;
      if (bytes < <i32>VECTOR_BYTES && load<u8>(behind) == QUOTE) {
        return this.endKey(isRead, at, bytes, behind + 1, end);
      }
    }
    this.strings.begin(isRead ? this.word : null);
    this.inKey = true;
    this.state = isRead ? STATE_TEXT : STATE_STRING;
    return this.scanString(at, end);
  }

  /** The key, of `bytes` bytes at `key`, ends before `at`. Takes a colon that follows at once. */
  private endKey(isRead: bool, key: usize, bytes: i32, at: usize, end: usize): usize {
    this.role = isRead ? roleOfKey(this.container, key, bytes) : ROLE_NONE;
    if (this.role < TOP_ROLE_COUNT) this.meetKey(this.role);
    if (at < end && load<u8>(at) == COLON_BYTE) {
      this.state = STATE_VALUE;
      return at + 1;
    }
    this.state = STATE_COLON;
    return at;
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
    if (isFirst && byte == CLOSE_BRACKET) return this.endOfValue(this.pop(), at + 1, end);
    if (this.container != ROLE_NONE && this.state != STATE_VALUE) this.beginElement(isFirst, byte);
    if (this.role != ROLE_NONE) this.beginValue(this.role, this.bodyOffset(at));
    if (byte == QUOTE) {
      const sink = this.role != ROLE_NONE ? this.sinkOf(this.role) : null;
      if (sink == null && end - at > VECTOR_BYTES) {
        const behind = at + 1 + plainBytes(at + 1);
        if (behind <= at + VECTOR_BYTES && load<u8>(behind) == QUOTE) {
          return this.endOfValue(VALUE_STRING, behind + 1, end);
        }
      }
      this.strings.begin(sink);
      this.inKey = false;
      this.state = sink != null ? STATE_TEXT : STATE_STRING;
      return this.scanString(at + 1, end);
    }
    if (byte == OPEN_BRACE || byte == OPEN_BRACKET) return this.open(at, byte == OPEN_BRACE);
    if (isDigit(byte) || byte == MINUS) {
      if (this.role == ROLE_NONE && byte != MINUS && byte != ZERO) {
        const next = this.skipNumbers(at, end);
        if (next != at) return next;
      }
      this.number.begin(byte, this.role != ROLE_NONE);
      this.state = STATE_NUMBER_MINUS;
      return this.scanNumber(at + 1, end);
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
      this.renameContainer(ROLE_INPUT_MESSAGES);
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
    if (byte == (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return this.endOfValue(this.pop(), at + 1, end);
    const mismatch = byte == CLOSE_BRACE || byte == CLOSE_BRACKET;
    return this.fail(at, mismatch ? REASON_BRACKET_MISMATCH : REASON_UNEXPECTED_BYTE);
  }

  private scanString(at: usize, end: usize): usize {
    const strings = this.strings;
    at = strings.scan(at, end);
    if (strings.done) {
      if (!this.inKey) return this.endOfValue(VALUE_STRING, at, end);
      const word = this.word;
      return this.endKey(this.state == STATE_TEXT && !word.tooLong, word.ptr, word.bytes, at, end);
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
    return this.endOfValue(VALUE_NUMBER, at, end);
  }

  /**
   * Numbers that nobody reads and that are nothing but digits, each with a comma behind it: lists of token ids. From
   * the first digit of one, which is no 0; returns it if it is none of these.
   */
  private skipNumbers(at: usize, end: usize): usize {
    const inObject = this.inObject;
    let next = at;
    do {
      const behind = skipDigits(next + 1, end);
      if (behind == end || load<u8>(behind) != COMMA) break;
      next = behind + 1;
    } while (!inObject && next < end && isDigit(load<u8>(next)) && load<u8>(next) != ZERO);
    if (next != at) this.state = inObject ? STATE_KEY : STATE_ELEMENT;
    return next;
  }

  private scanWord(at: usize, end: usize): usize {
    while (at < end) {
      const state = this.state;
      if (load<u8>(at) != nextLetter(state)) return this.fail(at, REASON_BAD_LITERAL);
      at++;
      if (isLastLetter(state)) {
        return this.endOfValue(kindOfWord(state), at, end);
      }
      this.state = state + 1;
    }
    return end;
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
