import {
  BACKSLASH,
  CLOSE_BRACE,
  COLON_BYTE,
  COMMA,
  hexDigit,
  isPrimitiveByte,
  LETTER_U,
  meaningOfEscape,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  WORD_FALSE,
  WORD_NULL,
  WORD_TRUE,
} from "./json_bytes";
import {
  endsInEscape,
  findClosingQuote,
  findQuoteOrBackslash,
  findQuoteOrBracket,
  skipWhitespace,
} from "./find";
import {
  MAX_DEPTH,
  MODEL_CAPACITY_BYTES,
  REASON_BAD_ESCAPE,
  REASON_BAD_LITERAL,
  REASON_BRACKET_MISMATCH,
  REASON_NONE,
  REASON_NOT_AN_OBJECT,
  REASON_TOO_DEEP,
  REASON_TRAILING_BYTES,
  REASON_TRUNCATED,
  REASON_UNEXPECTED_BYTE,
  SCAN_COMPLETE,
  SCAN_MALFORMED,
  SCAN_MORE,
  reasonText,
} from "./scan_codes";
import { TextSink } from "./text_sink";

export { SCAN_COMPLETE, SCAN_MALFORMED, SCAN_MORE } from "./scan_codes";

// Where the scanner is between two bytes.
//
//   START -'{'-> FIRST_KEY -'"'-> TEXT (the key) -'"'-> COLON -':'-> VALUE
//   VALUE -'"'-> STRING or, for the model, TEXT      -'"'-> AFTER_VALUE
//   VALUE -'{' '['-> NESTED, strings inside in STRING -back at depth 1-> AFTER_VALUE
//   VALUE -other-> PRIMITIVE                          -delimiter-> AFTER_VALUE
//   AFTER_VALUE -','-> KEY -'"'-> TEXT …              AFTER_VALUE -'}'-> DONE
const START: i32 = 0;
const BOM_SECOND: i32 = 1;
const BOM_THIRD: i32 = 2;
const FIRST_KEY: i32 = 3;
const KEY: i32 = 4;
const COLON: i32 = 5;
const VALUE: i32 = 6;
const AFTER_VALUE: i32 = 7;
/** In a string that is read: a key, or the model's name. */
const TEXT: i32 = 8;
const TEXT_ESCAPE: i32 = 9;
const TEXT_HEX: i32 = 10;
/** In a string that is skipped. */
const STRING: i32 = 11;
const STRING_ESCAPE: i32 = 12;
const PRIMITIVE: i32 = 13;
const NESTED: i32 = 14;
const DONE: i32 = 15;
const FAILED: i32 = 16;
/** Only between two functions: a string that was skipped has ended. */
const CLOSED: i32 = 17;

// Keys that are read.
const KEY_OTHER: i32 = 0;
const KEY_MODEL: i32 = 1;
const KEY_STREAM: i32 = 2;
const KEY_MAX_TOKENS: i32 = 3;
/** Longer than any key that is read. */
const KEY_CAPACITY_BYTES: i32 = 32;

/**
 * Reads a JSON body as it arrives, in pieces cut anywhere, and finds the top-level `model`, `stream`
 * and `max_tokens` (or `max_completion_tokens`). A key that comes twice counts the last time, as in
 * the model servers' parser. Memory is bounded (about 1.6 KB an object), nothing is allocated after
 * the constructor.
 *
 * Checked: the grammar of the top-level object, that brackets match, depth up to MAX_DEPTH, and that
 * nothing follows. Not checked: the order of tokens inside nested values, the exact form of numbers,
 * control characters and UTF-8 in strings. The model server refuses those; here they cannot change
 * which top-level keys are found.
 */
export class BodyScanner {
  /** Bytes taken so far. */
  offset: u32 = 0;

  /** There is a top-level `model`, whole. */
  modelSeen: bool = false;
  modelIsString: bool = false;
  /** Bytes of the body from the value's first (its opening quote) to one past its last. */
  modelStart: u32 = 0;
  modelEnd: u32 = 0;
  /** Bytes of the unescaped name at `modelPtr()`; 0 unless `modelIsString`. */
  modelBytes: i32 = 0;
  /** The name has more than MODEL_CAPACITY_BYTES bytes; what is at `modelPtr()` is its beginning. */
  modelTooLong: bool = false;

  /** The last top-level `stream` is `true`. */
  stream: bool = false;
  streamSeen: bool = false;
  /** Output tokens allowed, at most 2^32 - 1; 0 unless `maxTokensSeen`. */
  maxTokens: u32 = 0;
  /** There is a `max_tokens` or `max_completion_tokens` that is a whole number >= 0. */
  maxTokensSeen: bool = false;

