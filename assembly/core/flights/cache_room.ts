import { grown } from "../columns";
import { PrefixIndex } from "../prefix/prefix_index";

/** Blocks by which a server's count may differ from ours: its own blocks are other ones, and the chat template's text is in them; … */
const TOLERATED_BLOCKS: f64 = 2;
/** … and the share by which it may, where the template orders the prompt in another way. */
const TOLERATED_SHARE: f64 = 0.25;
/** An endpoint that had less than it was believed to have is believed to have room for so much less … */
const SHRINK: f64 = 0.05;
/**
 * … and one that had it for this share of its cache more. Requests of one prompt that come at once find it computed by
 * none of them: where that is fewer than one in four, the whole cache counts.
 */
const GROW: f64 = 1 / 64;
/** The index is told of changes of this share of the cache, since each makes it go over all that the endpoint has. */
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
  private count: i32 = 0;

  /** The account stands for another endpoint: nothing is known of its cache. */
  reset(account: i32): void {
    if (account >= this.count) this.growTo(account + 1);
    unchecked((this.capacity[account] = 0));
    unchecked((this.room[account] = 0));
    unchecked((this.told[account] = 0));
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
  correct(account: i32, believed: f64, held: f64, index: PrefixIndex | null): void {
    if (index == null) return;
    if (unchecked(this.capacity[account]) == 0) this.setCapacity(account, <f64>index.capacityBlocks, index);
    const capacity = unchecked(this.capacity[account]);
    const room = unchecked(this.room[account]);
    if (held + TOLERATED_BLOCKS < believed * (1 - TOLERATED_SHARE))
      unchecked((this.room[account] = room * (1 - SHRINK)));
    else if (held > 0) unchecked((this.room[account] = min<f64>(capacity, room + capacity * GROW)));
    if (Math.abs(unchecked(this.room[account]) - unchecked(this.told[account])) > capacity * TOLD) {
      this.tell(account, index);
    }
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
    this.count = count;
  }
}
