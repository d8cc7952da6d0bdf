import { equalBytes } from "../wire/bytes";
import { fresh } from "./columns";
import { nameHash } from "./name_hash";
import { NameList } from "./name_list";

const NONE: i32 = -1;
/** 2^32 over the golden ratio, odd: spreads owners, which count up from 0, over the buckets. */
const OWNER_MULTIPLIER: u32 = 0x9e3779b9;

/**
 * The names of a section's rows, found by an owner (the index of the row's pool) and a name: as fast for a
 * pool of a thousand models as for one. Rows without an owner are in the list and never found.
 */
export class NameIndex extends NameList {
  /** First row of each bucket, and for each row the next of its bucket. */
  private heads: StaticArray<i32> = new StaticArray<i32>(1).fill(NONE);
  private nexts: StaticArray<i32> = new StaticArray<i32>(0);
  private owners: StaticArray<i32> = new StaticArray<i32>(0);
  private buckets: u32 = 1;

  /** Takes over `count` checked pairs as `NameList` does; no row has an owner yet. */
  decode(heap: usize, pairs: usize, count: i32, stride: u32): void {
    super.decode(heap, pairs, count, stride);
    let buckets: u32 = 16;
    while (buckets < <u32>count) buckets <<= 1;
    this.buckets = buckets;
    this.heads = fresh<i32>(this.heads, <i32>buckets);
    this.nexts = fresh<i32>(this.nexts, count);
    this.owners = fresh<i32>(this.owners, count);
    for (let bucket: u32 = 0; bucket < buckets; bucket++) unchecked((this.heads[bucket] = NONE));
  }

  /**
   * Gives the `count` rows from `start` on to `owner`; each row may be given once. Of equal names in the run
   * the first is found, and of equal names in two runs that of the run that was given later.
   */
  give(start: i32, count: i32, owner: i32): void {
    for (let row = start + count - 1; row >= start; row--) {
      const bucket = this.bucketOf(this.hashes[row], owner);
      this.owners[row] = owner;
      this.nexts[row] = this.heads[bucket];
      this.heads[bucket] = row;
    }
  }

  /** First row of the owner that has this name; -1 if none has. */
  findOf(heap: usize, owner: i32, ptr: usize, bytes: i32): i32 {
    return this.findHashed(heap, owner, nameHash(ptr, bytes), ptr, bytes);
  }

  /** `findOf` for a name whose `nameHash` is at hand. */
  findHashed(heap: usize, owner: i32, hash: u64, ptr: usize, bytes: i32): i32 {
    let row = unchecked(this.heads[this.bucketOf(hash, owner)]);
    while (row != NONE) {
      if (
        unchecked(this.hashes[row]) == hash &&
        unchecked(this.owners[row]) == owner &&
        unchecked(this.lengths[row]) == <u32>bytes &&
        equalBytes(heap + unchecked(this.offsets[row]), ptr, bytes)
      ) {
        return row;
      }
      row = unchecked(this.nexts[row]);
    }
    return NONE;
  }

  namePtr(heap: usize, row: i32): usize {
    return heap + unchecked(this.offsets[row]);
  }

  nameBytes(row: i32): i32 {
    return <i32>unchecked(this.lengths[row]);
  }

  hashOf(row: i32): u64 {
    return unchecked(this.hashes[row]);
  }


  @inline private bucketOf(hash: u64, owner: i32): i32 {
    return <i32>(((<u32>hash) ^ (<u32>owner * OWNER_MULTIPLIER)) & (this.buckets - 1));
  }
}
