import { xxh64 } from "./xxh64";

/** Mixed in before a salt, so that no model or adapter stands for one. */
const SALTED: u64 = 0x5a17ed5a17ed5a17;

/**
 * What tells equal bytes apart that share nothing in the servers' caches: the model asked for, the adapter (no bytes: none),
 * and `cache_salt`. Each name is hashed with its length on top of the one before, so that no two triples read alike. With
 * `isSalted` false the salt is not looked at; an empty salt is one of its own.
 *
 * `secret` is common to all who exchange picks and to nobody else. Without it somebody who knows a salt's XXH64 could
 * write a text that collides with another under that salt; with it, and without the salt itself, that is a guess among 2^64.
 */
export function prefixSeed(
  secret: u64,
  modelPtr: usize,
  modelBytes: i32,
  adapterPtr: usize,
  adapterBytes: i32,
  isSalted: bool,
  saltPtr: usize,
  saltBytes: i32,
): u64 {
  const unsalted = xxh64(adapterPtr, adapterBytes, xxh64(modelPtr, modelBytes, secret));
  return isSalted ? xxh64(saltPtr, saltBytes, unsalted ^ SALTED) : unsalted;
}

/**
 * The index's key of a block under a seed, never 0. One to one in the hash for every seed, and two multiplications with the
 * seed between: which hashes of two seeds meet depends on both seeds, not on their difference.
 */
// prettier-ignore
@inline
export function prefixKey(hash: u64, seed: u64): u64 {
  let key = (hash ^ seed) * 0x9fb21c651e98df25;
  key = ((key ^ (key >> 32)) + rotl<u64>(seed, 29)) * 0xd6e8feb86659fd93;
  key ^= key >> 32;
  return key == 0 ? 1 : key;
}
