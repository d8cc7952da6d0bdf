import { BACKSLASH, OPEN_BRACE, OPEN_BRACKET, QUOTE } from "../body/json_bytes";
import { BLOCK_BYTES, escapes, maskOf, prefixXor } from "./block_masks";
import { HeldBytes } from "./held_bytes";
import { isMatch, matchKey, matchWord, NO_MATCH, TOO_SHORT, wordOf } from "./json_tokens";
import { ShortText } from "./short_text";
import { TokenUsage } from "./token_usage";
import { UsageReader } from "./usage_reader";

/** `{` and `[` are the same byte once bit 0x20 is set, and so are `}` and `]`; nothing else becomes these. */
const CASE_BIT: u8 = 0x20;
const OPENING: u8 = 0x7b;
const CLOSING: u8 = 0x7d;

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
const WINDOW_BYTES: usize = 96;
/** The longest type that means something has 41 bytes. */
export const TYPE_CAPACITY_BYTES: i32 = 48;

/**
 * Goes over a JSON text, in pieces cut anywhere, and reads the few keys that say what an answer or an event
 * is, each at the depth where the APIs have it, whatever it is in there:
 *
 *   1  the text itself                     usage, error, type, object, text
 *   2  response, message                   usage, error
 *   3  choices[]                           text
 *   4  choices[].delta                     role, content, reasoning, reasoning_content, refusal, tool_calls
 *
 * Nothing deeper (a tool's input or schema) and nothing within a string is taken for one of them. Strings and
 * brackets are found by bit masks, 64 bytes at a time. The grammar is not checked: of a text that is no JSON
 * the outcome depends on its bytes, not on how they are cut. Keys written with escapes are not found, nor
 * those whose value does not begin within WINDOW_BYTES.
 */
@unmanaged
export class JsonOutline {
  /** There is an `error` that is not null, or a `type` or `object` that is "error". */
  errorSeen: bool = false;
  /** The `type`, if it is a string; "" else. */
  type: ShortText = new ShortText(TYPE_CAPACITY_BYTES);

  private usage: TokenUsage;
  private usageReader: UsageReader;
  private held: HeldBytes = new HeldBytes();
  private inUsage: bool = false;
  /** All bits set within a string, else 0. */
  private inString: u64 = 0;
  /** 1 behind a backslash that escapes, else 0. */
  private isEscaped: u64 = 0;
  private depth: i32 = 0;
  /** A `text`, a string of a delta that is not empty, or calls of tools. */
  private textSeen: bool = false;
  /** A string of a delta that is empty. */
  private emptyTextSeen: bool = false;
  private roleSeen: bool = false;
  private rest: usize = heap.alloc(BLOCK_BYTES);

  constructor(usage: TokenUsage) {
    this.usage = usage;
    this.usageReader = new UsageReader(usage);
    this.held.reset(WINDOW_BYTES);
  }

