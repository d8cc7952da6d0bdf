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
} from "./json_bytes";
import { findQuoteOrBackslash, skipWhitespace } from "./find";
import { NestedSkipper } from "./nested_skipper";
import { Primitive } from "./primitive";
import {
  MODEL_CAPACITY_BYTES,
  REASON_BAD_ESCAPE,
  REASON_BAD_LITERAL,
  REASON_NONE,
  REASON_NOT_AN_OBJECT,
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
//   VALUE -'"', the model's-> TEXT          -'"'-> AFTER_VALUE
//   VALUE -'"' '{' '['-> SKIPPED             -its end-> AFTER_VALUE
//   VALUE -other-> PRIMITIVE                 -delimiter-> AFTER_VALUE
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
const PRIMITIVE: i32 = 11;
/** In a value that is not read. */
const SKIPPED: i32 = 12;
const DONE: i32 = 13;
const FAILED: i32 = 14;

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

  /** There is a top-level `model`, whole, and it is not `null`, which the servers take as none. */
  modelSeen: bool = false;
  /** There is more than one top-level key `model`: parsers other than the servers' may take the first. */
  modelRepeated: bool = false;
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
  private skipper: NestedSkipper = new NestedSkipper();
  private keyText: TextSink = new TextSink(KEY_CAPACITY_BYTES);
  private modelText: TextSink = new TextSink(MODEL_CAPACITY_BYTES);
  /** The TEXT being read is a key. */
  private inKey: bool = false;
  private key: i32 = KEY_OTHER;
  private modelKeyMet: bool = false;
  private valueStart: u32 = 0;
  /** The value that ends is a string that was read. */
  private valueIsText: bool = false;
  private hexDigits: i32 = 0;
  private hexUnit: u32 = 0;
  /** The value that ends, if it is a number or a bare word. */
  private primitive: Primitive = new Primitive();

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
    this.key = KEY_OTHER;
    this.modelRepeated = false;
    this.modelKeyMet = false;
    this.primitive.reset();
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
        case PRIMITIVE:
          at = this.scanPrimitive(ptr, at, end);
          break;
        case SKIPPED:
          at = this.scanSkipped(ptr, at, end);
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
    if (byte == QUOTE && this.key == KEY_MODEL) {
      this.forgetModel();
      this.inKey = false;
      this.state = TEXT;
      return at + 1;
    }
    if (byte == QUOTE || byte == OPEN_BRACE || byte == OPEN_BRACKET) {
      this.skipper.begin(byte == QUOTE);
      this.state = SKIPPED;
      return byte == QUOTE ? at + 1 : at;
    }
    if (!isPrimitiveByte(byte)) return this.fail(ptr, at, REASON_UNEXPECTED_BYTE);
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
      if (this.key == KEY_MODEL) {
        this.modelRepeated = this.modelKeyMet;
        this.modelKeyMet = true;
      }
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

  private scanPrimitive(ptr: usize, at: usize, end: usize): usize {
    const primitive = this.primitive;
    while (at < end) {
      const byte = load<u8>(at);
      if (!isPrimitiveByte(byte)) {
        if (!primitive.isValid) return this.fail(ptr, at, REASON_BAD_LITERAL);
        this.endValue(this.bodyOffset(ptr, at));
        return at;
      }
      primitive.add(byte);
      at++;
    }
    return end;
  }

  private scanSkipped(ptr: usize, at: usize, end: usize): usize {
    const skipper = this.skipper;
    at = skipper.skip(at, end);
    if (skipper.done) this.endValue(this.bodyOffset(ptr, at));
    else if (skipper.reason != REASON_NONE) return this.fail(ptr, at, skipper.reason);
    return at;
  }

  /** A top-level value ends before the byte at `offset` of the body: what it means goes into the fields. */
  private endValue(offset: u32): void {
    this.state = AFTER_VALUE;
    const primitive = this.primitive;
    switch (this.key) {
      case KEY_MODEL:
        if (!this.valueIsText) this.forgetModel();
        if (primitive.isNull) break;
        this.modelSeen = true;
        this.modelStart = this.valueStart;
        this.modelEnd = offset;
        break;
      case KEY_STREAM:
        this.streamSeen = true;
        this.stream = primitive.isTrue;
        break;
      case KEY_MAX_TOKENS:
        this.maxTokensSeen = primitive.bytes != 0 && primitive.isDigits;
        this.maxTokens = this.maxTokensSeen ? <u32>primitive.number : 0;
        break;
    }
    if (primitive.bytes != 0) primitive.reset();
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