  /** Byte at which the body turned out to be malformed. */
  errorOffset: u32 = 0;
  /** REASON_* */
  errorReason: i32 = REASON_NONE;

  private state: i32 = START;
  private depth: i32 = 0;
  private brackets: StaticArray<u8> = new StaticArray<u8>(MAX_DEPTH);
  private keyText: TextSink = new TextSink(KEY_CAPACITY_BYTES);
  private modelText: TextSink = new TextSink(MODEL_CAPACITY_BYTES);
  /** The TEXT being read is a key. */
  private inKey: bool = false;
  private key: i32 = KEY_OTHER;
  private valueStart: u32 = 0;
  /** The value that ends is a string that was read. */
  private valueIsText: bool = false;
  private hexDigits: i32 = 0;
  private hexUnit: u32 = 0;
  /** The first 8 bytes of a primitive, its length, and its value if it is all digits. */
  private word: u64 = 0;
  private wordBytes: u32 = 0;
  private wordNumber: u64 = 0;
  private wordIsDigits: bool = false;

  /** Ready for the next body. */
  reset(): void {
    this.offset = 0;
    this.forgetModel();
    this.stream = false;
    this.streamSeen = false;
    this.maxTokens = 0;
    this.maxTokensSeen = false;
    this.errorOffset = 0;
    this.errorReason = REASON_NONE;
    this.state = START;
    this.depth = 0;
    this.key = KEY_OTHER;
    this.word = 0;
    this.wordBytes = 0;
  }

  /** Address of the model's name, `modelBytes` long; the same for the scanner's life. */
  modelPtr(): usize {
    return this.modelText.ptr;
  }

  /** The reason of a refusal in words; "" if there is none. */
  errorText(): string {
    return reasonText(this.errorReason);
  }

  /**
   * Takes the next `bytes` bytes of the body, at `ptr`. SCAN_MORE: the object is still open;
   * SCAN_COMPLETE: it is closed; SCAN_MALFORMED: it cannot become valid any more, which is final.
   */
  feed(ptr: usize, bytes: i32): i32 {
    if (this.state == FAILED) return SCAN_MALFORMED;
    const end = ptr + <usize>bytes;
    let at = ptr;
    while (at < end) {
      switch (this.state) {
        case START:
          at = this.scanStart(ptr, at, end);
          break;
        case BOM_SECOND:
          at = this.scanBom(ptr, at, 0xbb, BOM_THIRD);
          break;
        case BOM_THIRD:
          at = this.scanBom(ptr, at, 0xbf, START);
          break;
        case FIRST_KEY:
        case KEY:
          at = this.scanKey(ptr, at, end);
          break;
        case COLON:
          at = this.scanColon(ptr, at, end);
          break;
        case VALUE:
          at = this.scanValue(ptr, at, end);
          break;
        case AFTER_VALUE:
          at = this.scanAfterValue(ptr, at, end);
          break;
        case TEXT:
          at = this.scanText(ptr, at, end);
          break;
        case TEXT_ESCAPE:
          at = this.scanTextEscape(ptr, at);
          break;
        case TEXT_HEX:
          at = this.scanTextHex(ptr, at);
          break;
        case STRING:
          at = this.scanString(ptr, at, end);
          break;
        case STRING_ESCAPE:
          this.state = STRING;
          at++;
          break;
        case PRIMITIVE:
          at = this.scanPrimitive(ptr, at, end);
          break;
        case NESTED:
          at = this.scanNested(ptr, at, end);
          break;
        case DONE:
          at = skipWhitespace(at, end);
          if (at < end) at = this.fail(ptr, at, REASON_TRAILING_BYTES);
          break;
        default: // FAILED
          return SCAN_MALFORMED;
      }
    }
    if (this.state == FAILED) return SCAN_MALFORMED;
    this.offset += <u32>bytes;
    return this.state == DONE ? SCAN_COMPLETE : SCAN_MORE;
  }

  /** The body has ended: SCAN_COMPLETE or SCAN_MALFORMED. */
  finish(): i32 {
    if (this.state == DONE) return SCAN_COMPLETE;
    if (this.state != FAILED) {
      this.state = FAILED;
      this.errorOffset = this.offset;
      this.errorReason = REASON_TRUNCATED;
    }
    return SCAN_MALFORMED;
  }

