/** Blocks of a bucket: eight keys are as long as a cache line. */
const WAYS: i32 = 8;

/**
 * Which endpoints hold which blocks: from a key to a set of accounts, a bit each, eight blocks a bucket.
 *
 *     bucket, u64 each: | key 0 … key 7 | set 0: `words` words | … | set 7 |      key 0: the slot is empty
 *
 * A block stays in its slot as long as anyone holds it. It may be in either of two buckets, and a new one goes to the emptier
 * (Azar et al., Balanced Allocations, STOC '94): with a quarter more slots than blocks, 2 blocks in 10,000 find both full when
 * the table is. It has to be so few, since a prefix ends at the first block missing: with one bucket each, 7 in 100 found
 * theirs full. Where blocks come and go in a table that stays full there are more: it asks for more room than is used. Where
 * both are full, the first block of one goes that was not used since that bucket's hand passed it (clock).
 */
export class BlockTable {
  /** Blocks that somebody holds. */
  count: i32 = 0;
  readonly slots: i32;
  /** Words of a set: a bit for each endpoint. */
  readonly words: i32;

  private readonly buckets: i32;
  private readonly stride: i32;
  private readonly cells: StaticArray<u64>;
  /** A bit for each slot of the bucket: used since the hand was there. */
  private readonly used: StaticArray<u8>;
  private readonly hands: StaticArray<u8>;

  /** Room for `blocks` blocks held by any of `endpoints` endpoints. */
  constructor(blocks: i32, endpoints: i32) {
    const buckets = max<i32>(1, <i32>((<i64>blocks * 5 + 4 * WAYS - 1) / (4 * WAYS)));
    const words = (endpoints + 63) >> 6;
    const stride = WAYS * (1 + words);
    this.buckets = buckets;
    this.slots = buckets * WAYS;
    this.words = words;
    this.stride = stride;
    this.cells = new StaticArray<u64>(buckets * stride);
    this.used = new StaticArray<u8>(buckets);
    this.hands = new StaticArray<u8>(buckets);
  }

  /** Bytes of memory. */
  bytes(): i32 {
    return this.cells.length * 8 + this.used.length + this.hands.length;
  }

  /** Slot of the block, -1 if nobody holds it. `key` is not 0. All ways are compared: a branch each would be guessed wrong. */
  @inline find(key: u64): i32 {
    const first = this.firstOf(key);
    const inFirst = this.waysOf(key, first * this.stride);
    if (inFirst != 0) return first * WAYS + <i32>ctz<u32>(inFirst);
    const second = this.secondOf(key);
    const inSecond = this.waysOf(key, second * this.stride);
    return inSecond == 0 ? -1 : second * WAYS + <i32>ctz<u32>(inSecond);
  }

  /** Fetches the block's first bucket, which two of three blocks are in, into the processor's caches: a word of it, whatever it is. */
  @inline peek(key: u64): u64 {
    return unchecked(this.cells[this.firstOf(key) * this.stride]);
  }

  /** Slot of the block, taken for it if it has none; another block may have to go. To be held by someone at once. */
  claim(key: u64): i32 {
    const known = this.find(key);
    if (known >= 0) return known;
    const first = this.firstOf(key);
    const second = this.secondOf(key);
    const emptyFirst = this.waysOf(0, first * this.stride);
    const emptySecond = this.waysOf(0, second * this.stride);
    const isFirst = popcnt<u32>(emptyFirst) >= popcnt<u32>(emptySecond);
    const bucket = isFirst ? first : second;
    const empty = isFirst ? emptyFirst : emptySecond;
    const base = bucket * this.stride;
    const cells = this.cells;
    const way = empty == 0 ? this.victimOf(bucket) : <i32>ctz<u32>(empty);
    if (empty == 0) {
      const set = base + WAYS + way * this.words;
      for (let word = 0; word < this.words; word++) unchecked((cells[set + word] = 0));
    } else {
      this.count++;
    }
    unchecked((cells[base + way] = key));
    return bucket * WAYS + way;
  }

  /** The block was used. */
  @inline touch(slot: i32): void {
    unchecked((this.used[slot / WAYS] |= <u8>((<u32>1) << (slot % WAYS))));
  }

  /** Word `word` of the set of accounts that hold the block. */
  @inline holders(slot: i32, word: i32): u64 {
    return unchecked(this.cells[this.setOf(slot) + word]);
  }


  @inline isHeld(slot: i32, account: i32): bool {
    return ((this.holders(slot, account >> 6) >> ((<u64>account) & 63)) & 1) != 0;
  }

  /** The account holds the block. */
  add(slot: i32, account: i32): void {
    const at = this.setOf(slot) + (account >> 6);
    unchecked((this.cells[at] |= (<u64>1) << ((<u64>account) & 63)));
  }

  /** The account holds the block no more; without a holder the slot is empty. */
  remove(slot: i32, account: i32): void {
    const set = this.setOf(slot);
    const cells = this.cells;
    const at = set + (account >> 6);
    unchecked((cells[at] &= ~((<u64>1) << ((<u64>account) & 63))));
    let left: u64 = 0;
    for (let word = 0; word < this.words; word++) left |= unchecked(cells[set + word]);
    if (left != 0) return;
    unchecked((cells[(slot / WAYS) * this.stride + (slot % WAYS)] = 0));
    this.count--;
  }

  /** A bit for each way of the bucket at `base` that has this key. */
  @inline private waysOf(key: u64, base: i32): u32 {
    const cells = this.cells;
    return (
      (<u32>(unchecked(cells[base]) == key)) |
      ((<u32>(unchecked(cells[base + 1]) == key)) << 1) |
      ((<u32>(unchecked(cells[base + 2]) == key)) << 2) |
      ((<u32>(unchecked(cells[base + 3]) == key)) << 3) |
      ((<u32>(unchecked(cells[base + 4]) == key)) << 4) |
      ((<u32>(unchecked(cells[base + 5]) == key)) << 5) |
      ((<u32>(unchecked(cells[base + 6]) == key)) << 6) |
      ((<u32>(unchecked(cells[base + 7]) == key)) << 7)
    );
  }


  @inline private firstOf(key: u64): i32 {
    return <i32>(((key >> 32) * <u64>this.buckets) >> 32);
  }


  @inline private secondOf(key: u64): i32 {
    return <i32>(((key & 0xffffffff) * <u64>this.buckets) >> 32);
  }


  @inline private setOf(slot: i32): i32 {
    return (slot / WAYS) * this.stride + WAYS + (slot % WAYS) * this.words;
  }

  /** The way whose block has to go from a full bucket. */
  private victimOf(bucket: i32): i32 {
    let used: u32 = unchecked(this.used[bucket]);
    let way: u32 = unchecked(this.hands[bucket]);
    while ((used >> way) & 1) {
      used &= ~(1 << way);
      way = (way + 1) % WAYS;
    }
    unchecked((this.used[bucket] = <u8>used));
    unchecked((this.hands[bucket] = <u8>((way + 1) % WAYS)));
    return <i32>way;
  }
}
