import { OPEN_BRACE, OPEN_BRACKET, QUOTE } from "../body/json_bytes";
import { isMatch, matchKey, matchWord, NO_MATCH, TOO_SHORT, wordOf } from "./json_tokens";
import { ShortText } from "./short_text";

// The keys that are read, with their closing quotes; of longer ones the beginning and the rest.
const USAGE: u64 = wordOf('usage"');
const ERROR: u64 = wordOf('error"');
const OBJECT: u64 = wordOf('object"');
const TYPE: u64 = wordOf('type"');
const TEXT: u64 = wordOf('text"');
const ROLE: u64 = wordOf('role"');
const CONTENT: u64 = wordOf('content"');
const REFUSAL: u64 = wordOf('refusal"');
const TOOL_CALLS: u64 = wordOf("tool_cal");
const TOOL_CALLS_REST: u64 = wordOf('ls"');
const REASONING: u64 = wordOf("reasonin");
const REASONING_REST: u64 = wordOf('g"');
const REASONING_CONTENT_MIDDLE: u64 = wordOf("g_conten");
const REASONING_CONTENT_REST: u64 = wordOf('t"');
/** The value of an `object`, behind its opening quote; a `type` ends before the closing one. */
const ERROR_VALUE: u64 = wordOf('error"');

/** Puts the first four bytes of each key into a place of its own among 16; found by trial, as is the shift. */
const HASH_FACTOR: u32 = 0x9e377a05;
const HASH_SHIFT: u32 = 28;
/** The first four bytes of each key, at four times their hash; 0 where there is none. */
const KEY_STARTS: usize = keyStarts();

/** A key, its colon, white space around it, and the value as far as it is read. */
export const WINDOW_BYTES: usize = 96;
/** The longest type that means something has 41 bytes. */
export const TYPE_CAPACITY_BYTES: i32 = 48;

/**
 * The few keys that say what an answer or an event is, each read at the depth where the APIs have it, whatever it
 * is in there:
 *
 *   1  the text itself                     usage, error, type, object, text
 *   2  response, message                   usage, error
 *   3  choices[]                           text
 *   4  choices[].delta                     role, content, reasoning, reasoning_content, refusal, tool_calls
 *
 * Nothing deeper (a tool's input or schema) is taken for one of them. Keys written with escapes are not known,
 * nor those whose value does not begin within WINDOW_BYTES.
 */
@unmanaged
export class AnswerKeys {
  /** There is an `error` that is not null, or a `type` or `object` that is "error". */
  errorSeen: bool = false;
  /** The `type`, if it is a string; "" else. */
  type: ShortText = new ShortText(TYPE_CAPACITY_BYTES);

  /** A `text`, a string of a delta that is not empty, or calls of tools. */
  private textSeen: bool = false;
  /** A string of a delta that is empty. */
  private emptyTextSeen: bool = false;
  private roleSeen: bool = false;

  /** Ready for the next text. */
  @inline begin(): void {
    this.errorSeen = false;
    this.type.reset();
    this.textSeen = false;
    this.emptyTextSeen = false;
    this.roleSeen = false;
  }

  /**
   * The text brings something generated: a string of a delta that is not empty, a call of a tool, or a string
   * that is empty because a token is not a whole character yet. A role with an empty string brings nothing.
   */
  @inline get hasTokens(): bool {
    return this.textSeen || (this.emptyTextSeen && !this.roleSeen);
  }

  /**
   * Reads the string whose first byte behind its opening quote is at `key`, and the beginning of its value, and
   * takes what they say into the fields: NO_MATCH, or TOO_SHORT; for a `usage` that is an object the address of
   * its brace. What is not clear within the key's window is no match.
   */
  look(key: usize, end: usize, depth: i32): usize {
    const windowEnd = key - 1 + WINDOW_BYTES;
    const found = this.read(key, min<usize>(end, windowEnd), depth);
    return found == TOO_SHORT && end >= windowEnd ? NO_MATCH : found;
  }

  private read(key: usize, end: usize, depth: i32): usize {
    switch (depth) {
      case 1:
      case 2: {
        const brace = matchKey(key, end, USAGE, 6);
        if (brace != NO_MATCH) return isMatch(brace) && load<u8>(brace) != OPEN_BRACE ? NO_MATCH : brace;
        const error = matchKey(key, end, ERROR, 6);
        if (error != NO_MATCH) return this.readError(error, depth);
        return depth == 1 ? this.readOwn(key, end) : NO_MATCH;
      }
      case 3:
        return this.readText(matchKey(key, end, TEXT, 5));
      case 4:
        return this.readDelta(key, end);
    }
    return NO_MATCH;
  }

