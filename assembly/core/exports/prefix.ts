import { addressOf } from "../../wire/bytes";
import { BlockHasher } from "../prefix/block_hasher";
import { PrefixIndex } from "../prefix/prefix_index";
import { prefixSeed } from "../prefix/prefix_seed";

export { prefixSeed };

let hasher = new BlockHasher(256);
let index = new PrefixIndex(1, 1, 1);

/** A new hasher that keeps so many blocks; those before it stay allocated. */
export function prefixHasher(capacityBlocks: i32): void {
  hasher = new BlockHasher(capacityBlocks);
}

export function prefixReset(): void {
  hasher.reset();
}

export function prefixFeed(ptr: usize, bytes: i32): void {
  hasher.feed(ptr, bytes);
}

/** Address of the hashes kept, u64 each. */
export function prefixHashes(): usize {
  return hasher.hashes;
}

export function prefixKept(): i32 {
  return hasher.kept;
}

/** A BigInt for JavaScript. */
export function prefixBlocks(): u64 {
  return hasher.blocks();
}

export function prefixDigest(): u64 {
  return hasher.digest();
}

/** A new, empty index in place of the one before. */
export function prefixIndex(blocks: i32, endpoints: i32, capacityBlocks: i32): void {
  index = new PrefixIndex(blocks, endpoints, capacityBlocks);
}

export function prefixIndexBytes(): i32 {
  return index.bytes();
}

export function prefixIndexBlocks(): i32 {
  return index.blocks();
}

export function prefixLookUp(hashes: usize, count: i32, seed: u64): i32 {
  return index.lookUp(hashes, count, seed);
}

/** Address of the last look-up's lengths by account, i32 each. */
export function prefixLengths(): usize {
  return addressOf<i32>(index.lengths);
}

export function prefixLengthOf(account: i32): i32 {
  return index.lengthOf(account);
}

export function prefixRecord(account: i32, hashes: usize, count: i32, seed: u64): void {
  index.record(account, hashes, count, seed);
}

export function prefixForget(account: i32): void {
  index.forget(account);
}

export function prefixTruncate(account: i32, hashes: usize, from: i32, count: i32, seed: u64): void {
  index.truncate(account, hashes, from, count, seed);
}

export function prefixSetCapacity(account: i32, blocks: i32): void {
  index.setCapacity(account, blocks);
}
