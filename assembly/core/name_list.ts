import { equalBytes, u32At } from "../wire/bytes";
import { fresh } from "./columns";
import { nameHash } from "./name_hash";

/** The names of a section's rows with their hashes, searched run by run: runs are short. */
export class NameList {
  protected hashes: StaticArray<u64> = new StaticArray<u64>(0);
  protected offsets: StaticArray<u32> = new StaticArray<u32>(0);
  protected lengths: StaticArray<u32> = new StaticArray<u32>(0);

  /** Takes over `count` checked (offset, bytes) pairs, the first at `pairs`, one every `stride` bytes. */
  decode(heap: usize, pairs: usize, count: i32, stride: u32): void {
    this.hashes = fresh<u64>(this.hashes, count);
    this.offsets = fresh<u32>(this.offsets, count);
    this.lengths = fresh<u32>(this.lengths, count);
    for (let index = 0; index < count; index++) {
      const pair = pairs + index * stride;
      const offset = u32At(pair);
      const bytes = u32At(pair + 4);
      this.offsets[index] = offset;
      this.lengths[index] = bytes;
      this.hashes[index] = nameHash(heap + offset, bytes);
    }
  }

  /** First of the `count` rows from `start` on that has this name (`hash` is its `nameHash`); -1 if none has. */
  find(heap: usize, start: i32, count: i32, hash: u64, ptr: usize, bytes: i32): i32 {
    const hashes = this.hashes;
    for (let index = start, end = start + count; index < end; index++) {
      if (
        unchecked(hashes[index]) == hash &&
        unchecked(this.lengths[index]) == <u32>bytes &&
        equalBytes(heap + unchecked(this.offsets[index]), ptr, bytes)
      ) {
        return index;
      }
    }
    return -1;
  }
}
