import { BLOCK_BYTES, escapes, maskOf, prefixXor } from "./block_masks";
import { isMatch, matchKey, matchText, NO_MATCH, TOO_SHORT } from "./json_tokens";
import { Lookahead } from "./lookahead";
import { ShortText } from "./short_text";
import { TokenUsage } from "./token_usage";
import { UsageReader } from "./usage_reader";

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
/** `{` and `[` are the same byte once bit 0x20 is set, and so are `}` and `]`; nothing else becomes these. */
const CASE_BIT: u8 = 0x20;
const OPENING: u8 = 0x7b;
const CLOSING: u8 = 0x7d;

/** First letters of the keys that are read: c e o r t u. */
const LETTERS: u32 =
  (1 << (0x63 - 0x61)) |
  (1 << (0x65 - 0x61)) |
  (1 << (0x6f - 0x61)) |
  (1 << (0x72 - 0x61)) |
  (1 << (0x74 - 0x61)) |
  (1 << (0x75 - 0x61));

/** A key, its colon, white space around it, and the value as far as it is read. */
const WINDOW_BYTES: i32 = 96;
/** The longest type that means something has 41 bytes. */
export const TYPE_CAPACITY_BYTES: i32 = 48;

// What a look at a string says.
const LOOK_ON: i32 = 0;
const LOOK_SHORT: i32 = 1;
const LOOK_USAGE: i32 = 2;

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
export class JsonOutline extends Lookahead {
  /** There is an `error` that is not null, or a `type` or `object` that is "error". */
  errorSeen: bool = false;
  /** The `type`, if it is a string; "" else. */
  type: ShortText = new ShortText(TYPE_CAPACITY_BYTES);

  private usage: TokenUsage;
  private usageReader: UsageReader;
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
  /** What the last look said, and for LOOK_USAGE the address of its opening brace. */
  private said: i32 = LOOK_ON;
  private brace: usize = 0;
  private rest: StaticArray<u8> = new StaticArray<u8>(<i32>BLOCK_BYTES);

  constructor(usage: TokenUsage) {
    super();
    this.usage = usage;
    this.usageReader = new UsageReader(usage);
    this.setWindow(WINDOW_BYTES);
  }

  /** Ready for the next text. */
  begin(): void {
    this.errorSeen = false;
    this.type.reset();
    this.inUsage = false;
    this.inString = 0;
    this.isEscaped = 0;
    this.depth = 0;
    this.textSeen = false;
    this.emptyTextSeen = false;
    this.roleSeen = false;
    this.heldBytes = 0;
  }

  /**
   * The text brings something generated: a string of a delta that is not empty, a call of a tool, or a string
   * that is empty because a token is not a whole character yet. A role with an empty string brings nothing.
   */
  get hasTokens(): bool {
    return this.textSeen || (this.emptyTextSeen && !this.roleSeen);
  }

  protected scan(at: usize, end: usize): usize {
    while (at < end) {
      if (this.inUsage) {
        at = this.usageReader.feed(at, end);
        if (!this.usageReader.done) return end;
        this.inUsage = false;
        this.usage.commit();
        continue;
      }
      at = this.scanText(at, end);
      if (this.said == LOOK_SHORT) return at;
      if (this.said == LOOK_USAGE) {
        this.usageReader.begin();
        this.inUsage = true;
        at = this.brace + 1;
      }
    }
    return end;
  }

