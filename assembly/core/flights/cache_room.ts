import { grown } from "../columns";
import { PrefixIndex } from "../prefix/prefix_index";

/** Blocks by which a server's count may differ from ours: its own blocks are other ones, and the chat template's text is in them; … */
const TOLERATED_BLOCKS: f64 = 2;
/** … and the share by which it may, where the template orders the prompt in another way. */
const TOLERATED_SHARE: f64 = 0.25;
/** An endpoint that had less than it was believed to have is believed to have room for so much less … */
const SHRINK: f64 = 0.05;
/** … and one that had it for this share of its cache more, each time. */
const GROW: f64 = 1 / 64;
/**
 * Answers are judged together for so long, in ms, and it shrinks once where more than one in four had less: requests of one prompt that come
 * at once find it computed by none of them, and clients can ask servers to pass the cache over, which looks like a cache without room.
 */
const JUDGED_MS: f64 = 1000;
const HITS_A_MISS: u32 = 3;
/**
 * The index is told of changes of this share: since each makes it go over all that the endpoint has, growth is measured by the whole
 * cache. What shrinks is measured by what the index was told last, so that nothing of it stays believed in.
 */
const TOLD: f64 = 1 / 16;

/**
 * How much of each endpoint's cache is there for prompts, in blocks of the index: what its KV cache holds, less what its
 * answers say is missing. That a prompt's beginning had gone says nothing of the prompt, which its endpoint has just
 * computed again: it says that the cache is smaller than believed, or that others use it; and of a server that caches no
 * prefixes, that it has room for none.
 */
export class CacheRoom {
  private capacity: StaticArray<f64> = new StaticArray<f64>(0);
  private room: StaticArray<f64> = new StaticArray<f64>(0);
  private told: StaticArray<f64> = new StaticArray<f64>(0);
  /** Answers since the last judgement that had what was believed, and that had less, and when that judgement was. */
  private hits: StaticArray<u32> = new StaticArray<u32>(0);
  private misses: StaticArray<u32> = new StaticArray<u32>(0);
  private judgedMs: StaticArray<f64> = new StaticArray<f64>(0);
  private count: i32 = 0;

  /** The account stands for another endpoint: nothing is known of its cache. */
  reset(account: i32): void {
    if (account >= this.count) this.growTo(account + 1);
    unchecked((this.capacity[account] = 0));
    unchecked((this.room[account] = 0));
    unchecked((this.told[account] = 0));
    unchecked((this.hits[account] = 0));
    unchecked((this.misses[account] = 0));
    unchecked((this.judgedMs[account] = 0));
  }

  /** The endpoint begins anew, with the cache that it had. */
  restart(account: i32, index: PrefixIndex | null): void {
    unchecked((this.room[account] = this.capacity[account]));
    if (unchecked(this.capacity[account]) > 0) this.tell(account, index);
  }

  /** Its KV cache holds `blocks`; 0: it does not tell. The share of it that answers have left stays. */
  setCapacity(account: i32, blocks: f64, index: PrefixIndex | null): void {
    const before = unchecked(this.capacity[account]);
    if (!(blocks > 0) || Math.abs(blocks - before) <= before * TOLD) return;
    const share = before > 0 ? unchecked(this.room[account]) / before : 1;
    unchecked((this.capacity[account] = blocks));
    unchecked((this.room[account] = share * blocks));
    this.tell(account, index);
  }

  /** The server's own count says that it held `held` blocks of a prompt of which it was believed to hold `believed`. */
  correct(account: i32, believed: f64, held: f64, nowMs: f64, index: PrefixIndex | null): void {
    if (index == null) return;
    if (held + TOLERATED_BLOCKS < believed * (1 - TOLERATED_SHARE)) unchecked(this.misses[account]++);
    else if (held > 0) unchecked(this.hits[account]++);
    else return;
    if (nowMs - unchecked(this.judgedMs[account]) < JUDGED_MS) return;
    unchecked((this.judgedMs[account] = nowMs));
    this.judge(account, index);
  }

  private judge(account: i32, index: PrefixIndex): void {
    if (unchecked(this.capacity[account]) == 0) this.setCapacity(account, <f64>index.capacityBlocks, index);
    const capacity = unchecked(this.capacity[account]);
    const hits = unchecked(this.hits[account]);
    const before = unchecked(this.room[account]);
    const room =
      unchecked(this.misses[account]) * HITS_A_MISS > hits
        ? before * (1 - SHRINK)
        : min<f64>(capacity, before + capacity * GROW * <f64>hits);
    unchecked((this.room[account] = room));
    unchecked((this.hits[account] = 0));
    unchecked((this.misses[account] = 0));
    const told = unchecked(this.told[account]);
    const isSmaller = room < told * (1 - TOLD) || (room < 1 && told >= 1);
    const isWhole = room == capacity && told < capacity;
    if (isSmaller || isWhole || room > told + capacity * TOLD) this.tell(account, index);
  }

  /** Tells a new index of all accounts. */
  tellAll(index: PrefixIndex): void {
    for (let account = 0; account < this.count; account++) {
      if (unchecked(this.capacity[account]) > 0) this.tell(account, index);
    }
  }

  private tell(account: i32, index: PrefixIndex | null): void {
    if (index == null) return;
    unchecked((this.told[account] = this.room[account]));
    index.setCapacity(account, <i32>min<f64>(unchecked(this.room[account]), index.capacityBlocks));
  }

  private growTo(count: i32): void {
    this.capacity = grown<f64>(this.capacity, count);
    this.room = grown<f64>(this.room, count);
    this.told = grown<f64>(this.told, count);
    this.hits = grown<u32>(this.hits, count);
    this.misses = grown<u32>(this.misses, count);
    this.judgedMs = grown<f64>(this.judgedMs, count);
    this.count = count;
  }
}
