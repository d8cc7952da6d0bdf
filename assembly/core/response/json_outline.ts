import { AnswerKeys, isKeyStart, WINDOW_BYTES } from "./answer_keys";
import { HeldBytes } from "./held_bytes";
import { JsonBlocks } from "./json_blocks";
import { NO_MATCH, TOO_SHORT } from "./json_tokens";
import { TokenUsage } from "./token_usage";
import { UsageReader } from "./usage_reader";

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
  private blocks: JsonBlocks = new JsonBlocks();
  private held: HeldBytes = new HeldBytes();
  private inUsage: bool = false;

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
    this.blocks.begin();
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
    const blocks = this.blocks;
    while (at < end) {
      blocks.read(at, end);
      let brace: usize = NO_MATCH;
      for (let left = blocks.starts; left != 0; left &= left - 1) {
        const place = <u64>ctz<u64>(left);
        const key = at + <usize>place + 1;
        if (key + 4 <= end && !isKeyStart(load<u32>(key))) continue;
        brace = this.keys.look(key, end, blocks.depthAt(place));
        if (brace == NO_MATCH) continue;
        blocks.rewind(place);
        if (brace == TOO_SHORT) return key - 1;
        break;
      }
      if (brace == NO_MATCH) {
        at += blocks.bytes;
        blocks.pass();
        continue;
      }
      this.usageReader.begin();
      this.inUsage = true;
      at = this.readUsage(brace + 1, end);
    }
    return end;
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