  /** Ready for the next text. */
  @inline begin(): void {
    this.errorSeen = false;
    this.type.reset();
    this.held.bytes = 0;
    this.inUsage = false;
    this.inString = 0;
    this.isEscaped = 0;
    this.depth = 0;
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

  /** Takes the next bytes of the text. */
  @inline feed(at: usize, end: usize): void {
    const held = this.held;
    if (held.bytes != 0) {
      at = this.feedHeld(at, end);
      if (at == end) return;
    }
    const stop = this.scan(at, end);
    if (stop != end) held.keep(stop, end);
  }

  private feedHeld(at: usize, end: usize): usize {
    const held = this.held;
    const before = held.bytes;
    const taken = held.fill(at, end);
    const stop = this.scan(held.ptr, held.end);
    if (at + taken != end) return held.resume(at, before, stop);
    held.keep(stop, held.end);
    return end;
  }

  /** Goes on to `end`, or to the opening quote of a key that cannot be read yet. */
  private scan(at: usize, end: usize): usize {
    if (this.inUsage) at = this.readUsage(at, end);
    const quote = i8x16.splat(<i8>QUOTE);
    const backslash = i8x16.splat(<i8>BACKSLASH);
    const caseBit = i8x16.splat(CASE_BIT);
    const opening = i8x16.splat(OPENING);
    const closing = i8x16.splat(CLOSING);
    let inString = this.inString;
    let isEscaped = this.isEscaped;
    let depth = this.depth;
    while (at < end) {
      const bytes = min<usize>(end - at, BLOCK_BYTES);
      const isWhole = bytes == BLOCK_BYTES;
      const from = isWhole ? at : this.readable(at, bytes);
      const a = v128.load(from);
      const b = v128.load(from, 16);
      const c = v128.load(from, 32);
      const d = v128.load(from, 48);
      const quotesA = i8x16.eq(a, quote);
      const quotesB = i8x16.eq(b, quote);
      const quotesC = i8x16.eq(c, quote);
      const quotesD = i8x16.eq(d, quote);
      const backslashesA = i8x16.eq(a, backslash);
      const backslashesB = i8x16.eq(b, backslash);
      const backslashesC = i8x16.eq(c, backslash);
      const backslashesD = i8x16.eq(d, backslash);
      if (isWhole && inString != 0) {
        const anyQuote = v128.or(v128.or(quotesA, quotesB), v128.or(quotesC, quotesD));
        const anyBackslash = v128.or(
          v128.or(backslashesA, backslashesB),
          v128.or(backslashesC, backslashesD),
        );
        if (!v128.any_true(v128.or(anyQuote, anyBackslash))) {
          isEscaped = 0;
          at += BLOCK_BYTES;
          continue;
        }
      }
      // What lies behind `end` is masked out.
      const valid = u64.MAX_VALUE >> (<u64>(BLOCK_BYTES - bytes));
      let quotes = maskOf(quotesA, quotesB, quotesC, quotesD) & valid;
      const backslashes = maskOf(backslashesA, backslashesB, backslashesC, backslashesD) & valid;
      if ((backslashes | isEscaped) != 0) {
        const codes = escapes(backslashes, isEscaped);
        quotes &= ~(codes ^ (backslashes | isEscaped));
        isEscaped = ((codes & backslashes) >> (<u64>bytes - 1)) & 1;
      }
      const wasInString = inString;
      const strings = prefixXor(quotes) ^ inString;
      inString = <u64>((<i64>strings) >> 63);
      // A block within a string has no brackets.
      if (quotes == 0 && wasInString != 0) {
        at += bytes;
        continue;
      }
      const foldedA = v128.or(a, caseBit);
      const foldedB = v128.or(b, caseBit);
      const foldedC = v128.or(c, caseBit);
      const foldedD = v128.or(d, caseBit);
      const outside = ~strings & valid;
      const opens =
        outside &
        maskOf(
          i8x16.eq(foldedA, opening),
          i8x16.eq(foldedB, opening),
          i8x16.eq(foldedC, opening),
          i8x16.eq(foldedD, opening),
        );
      const closes =
        outside &
        maskOf(
          i8x16.eq(foldedA, closing),
          i8x16.eq(foldedB, closing),
          i8x16.eq(foldedC, closing),
          i8x16.eq(foldedD, closing),
        );
      at += bytes;
      let isUsage = false;
      for (let left = quotes & strings; left != 0; left &= left - 1) {
        const place = <u64>ctz<u64>(left);
        const key = at - bytes + <usize>place + 1;
        if (key + 4 <= end && !isKeyStart(load<u32>(key))) continue;
        const before = ((<u64>1) << place) - 1;
        const keyDepth = depth + <i32>popcnt<u64>(opens & before) - <i32>popcnt<u64>(closes & before);
        const brace = this.look(key, end, keyDepth);
        if (brace == NO_MATCH) continue;
        depth = keyDepth;
        inString = 0;
        isEscaped = 0;
        if (brace == TOO_SHORT) {
          this.inString = 0;
          this.isEscaped = 0;
          this.depth = depth;
          return key - 1;
        }
        this.usageReader.begin();
        this.inUsage = true;
        isUsage = true;
        at = this.readUsage(brace + 1, end);
        break;
      }
      if (!isUsage) depth += <i32>popcnt<u64>(opens) - <i32>popcnt<u64>(closes);
    }
    this.inString = inString;
    this.isEscaped = isEscaped;
    this.depth = depth;
    return end;
  }

  /** An address where a whole block can be loaded whose first `bytes` bytes are those at `at`. */
  @inline private readable(at: usize, bytes: usize): usize {
    if (at + BLOCK_BYTES <= (<usize>memory.size()) << 16) return at;
    memory.copy(this.rest, at, bytes);
    return this.rest;
  }

  private readUsage(at: usize, end: usize): usize {
    at = this.usageReader.feed(at, end);
    if (this.usageReader.done) {
      this.inUsage = false;
      this.usage.commit();
    }
    return at;
  }

  /** `read` within the key's window: what is not clear by then is no match. */
  private look(key: usize, end: usize, depth: i32): usize {
    const windowEnd = key - 1 + WINDOW_BYTES;
    const found = this.read(key, min<usize>(end, windowEnd), depth);
    return found == TOO_SHORT && end >= windowEnd ? NO_MATCH : found;
  }

  /**
   * Reads the string whose first byte behind its opening quote is at `key`, and the beginning of its value, and
   * takes what they say into the fields: NO_MATCH, or TOO_SHORT; for a `usage` that is an object the address of
   * its brace.
   */
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

// prettier-ignore
@inline
function isKeyStart(bytes: u32): bool {
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
