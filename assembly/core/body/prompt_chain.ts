import { BlockHasher, PREFIX_BLOCK_BYTES } from "../prefix/block_hasher";
import {
  ROLE_DOCUMENTS,
  ROLE_INPUT,
  ROLE_INSTRUCTIONS,
  ROLE_MESSAGES,
  ROLE_PROMPT,
  ROLE_QUERY,
  ROLE_SYSTEM,
  ROLE_TEXT,
  ROLE_TEXT_1,
  ROLE_TEXT_2,
  ROLE_TOOLS,
  SOURCE_COUNT,
} from "./roles";

/**
 * Of a prompt so much is hashed: what a body's window has by default, 16,000 tokens of English. Blocks behind it are
 * known to no index.
 */
export const PROMPT_HASHED_BYTES: i32 = 65536;
/** Blocks of a prompt that have a hash, at most. */
export const PROMPT_BLOCKS: i32 = PROMPT_HASHED_BYTES / PREFIX_BLOCK_BYTES;

// prettier-ignore
/** Sources in the order in which chat templates put them into the prompt; what grows from turn to turn comes last. */
const PROMPT_ORDER: StaticArray<i32> = [
  ROLE_TOOLS, ROLE_SYSTEM, ROLE_INSTRUCTIONS, ROLE_QUERY, ROLE_DOCUMENTS,
  ROLE_TEXT_1, ROLE_TEXT_2, ROLE_TEXT, ROLE_PROMPT, ROLE_INPUT, ROLE_MESSAGES,
];

/** Of PROMPT_ORDER, the first that grows from turn to turn. */
const FIRST_GROWING: i32 = 8;

// One source, 24 bytes: its digest u64, the byte of the body at which it begins u32, its first block u32, blocks u32.
const DIGEST: usize = 0;
const START: usize = 8;
const FIRST: usize = 12;
const BLOCKS: usize = 16;
const SOURCE_BYTES: usize = 24;

const NONE: i32 = -1;

/**
 * The hashes of a body's prompt: of the raw bytes of each of its sources (roles below SOURCE_COUNT), hashed as they arrive,
 * in the order of PROMPT_ORDER whatever order they arrive in. Python's clients send `messages` before `system` and `tools`,
 * which the model reads first. The hashes of a source are mixed with the digest of all sources before it, so that a hash
 * stands for everything up to its block's end, and for nothing that stands behind: a turn that appends to `messages`
 * keeps its hashes.
 */
@unmanaged
export class PromptChain {
  /** Nothing is hashed unless this is set; `reset` leaves it. */
  isOn: bool = false;
  /** Address of the hashes that `arrange` put in order, u64 each; the same for the chain's life. */
  readonly hashes: usize = heap.alloc(<usize>PROMPT_BLOCKS * 8);

  private readonly hasher: BlockHasher = new BlockHasher(PROMPT_BLOCKS);
  private readonly sources: usize = heap.alloc(<usize>SOURCE_COUNT * SOURCE_BYTES);
  /** A bit for each source that has begun. */
  private met: u32 = 0;
  /** The source being read; NONE between two. */
  private open: i32 = NONE;
  /** A source came twice. The servers take the last, and no client sends that: such a prompt has no hashes. */
  private isRepeated: bool = false;

  reset(): void {
    this.met = 0;
    this.open = NONE;
    this.isRepeated = false;
    this.hasher.reset();
  }

  /** A source is being read. */
  @inline get isOpen(): bool {
    return this.open != NONE;
  }

  /** What grows from turn to turn begins before byte `offset` of the body. */
  growsBefore(offset: u32): bool {
    for (let place = FIRST_GROWING; place < SOURCE_COUNT; place++) {
      if (this.counts(unchecked(PROMPT_ORDER[place]), offset)) return true;
    }
    return false;
  }

  /** The value of a source begins at `offset` of the body. */
  begin(source: i32, offset: u32): void {
    if (!this.isOn) return;
    const bit: u32 = 1 << source;
    if ((this.met & bit) != 0) this.isRepeated = true;
    this.met |= bit;
    this.open = source;
    this.hasher.begin();
    const at = this.at(source);
    store<u32>(at, offset, START);
    store<u32>(at, this.hasher.kept, FIRST);
  }

  /** The next bytes of the open source. */
  feed(ptr: usize, bytes: i32): void {
    this.hasher.feed(ptr, bytes);
  }

  /** The open source has ended. */
  end(): void {
    this.close();
    this.open = NONE;
  }

  /**
   * Puts the hashes of what has been fed in order at `hashes`; how many there are, at most PROMPT_BLOCKS. Of the body counts what
   * begins before byte `limit`: whoever may go on before the body's end gives what is always read, since what was read
   * beyond depends on how the body was cut. A source that is still open counts only where none stands behind it.
   */
  arrange(limit: u32): i32 {
    if (this.met == 0 || this.isRepeated) return 0;
    if (this.isOpen) this.close();
    let before: u64 = 0;
    let count = 0;
    let left = this.countBefore(limit);
    for (let place = 0; place < SOURCE_COUNT && left > 0; place++) {
      const source = unchecked(PROMPT_ORDER[place]);
      if (!this.counts(source, limit)) continue;
      left--;
      if (source == this.open && left > 0) continue;
      const at = this.at(source);
      const from = this.hasher.hashes + <usize>load<u32>(at, FIRST) * 8;
      const blocks = <i32>load<u32>(at, BLOCKS);
      const to = this.hashes + <usize>count * 8;
      if (before == 0) memory.copy(to, from, <usize>blocks * 8);
      else mixAll(to, from, blocks, before);
      count += blocks;
      before = mixed(load<u64>(at, DIGEST), before + <u64>source + 1) | 1;
    }
    return count;
  }

  private close(): void {
    const at = this.at(this.open);
    store<u64>(at, this.hasher.digest(), DIGEST);
    store<u32>(at, this.hasher.kept - load<u32>(at, FIRST), BLOCKS);
  }

  private countBefore(limit: u32): i32 {
    let count = 0;
    for (let source = 0; source < SOURCE_COUNT; source++) if (this.counts(source, limit)) count++;
    return count;
  }


  @inline private counts(source: i32, limit: u32): bool {
    return ((this.met >> source) & 1) != 0 && load<u32>(this.at(source), START) < limit;
  }


  @inline private at(source: i32): usize {
    return this.sources + <usize>source * SOURCE_BYTES;
  }
}

function mixAll(to: usize, from: usize, blocks: i32, before: u64): void {
  for (let block = 0; block < blocks; block++) {
    const at = <usize>block * 8;
    store<u64>(to + at, mixed(load<u64>(from + at), before));
  }
}

/** One to one in the hash, for every `before`. */
// prettier-ignore
@inline
function mixed(hash: u64, before: u64): u64 {
  const product = (hash ^ before) * 0x9fb21c651e98df25;
  return (product ^ (product >> 32)) + rotl<u64>(before, 29);
}
