import { BlockTable } from "./block_table";

/** Blocks spared in a row before one goes unasked: it bounds what recording a block can take. */
const MAX_SPARED: i32 = 32;
/** Bits of recent use for each block an endpoint can hold: one in eight blocks shares its bit with another. */
const RECENT_BITS: i64 = 8;

/**
 * What each endpoint's cache has room for: a ring of the slots of the blocks that it holds, in the order in which they came, and
 * a hand (clock). When the ring is full, the hand goes on until it finds a block that was not used since it was last
 * there; the new block takes its place. A ring may name a slot that the account holds no more, or twice: the hand drops these.
 *
 * Recent use is a bit for each pair of slot and account, found by a hash of both: pairs that share a bit are spared
 * a little too long. Four bytes for each block of each endpoint, and a byte for its bits.
 */
export class EndpointClocks {
  readonly capacityBlocks: i32;

  private readonly rings: StaticArray<i32>;
  private readonly lengths: StaticArray<i32>;
  private readonly limits: StaticArray<i32>;
  private readonly hands: StaticArray<i32>;
  private readonly recent: StaticArray<u64>;
  private readonly recentMask: u32;
  private readonly turned: StaticArray<i32>;

  /** Rings of at most `capacityBlocks` blocks for `endpoints` endpoints. */
  constructor(endpoints: i32, capacityBlocks: i32) {
    this.capacityBlocks = capacityBlocks;
    this.rings = new StaticArray<i32>(endpoints * capacityBlocks);
    this.lengths = new StaticArray<i32>(endpoints);
    this.limits = new StaticArray<i32>(endpoints).fill(capacityBlocks);
    this.hands = new StaticArray<i32>(endpoints);
    this.turned = new StaticArray<i32>(capacityBlocks);
    let bits: u32 = 64;
    while (<i64>bits < <i64>endpoints * capacityBlocks * RECENT_BITS && bits < 1 << 30) bits <<= 1;
    this.recent = new StaticArray<u64>(bits >> 6);
    this.recentMask = bits - 1;
  }

  /** Bytes of memory. */
  bytes(): i32 {
    return this.rings.length * 4 + this.recent.length * 8 + this.lengths.length * 12 + this.turned.length * 4;
  }

  /** Blocks that the account may hold. */
  @inline limit(account: i32): i32 {
    return unchecked(this.limits[account]);
  }

  /** The account used a block that it holds. */
  @inline touch(slot: i32, account: i32): void {
    const bit = this.bitOf(slot, account);
    unchecked((this.recent[bit >> 6] |= (<u64>1) << ((<u64>bit) & 63)));
  }

  /** The account used the block, or one that shares its bit, since the hand was there. */
  isRecent(slot: i32, account: i32): bool {
    const bit = this.bitOf(slot, account);
    return ((unchecked(this.recent[bit >> 6]) >> ((<u64>bit) & 63)) & 1) != 0;
  }

  /**
   * A place in the account's ring for `slot`, which it does not hold yet; another block may have to go from `table`.
   * The account's limit is above 0.
   */
  admit(slot: i32, account: i32, table: BlockTable): void {
    const base = account * this.capacityBlocks;
    const limit = unchecked(this.limits[account]);
    const length = unchecked(this.lengths[account]);
    if (length < limit) {
      unchecked((this.rings[base + length] = slot));
      unchecked((this.lengths[account] = length + 1));
      return;
    }
    let hand = unchecked(this.hands[account]);
    for (let spared = 0; ; spared++) {
      const held = unchecked(this.rings[base + hand]);
      if (!table.isHeld(held, account)) break;
      if (spared == MAX_SPARED || !this.takeRecent(held, account)) {
        table.remove(held, account);
        break;
      }
      if (++hand == limit) hand = 0;
    }
    unchecked((this.rings[base + hand] = slot));
    unchecked((this.hands[account] = ++hand == limit ? 0 : hand));
  }

  /** The account holds nothing any more. */
  clear(account: i32, table: BlockTable): void {
    const base = account * this.capacityBlocks;
    for (let at = 0, length = unchecked(this.lengths[account]); at < length; at++) {
      this.drop(unchecked(this.rings[base + at]), account, table);
    }
    unchecked((this.lengths[account] = 0));
    unchecked((this.hands[account] = 0));
  }

  /** Sets what the account may hold, at most `capacityBlocks`; what came first goes first. Takes time in proportion to the ring. */
  setLimit(account: i32, blocks: i32, table: BlockTable): void {
    const limit = max<i32>(0, min<i32>(blocks, this.capacityBlocks));
    const base = account * this.capacityBlocks;
    const length = unchecked(this.lengths[account]);
    const hand = unchecked(this.hands[account]);
    const kept = min<i32>(length, limit);
    for (let at = 0; at < length; at++) {
      let from = hand + at;
      if (from >= length) from -= length;
      unchecked((this.turned[at] = this.rings[base + from]));
    }
    for (let at = 0; at < length - kept; at++) this.drop(unchecked(this.turned[at]), account, table);
    for (let at = 0; at < kept; at++) {
      unchecked((this.rings[base + at] = this.turned[length - kept + at]));
    }
    unchecked((this.lengths[account] = kept));
    unchecked((this.hands[account] = 0));
    unchecked((this.limits[account] = limit));
  }

  private drop(slot: i32, account: i32, table: BlockTable): void {
    if (table.isHeld(slot, account)) table.remove(slot, account);
  }

  /** The pair was used since this was last asked. */
  private takeRecent(slot: i32, account: i32): bool {
    const bit = this.bitOf(slot, account);
    const word = unchecked(this.recent[bit >> 6]);
    const mask: u64 = (<u64>1) << ((<u64>bit) & 63);
    unchecked((this.recent[bit >> 6] = word & ~mask));
    return (word & mask) != 0;
  }


  @inline private bitOf(slot: i32, account: i32): u32 {
    const mixed = (((<u64>slot) << 32) | (<u64>(<u32>account))) * 0x9e3779b97f4a7c15;
    return (<u32>((mixed ^ (mixed >> 29)) >> 20)) & this.recentMask;
  }
}