  /** Keys of the text itself, beside those that may also be in an object of it. */
  private readOwn(key: usize, end: usize): usize {
    const object = matchKey(key, end, OBJECT, 7);
    if (object != NO_MATCH) return this.readObject(object, end);
    const type = matchKey(key, end, TYPE, 5);
    if (type != NO_MATCH) return this.readType(type, end);
    return this.readText(matchKey(key, end, TEXT, 5));
  }

  private readDelta(key: usize, end: usize): usize {
    let value = matchKey(key, end, CONTENT, 8);
    if (value != NO_MATCH) return this.readDeltaText(value, end);
    value = matchKey(key, end, ROLE, 5);
    if (value != NO_MATCH) {
      if (isMatch(value) && load<u8>(value) == QUOTE) this.roleSeen = true;
      return value == TOO_SHORT ? TOO_SHORT : NO_MATCH;
    }
    let rest = matchWord(key, end, REASONING, 8);
    if (rest == TOO_SHORT) return TOO_SHORT;
    if (rest != NO_MATCH) {
      value = matchKey(rest, end, REASONING_REST, 2);
      if (value == NO_MATCH) {
        rest = matchWord(rest, end, REASONING_CONTENT_MIDDLE, 8);
        value = isMatch(rest) ? matchKey(rest, end, REASONING_CONTENT_REST, 2) : rest;
      }
      return this.readDeltaText(value, end);
    }
    rest = matchWord(key, end, TOOL_CALLS, 8);
    if (rest == NO_MATCH) return this.readDeltaText(matchKey(key, end, REFUSAL, 8), end);
    value = isMatch(rest) ? matchKey(rest, end, TOOL_CALLS_REST, 3) : rest;
    if (isMatch(value) && load<u8>(value) == OPEN_BRACKET) this.textSeen = true;
    return value == TOO_SHORT ? TOO_SHORT : NO_MATCH;
  }

  /** The value is text that was generated, if it is a string. */
  private readText(value: usize): usize {
    if (!isMatch(value)) return value;
    if (load<u8>(value) == QUOTE) this.textSeen = true;
    return NO_MATCH;
  }

  /** The same in a delta, where an empty string may be nothing. */
  private readDeltaText(value: usize, end: usize): usize {
    if (!isMatch(value)) return value;
    if (load<u8>(value) != QUOTE) return NO_MATCH;
    if (value + 1 == end) return TOO_SHORT;
    if (load<u8>(value + 1) == QUOTE) this.emptyTextSeen = true;
    else this.textSeen = true;
    return NO_MATCH;
  }

  /** Of the text itself any error but null; in an object, where `false` and the like are possible too, only an object. */
  private readError(value: usize, depth: i32): usize {
    if (!isMatch(value)) return value;
    const first = load<u8>(value);
    // Not the `n` of null.
    if (depth == 1 ? first != 0x6e : first == OPEN_BRACE) this.errorSeen = true;
    return NO_MATCH;
  }

  private readObject(value: usize, end: usize): usize {
    if (!isMatch(value)) return value;
    if (load<u8>(value) != QUOTE) return NO_MATCH;
    const behind = matchWord(value + 1, end, ERROR_VALUE, 6);
    if (isMatch(behind)) this.errorSeen = true;
    return behind == TOO_SHORT ? TOO_SHORT : NO_MATCH;
  }

  private readType(value: usize, end: usize): usize {
    if (!isMatch(value)) return value;
    if (load<u8>(value) != QUOTE) return NO_MATCH;
    let at = value + 1;
    while (at < end && load<u8>(at) != QUOTE) at++;
    if (at == end) return TOO_SHORT;
    this.type.reset();
    this.type.addRun(value + 1, at);
    if (this.type.equalsWord(ERROR_VALUE, 5)) this.errorSeen = true;
    return NO_MATCH;
  }
}

/** A string that begins with these four bytes may be one of the keys. */
// prettier-ignore
@inline
export function isKeyStart(bytes: u32): bool {
  return load<u32>(KEY_STARTS + <usize>(((bytes * HASH_FACTOR) >> HASH_SHIFT) << 2)) == bytes;
}

function keyStarts(): usize {
  const table = heap.alloc(64);
  memory.fill(table, 0, 64);
  putKeyStart(table, USAGE);
  putKeyStart(table, ERROR);
  putKeyStart(table, OBJECT);
  putKeyStart(table, TYPE);
  putKeyStart(table, TEXT);
  putKeyStart(table, ROLE);
  putKeyStart(table, CONTENT);
  putKeyStart(table, REFUSAL);
  putKeyStart(table, TOOL_CALLS);
  putKeyStart(table, REASONING);
  return table;
}

function putKeyStart(table: usize, word: u64): void {
  store<u32>(table + <usize>(((<u32>word * HASH_FACTOR) >> HASH_SHIFT) << 2), <u32>word);
}