  /** Goes on to `end`, or to the opening quote of a key for which `said` is not LOOK_ON. */
  private scanText(at: usize, end: usize): usize {
    const quote = i8x16.splat(QUOTE);
    const backslash = i8x16.splat(BACKSLASH);
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
      const strings = prefixXor(quotes) ^ inString;
      const wasInString = inString;
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
      for (let left = quotes & strings; left != 0; left &= left - 1) {
        const place = <usize>ctz<u64>(left);
        const key = at + place + 1;
        if (key != end && !isLetterOfKey(load<u8>(key))) continue;
        const before = ((<u64>1) << (<u64>place)) - 1;
        const keyDepth = depth + <i32>popcnt<u64>(opens & before) - <i32>popcnt<u64>(closes & before);
        const said = this.look(key, end, keyDepth);
        if (said == LOOK_ON) continue;
        this.said = said;
        this.inString = 0;
        this.isEscaped = 0;
        this.depth = keyDepth;
        return at + place;
      }
      depth += <i32>popcnt<u64>(opens) - <i32>popcnt<u64>(closes);
      at += bytes;
    }
    this.said = LOOK_ON;
    this.inString = inString;
    this.isEscaped = isEscaped;
    this.depth = depth;
    return end;
  }

  /** An address where a whole block can be loaded whose first `bytes` bytes are those at `at`. */
  @inline private readable(at: usize, bytes: usize): usize {
    if (at + BLOCK_BYTES <= (<usize>memory.size()) << 16) return at;
    memory.copy(changetype<usize>(this.rest), at, bytes);
    return changetype<usize>(this.rest);
  }

  /** LOOK_* for the string whose first byte behind its opening quote is at `key`. */
  private look(key: usize, end: usize, depth: i32): i32 {
    const windowEnd = key - 1 + <usize>WINDOW_BYTES;
    const limit = min<usize>(end, windowEnd);
    const found = this.read(key, limit, depth);
    if (isMatch(found)) {
      this.brace = found;
      return LOOK_USAGE;
    }
    return found == TOO_SHORT && end < windowEnd ? LOOK_SHORT : LOOK_ON;
  }

  /**
   * Reads a key and the beginning of its value, takes what they say into the fields, and returns NO_MATCH or
   * TOO_SHORT; for a `usage` that is an object the address of its brace.
   */
  private read(key: usize, end: usize, depth: i32): usize {
    if (depth < 1 || depth > 4) return NO_MATCH;
    if (key == end) return TOO_SHORT;
    const letter = load<u8>(key);
    if (depth == 4) return this.readDelta(letter, key, end);
    if (depth == 3) return letter == 0x74 ? this.readText(matchKey(key, end, 'text"')) : NO_MATCH;
    if (letter == 0x75) return readUsage(key, end);
    if (letter == 0x65) return this.readError(key, end, depth);
    if (depth == 2) return NO_MATCH;
    if (letter == 0x6f) return this.readObject(key, end);
    if (letter != 0x74) return NO_MATCH;
    const value = matchKey(key, end, 'type"');
    return value == NO_MATCH ? this.readText(matchKey(key, end, 'text"')) : this.readType(value, end);
  }

  private readDelta(letter: u32, key: usize, end: usize): usize {
    if (letter == 0x63) return this.readDeltaText(matchKey(key, end, 'content"'), end);
    if (letter == 0x74) {
      const value = matchKey(key, end, 'tool_calls"');
      if (!isMatch(value)) return value;
      if (load<u8>(value) == 0x5b) this.textSeen = true;
      return NO_MATCH;
    }
    if (letter != 0x72) return NO_MATCH;
    let value = matchKey(key, end, 'role"');
    if (isMatch(value)) {
      if (load<u8>(value) == QUOTE) this.roleSeen = true;
      return NO_MATCH;
    }
    if (value == NO_MATCH) value = matchKey(key, end, 'reasoning"');
    if (value == NO_MATCH) value = matchKey(key, end, 'reasoning_content"');
    if (value == NO_MATCH) value = matchKey(key, end, 'refusal"');
    return this.readDeltaText(value, end);
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
  private readError(key: usize, end: usize, depth: i32): usize {
    const value = matchKey(key, end, 'error"');
    if (!isMatch(value)) return value;
    const first = load<u8>(value);
    if (depth == 1 ? first != 0x6e : first == 0x7b) this.errorSeen = true;
    return NO_MATCH;
  }

  private readObject(key: usize, end: usize): usize {
    const value = matchKey(key, end, 'object"');
    if (!isMatch(value)) return value;
    const behind = matchText(value, end, '"error"');
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
    if (this.type.equals("error")) this.errorSeen = true;
    return NO_MATCH;
  }
}

// prettier-ignore
@inline
function isLetterOfKey(byte: u32): bool {
  const place = byte - 0x61;
  return place < 26 && ((LETTERS >> place) & 1) != 0;
}

/** The brace that opens the object; NO_MATCH for a `usage` that is something else. */
function readUsage(key: usize, end: usize): usize {
  const value = matchKey(key, end, 'usage"');
  return isMatch(value) && load<u8>(value) != OPENING ? NO_MATCH : value;
}
