import { u64At } from "../../wire/bytes";
import { BlockTable } from "./block_table";
import { EndpointClocks } from "./endpoint_clocks";
import { prefixKey } from "./prefix_seed";

/** Blocks whose places in memory are asked for together. */
const AHEAD: i32 = 16;

/**
 * Which endpoint is believed to have how much of a prompt in its cache: from a block's key to the set of endpoints that were sent it,
 * within what each endpoint's cache has room for. Endpoints are account numbers (`Ledger`) below `endpoints`; an account
 * beyond is never believed to have anything. Whoever gives an account's number to another endpoint calls `forget`.
 *
 * Hashes are those of a `BlockHasher`, u64 each, at an address; the seed is `prefixSeed`. Two blocks that differ have the
 * same key with a probability of about 2^-64: a look-up meets a block of somebody else, among a million, with 6e-14.
 *
 * Memory is allocated by the constructor alone: (8 + endpoints / 8) bytes for each of 1.25 × `blocks` slots, and 5 to 6 bytes
 * for each of `capacityBlocks` blocks of each endpoint.
 */
export class PrefixIndex {
  readonly endpoints: i32;
  /** Blocks that an endpoint is believed to hold at most. */
  readonly capacityBlocks: i32;
  /** By account, of the last look-up: blocks of the longest prefix that the endpoint is believed to hold. */
  readonly lengths: StaticArray<i32>;

  private readonly table: BlockTable;
  private readonly clocks: EndpointClocks;
  /** Of the look-up under way: the accounts that hold all blocks so far. */
  private readonly alive: StaticArray<u64>;
  /** Slots of the blocks fetched last. */
  private readonly slots: StaticArray<i32> = new StaticArray<i32>(AHEAD);
  /** Words fetched, so that no compiler takes the fetching for idle. */
  private fetched: u64 = 0;

  /** Room for `blocks` distinct blocks, and for `capacityBlocks` at each of `endpoints` endpoints; all are >= 1. */
  constructor(blocks: i32, endpoints: i32, capacityBlocks: i32) {
    const table = new BlockTable(blocks, endpoints);
    this.endpoints = endpoints;
    this.capacityBlocks = capacityBlocks;
    this.table = table;
    this.clocks = new EndpointClocks(endpoints, capacityBlocks);
    this.lengths = new StaticArray<i32>(table.words << 6);
    this.alive = new StaticArray<u64>(table.words);
  }

  /** Distinct blocks that some endpoint is believed to hold. */
  blocks(): i32 {
    return this.table.count;
  }

  /** Bytes of memory. */
  bytes(): i32 {
    return this.table.bytes() + this.clocks.bytes() + this.lengths.length * 4 + this.alive.length * 8;
  }

  /**
   * Sets `lengths` for all accounts; the longest of them. Changes nothing else: asking is no use of a block, being picked is.
   */
  lookUp(hashes: usize, count: i32, seed: u64): i32 {
    const lengths = this.lengths;
    const alive = this.alive;
    const table = this.table;
    const words = table.words;
    for (let account = 0; account < lengths.length; account++) unchecked((lengths[account] = 0));
    let block = 0;
    for (; block < count; block++) {
      if (block % AHEAD == 0) this.fetch(hashes, block, min<i32>(count, block + AHEAD), seed);
      const slot = unchecked(this.slots[block % AHEAD]);
      if (slot < 0) break;
      let any: u64 = 0;
      for (let word = 0; word < words; word++) {
        const holders = table.holders(slot, word);
        const before = block == 0 ? holders : unchecked(alive[word]);
        const now = before & holders;
        unchecked((alive[word] = now));
        any |= now;
        if (before != now) this.end(before ^ now, word, block);
      }
      if (any == 0) return block;
    }
    if (block > 0) for (let word = 0; word < words; word++) this.end(unchecked(alive[word]), word, block);
    return block;
  }

  /** Length of the last look-up for an account; 0 for one that is not below `endpoints`. */
  @inline lengthOf(account: i32): i32 {
    return <u32>account < <u32>this.endpoints ? unchecked(this.lengths[account]) : 0;
  }