  private scanStart(ptr: usize, at: usize, end: usize): usize {
    if (this.bodyOffset(ptr, at) == 0 && load<u8>(at) == 0xef) {
      this.state = BOM_SECOND;
      return at + 1;
    }
    at = skipWhitespace(at, end);
    if (at == end) return end;
    if (load<u8>(at) != OPEN_BRACE) return this.fail(ptr, at, REASON_NOT_AN_OBJECT);
    this.depth = 1;
    this.state = FIRST_KEY;
    return at + 1;
  }

  private scanBom(ptr: usize, at: usize, expected: u32, next: i32): usize {
    if (load<u8>(at) != expected) return this.fail(ptr, at, REASON_NOT_AN_OBJECT);
    this.state = next;
    return at + 1;
  }

  private scanKey(ptr: usize, at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    const byte = load<u8>(at);
    if (byte == QUOTE) {
      this.keyText.reset();
      this.inKey = true;
      this.state = TEXT;
    } else if (byte == CLOSE_BRACE && this.state == FIRST_KEY) {
      this.depth = 0;
      this.state = DONE;
    } else {
      return this.fail(ptr, at, REASON_UNEXPECTED_BYTE);
    }
    return at + 1;
  }

  private scanColon(ptr: usize, at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    if (load<u8>(at) != COLON_BYTE) return this.fail(ptr, at, REASON_UNEXPECTED_BYTE);
    this.state = VALUE;
    return at + 1;
  }

  private scanValue(ptr: usize, at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    const byte = load<u8>(at);
    this.valueStart = this.bodyOffset(ptr, at);
    this.valueIsText = false;
    if (byte == QUOTE) {
      if (this.key == KEY_MODEL) {
        this.forgetModel();
        this.inKey = false;
        this.state = TEXT;
      } else {
        this.state = STRING;
      }
      return at + 1;
    }
    if (byte == OPEN_BRACE || byte == OPEN_BRACKET) {
      this.state = NESTED;
      return at;
    }
    if (!isPrimitiveByte(byte)) return this.fail(ptr, at, REASON_UNEXPECTED_BYTE);
    this.word = 0;
    this.wordBytes = 0;
    this.wordNumber = 0;
    this.wordIsDigits = true;
    this.state = PRIMITIVE;
    return at;
  }

  private scanAfterValue(ptr: usize, at: usize, end: usize): usize {
    at = skipWhitespace(at, end);
    if (at == end) return end;
    const byte = load<u8>(at);
    if (byte == COMMA) {
      this.state = KEY;
    } else if (byte == CLOSE_BRACE) {
      this.depth = 0;
      this.state = DONE;
    } else {
      return this.fail(ptr, at, REASON_UNEXPECTED_BYTE);
    }
    return at + 1;
  }

  private scanText(ptr: usize, at: usize, end: usize): usize {
    const stop = findQuoteOrBackslash(at, end);
    const sink = this.inKey ? this.keyText : this.modelText;
    sink.addRun(at, <i32>(stop - at));
    if (stop == end) return end;
    if (load<u8>(stop) == BACKSLASH) {
      this.state = TEXT_ESCAPE;
      return stop + 1;
    }
    sink.finish();
    if (this.inKey) {
      this.key = keyOf(sink);
      this.state = COLON;
    } else {
      this.valueIsText = true;
      this.modelIsString = true;
      this.modelBytes = sink.bytes;
      this.modelTooLong = sink.tooLong;
      this.endValue(this.bodyOffset(ptr, stop + 1));
    }
    return stop + 1;
  }

  private scanTextEscape(ptr: usize, at: usize): usize {
    const byte = load<u8>(at);
    if (byte == LETTER_U) {
      this.hexDigits = 0;
      this.hexUnit = 0;
      this.state = TEXT_HEX;
      return at + 1;
    }
    const meant = meaningOfEscape(byte);
    if (meant == 0) return this.fail(ptr, at, REASON_BAD_ESCAPE);
    (this.inKey ? this.keyText : this.modelText).addByte(meant);
    this.state = TEXT;
    return at + 1;
  }

  private scanTextHex(ptr: usize, at: usize): usize {
    const digit = hexDigit(load<u8>(at));
    if (digit < 0) return this.fail(ptr, at, REASON_BAD_ESCAPE);
    this.hexUnit = (this.hexUnit << 4) | (<u32>digit);
    if (++this.hexDigits == 4) {
      (this.inKey ? this.keyText : this.modelText).addUnit(this.hexUnit);
      this.state = TEXT;
    }
    return at + 1;
  }

  private scanString(ptr: usize, at: usize, end: usize): usize {
    at = this.skipString(at, end);
    if (this.state != CLOSED) return at;
    if (this.depth == 1) this.endValue(this.bodyOffset(ptr, at));
    else this.state = NESTED;
    return at;
  }

