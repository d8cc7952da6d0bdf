import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON_BYTE,
  COMMA,
  isDigit,
  MINUS,
  OPEN_BRACE,
  OPEN_BRACKET,
  PLUS,
  POINT,
  QUOTE,
} from "../body/json_bytes";
import { ShortText } from "./short_text";
import {
  COUNT_CACHED,
  COUNT_CACHE_CREATION,
  COUNT_CACHE_READ,
  COUNT_COMPLETION,
  COUNT_INPUT,
  COUNT_NONE,
  COUNT_OUTPUT,
  COUNT_PROMPT,
  COUNT_TOTAL,
  TokenUsage,
  UNKNOWN_COUNT,
} from "./token_usage";

// Where the reader is between two bytes.
const BETWEEN: i32 = 0;
const IN_STRING: i32 = 1;
const IN_ESCAPE: i32 = 2;
const IN_NUMBER: i32 = 3;

/** The longest key that is read is `cache_creation_input_tokens`. */
const KEY_CAPACITY_BYTES: i32 = 32;
/** 2^53: up to here JSON's numbers are exact for every reader. */
const MAX_COUNT: u64 = 9007199254740992;

/**
 * Reads one `usage` object, in pieces cut anywhere: the numbers of its own keys, and `cached_tokens` of
 * `prompt_tokens_details` or `input_tokens_details`. A count is written in digits only; a number that is
 * negative, above 2^53, or has a point or an exponent makes its count unknown. Values of other types are as
 * good as absent. The rest of the grammar is not checked, nor are escapes in keys undone.
 */
@unmanaged
export class UsageReader {
  /** The object has ended. */
  done: bool = false;

  private usage: TokenUsage;
  private state: i32 = BETWEEN;
  /** Open brackets, the object's own included. */
  private depth: i32 = 1;
  /** The object at depth 2 is the details of prompt or input. */
  private inDetails: bool = false;
  /** The last string: a key once a colon has come. */
  private text: ShortText = new ShortText(KEY_CAPACITY_BYTES);
  /** COUNT_* that the value after this colon is, at the depth where it stands. */
  private count: i32 = COUNT_NONE;
  private isDetailsKey: bool = false;
  private number: u64 = 0;
  private isDigits: bool = false;

  constructor(usage: TokenUsage) {
    this.usage = usage;
  }

  /** Behind the object's opening brace. */
  begin(): void {
    this.done = false;
    this.state = BETWEEN;
    this.depth = 1;
    this.inDetails = false;
    this.count = COUNT_NONE;
    this.isDetailsKey = false;
    this.usage.begin();
  }

  /** Takes bytes up to the end of the object (`done`); the address behind the last one taken. */
  feed(at: usize, end: usize): usize {
    while (at < end) {
      const byte: u32 = load<u8>(at);
      switch (this.state) {
        case BETWEEN:
          at++;
          this.readBetween(byte);
          if (this.done) return at;
          break;
        case IN_STRING:
          at = this.readString(at, end);
          break;
        case IN_ESCAPE:
          at++;
          // Whatever it means, the text equals no key that is read.
          this.text.add(BACKSLASH);
          this.state = IN_STRING;
          break;
        default: // IN_NUMBER
          at = this.readNumber(at, end);
      }
    }
    return at;
  }

  private readBetween(byte: u32): void {
    switch (byte) {
      case QUOTE:
        this.text.reset();
        this.state = IN_STRING;
        break;
      case COLON_BYTE:
        this.readKey();
        break;
      case COMMA:
        this.count = COUNT_NONE;
        this.isDetailsKey = false;
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (this.depth == 1) this.inDetails = byte == OPEN_BRACE && this.isDetailsKey;
        this.depth++;
        this.count = COUNT_NONE;
        this.isDetailsKey = false;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.depth--;
        this.count = COUNT_NONE;
        this.done = this.depth == 0;
        break;
      default:
        if (byte == MINUS || isDigit(byte)) {
          this.number = byte == MINUS ? 0 : byte - 0x30;
          this.isDigits = byte != MINUS;
          this.state = IN_NUMBER;
        }
    }
  }

  private readKey(): void {
    this.count = COUNT_NONE;
    this.isDetailsKey = false;
    if (this.depth == 1) {
      this.count = countOf(this.text);
      if (this.count == COUNT_NONE) {
        this.isDetailsKey =
          this.text.equals("prompt_tokens_details") || this.text.equals("input_tokens_details");
      }
    } else if (this.depth == 2 && this.inDetails && this.text.equals("cached_tokens")) {
      this.count = COUNT_CACHED;
    }
  }

  private readString(at: usize, end: usize): usize {
    const start = at;
    while (at < end) {
      const byte: u32 = load<u8>(at);
      if (byte == QUOTE || byte == BACKSLASH) {
        this.text.addRun(start, at);
        this.state = byte == QUOTE ? BETWEEN : IN_ESCAPE;
        return at + 1;
      }
      at++;
    }
    this.text.addRun(start, end);
    return end;
  }

  private readNumber(at: usize, end: usize): usize {
    let number = this.number;
    for (; at < end; at++) {
      const byte: u32 = load<u8>(at);
      if (isDigit(byte)) {
        number = min<u64>(number * 10 + (byte - 0x30), MAX_COUNT + 1);
      } else if (byte == MINUS || byte == PLUS || byte == POINT || (byte | 0x20) == 0x65) {
        this.isDigits = false;
      } else {
        this.endNumber(number);
        return at;
      }
    }
    this.number = number;
    return end;
  }

  private endNumber(number: u64): void {
    this.state = BETWEEN;
    if (this.count == COUNT_NONE) return;
    const isCount = this.isDigits && number <= MAX_COUNT;
    this.usage.set(this.count, isCount ? <i64>number : UNKNOWN_COUNT);
  }
}

function countOf(key: ShortText): i32 {
  switch (key.bytes) {
    case 12:
      if (key.equals("total_tokens")) return COUNT_TOTAL;
      if (key.equals("input_tokens")) return COUNT_INPUT;
      break;
    case 13:
      if (key.equals("prompt_tokens")) return COUNT_PROMPT;
      if (key.equals("output_tokens")) return COUNT_OUTPUT;
      break;
    case 17:
      if (key.equals("completion_tokens")) return COUNT_COMPLETION;
      break;
    case 23:
      if (key.equals("cache_read_input_tokens")) return COUNT_CACHE_READ;
      break;
    case 27:
      if (key.equals("cache_creation_input_tokens")) return COUNT_CACHE_CREATION;
      break;
  }
  return COUNT_NONE;
}
