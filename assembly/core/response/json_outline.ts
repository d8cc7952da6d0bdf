import { BLOCK_BYTES, escapes, maskOf, prefixXor } from "../body/block_masks";
import { BACKSLASH, QUOTE } from "../body/json_bytes";
import { AnswerKeys, isKeyStart, WINDOW_BYTES } from "./answer_keys";
import { HeldBytes } from "./held_bytes";
import { NO_MATCH, TOO_SHORT } from "./json_tokens";
import { TokenUsage } from "./token_usage";
import { UsageReader } from "./usage_reader";

/** `{` and `[` are the same byte once bit 0x20 is set, and so are `}` and `]`; nothing else becomes these. */
const CASE_BIT: u8 = 0x20;
const OPENING: u8 = 0x7b;
const CLOSING: u8 = 0x7d;

/**
 * Goes over a JSON text, in pieces cut anywhere, and has the keys that are known read. Strings and brackets are
 * found by bit masks, 64 bytes at a time; nothing within a string is taken for a key. The grammar is not checked:
 * of a text that is no JSON the outcome depends on its bytes, not on how they are cut.
 */
@unmanaged
export class JsonOutline {
  /** What the keys said. */
  keys: AnswerKeys = new AnswerKeys();

  private usage: TokenUsage;
  private usageReader: UsageReader;
  private held: HeldBytes = new HeldBytes();
  private inUsage: bool = false;
  /** All bits set within a string, else 0. */
  private inString: u64 = 0;
  /** 1 behind a backslash that escapes, else 0. */
  private isEscaped: u64 = 0;
  private depth: i32 = 0;
  /** Where a last block is loaded from if memory ends too early. */
  private rest: usize = heap.alloc(BLOCK_BYTES);

  constructor(usage: TokenUsage) {
    this.usage = usage;
    this.usageReader = new UsageReader(usage);
    this.held.reset(WINDOW_BYTES);
  }

  /** Ready for the next text. */
  @inline begin(): void {
    this.keys.begin();
    this.held.bytes = 0;
    this.inUsage = false;
    this.inString = 0;
    this.isEscaped = 0;
    this.depth = 0;
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
        const brace = this.keys.look(key, end, keyDepth);
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
}