  /**
   * The prompt goes to the account's endpoint, which will hold its blocks: the first of them, if it has no room for all. The last
   * block is noted first, so that it goes first too: servers free a prompt's tail before its head (vLLM's free queue).
   */
  record(account: i32, hashes: usize, count: i32, seed: u64): void {
    if (<u32>account >= <u32>this.endpoints) return;
    const fitting = min<i32>(count, this.clocks.limit(account));
    for (let block = fitting - 1; block >= 0; block--) {
      if (block % AHEAD == AHEAD - 1 || block == fitting - 1)
        this.fetch(hashes, block - (block % AHEAD), block + 1, seed);
      this.recordKey(account, prefixKey(u64At(hashes + <usize>block * 8), seed));
    }
  }

  /** As `record`, of keys that somebody else has made (`prefixKey`), u64 each at an address that need not be aligned. */
  recordKeys(account: i32, keys: usize, count: i32): void {
    if (<u32>account >= <u32>this.endpoints) return;
    for (let block = min<i32>(count, this.clocks.limit(account)) - 1; block >= 0; block--) {
      const key = u64At(keys + <usize>block * 8);
      // Marks an empty slot, and is nobody's key.
      if (key != 0) this.recordKey(account, key);
    }
  }

  /**
   * Recording the prompt would change nothing that matters: of its blocks, the last that the endpoint has room for is believed to
   * be there, and was used since the endpoint's clock passed it.
   */
  isFresh(account: i32, hashes: usize, count: i32, seed: u64): bool {
    if (<u32>account >= <u32>this.endpoints) return true;
    const fitting = min<i32>(count, this.clocks.limit(account));
    if (fitting <= 0) return true;
    const slot = this.table.find(prefixKey(u64At(hashes + <usize>(fitting - 1) * 8), seed));
    return slot >= 0 && this.table.isHeld(slot, account) && this.clocks.isRecent(slot, account);
  }

  /** The endpoint's cache is empty: it restarted, or the account stands for another endpoint. */
  forget(account: i32): void {
    if (<u32>account < <u32>this.endpoints) this.clocks.clear(account, this.table);
  }

  /** The endpoint turned out to hold `from` blocks of this prompt at most. */
  truncate(account: i32, hashes: usize, from: i32, count: i32, seed: u64): void {
    if (<u32>account >= <u32>this.endpoints) return;
    for (let block = max<i32>(0, from); block < count; block++) {
      const slot = this.table.find(prefixKey(u64At(hashes + <usize>block * 8), seed));
      if (slot >= 0 && this.table.isHeld(slot, account)) this.table.remove(slot, account);
    }
  }

  /** The endpoint's cache has room for so many blocks, at most `capacityBlocks`; without this call it is that many. */
  setCapacity(account: i32, blocks: i32): void {
    if (<u32>account < <u32>this.endpoints) this.clocks.setLimit(account, blocks, this.table);
  }

  private recordKey(account: i32, key: u64): void {
    const table = this.table;
    const clocks = this.clocks;
    const slot = table.claim(key);
    table.touch(slot);
    if (table.isHeld(slot, account)) {
      clocks.touch(slot, account);
    } else {
      clocks.admit(slot, account, table);
      table.add(slot, account);
    }
  }

  /**
   * Finds the slots of blocks `from` to `to`, at most AHEAD of them that begin at a multiple of it. Their places in memory are asked for
   * at once: one after the other each would be waited for.
   */
  private fetch(hashes: usize, from: i32, to: i32, seed: u64): void {
    const table = this.table;
    let words: u64 = 0;
    for (let block = from; block < to; block++) {
      words ^= table.peek(prefixKey(u64At(hashes + <usize>block * 8), seed));
    }
    for (let block = from; block < to; block++) {
      const slot = table.find(prefixKey(u64At(hashes + <usize>block * 8), seed));
      unchecked((this.slots[block % AHEAD] = slot));
      words ^= table.holders(max<i32>(slot, 0), 0);
    }
    this.fetched = words;
  }

  /** Of the accounts in `word`, those in `ended` hold `blocks` blocks and not the next. */
  private end(ended: u64, word: i32, blocks: i32): void {
    for (let left = ended; left != 0; left &= left - 1) {
      unchecked((this.lengths[(word << 6) + <i32>ctz<u64>(left)] = blocks));
    }
  }
}