  private scanPrimitive(ptr: usize, at: usize, end: usize): usize {
    while (at < end) {
      const byte = load<u8>(at);
      if (!isPrimitiveByte(byte)) {
        if (!this.wordIsValid()) return this.fail(ptr, at, REASON_BAD_LITERAL);
        this.endValue(this.bodyOffset(ptr, at));
        return at;
      }
      if (this.wordBytes < 8) this.word |= (<u64>byte) << (<u64>this.wordBytes * 8);
      this.wordBytes++;
      if (byte >= 0x30 && byte <= 0x39) {
        this.wordNumber = min<u64>(this.wordNumber * 10 + (byte - 0x30), u32.MAX_VALUE);
      } else {
        this.wordIsDigits = false;
      }
      at++;
    }
    return end;
  }

  private scanNested(ptr: usize, at: usize, end: usize): usize {
    const brackets = this.brackets;
    let depth = this.depth;
    while (at < end) {
      at = findQuoteOrBracket(at, end);
      if (at == end) break;
      const byte = load<u8>(at);
      if (byte == QUOTE) {
        // Most strings end in the same piece: they are skipped here, the others from STRING on.
        at = this.skipString(at + 1, end);
        if (this.state != CLOSED) break;
        this.state = NESTED;
      } else if (byte == OPEN_BRACE || byte == OPEN_BRACKET) {
        if (depth == MAX_DEPTH) return this.fail(ptr, at, REASON_TOO_DEEP);
        unchecked((brackets[depth++] = byte));
        at++;
      } else {
        // The closing bracket of a kind is two above the opening one.
        if (unchecked(brackets[--depth]) + 2 != byte) return this.fail(ptr, at, REASON_BRACKET_MISMATCH);
        at++;
        if (depth == 1) {
          this.depth = 1;
          this.endValue(this.bodyOffset(ptr, at));
          return at;
        }
      }
    }
    this.depth = depth;
    return at;
  }

  /**
   * Skips the rest of a string, which may go on behind this piece. Leaves CLOSED and returns the byte behind
   * the closing quote, or leaves STRING or STRING_ESCAPE (of an escape only the next byte matters,
   * since `\\u` has no quote in it) and returns `end`.
   */
  @inline private skipString(at: usize, end: usize): usize {
    const quote = findClosingQuote(at, end);
    if (quote != end) {
      this.state = CLOSED;
      return quote + 1;
    }
    this.state = endsInEscape(at, end) ? STRING_ESCAPE : STRING;
    return end;
  }

  /** A top-level value ends before the byte at `offset` of the body: what it means goes into the fields. */
  private endValue(offset: u32): void {
    this.state = AFTER_VALUE;
    const isWord = this.wordBytes != 0;
    switch (this.key) {
      case KEY_MODEL:
        if (!this.valueIsText) this.forgetModel();
        this.modelSeen = true;
        this.modelStart = this.valueStart;
        this.modelEnd = offset;
        break;
      case KEY_STREAM:
        this.streamSeen = true;
        this.stream = isWord && this.word == WORD_TRUE;
        break;
      case KEY_MAX_TOKENS:
        this.maxTokensSeen = isWord && this.wordIsDigits;
        this.maxTokens = this.maxTokensSeen ? <u32>this.wordNumber : 0;
        break;
    }
    this.wordBytes = 0;
    this.word = 0;
  }

  private wordIsValid(): bool {
    const first = <u32>(this.word & 0xff);
    if (first == 0x2d || (first >= 0x30 && first <= 0x39)) return true;
    if (this.word == WORD_TRUE || this.word == WORD_NULL) return this.wordBytes == 4;
    return this.word == WORD_FALSE && this.wordBytes == 5;
  }

  private forgetModel(): void {
    this.modelText.reset();
    this.modelSeen = false;
    this.modelIsString = false;
    this.modelBytes = 0;
    this.modelTooLong = false;
    this.modelStart = 0;
    this.modelEnd = 0;
  }


  @inline private bodyOffset(ptr: usize, at: usize): u32 {
    return this.offset + <u32>(at - ptr);
  }

  private fail(ptr: usize, at: usize, reason: i32): usize {
    this.errorOffset = this.bodyOffset(ptr, at);
    this.errorReason = reason;
    this.state = FAILED;
    return at;
  }
}

function keyOf(text: TextSink): i32 {
  if (text.tooLong) return KEY_OTHER;
  if (text.equals("model")) return KEY_MODEL;
  if (text.equals("stream")) return KEY_STREAM;
  if (text.equals("max_tokens") || text.equals("max_completion_tokens")) return KEY_MAX_TOKENS;
  return KEY_OTHER;
}
