import { u32At, u64At, u8At } from "../../wire/bytes";

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;

/**
 * XXH64 of `bytes` bytes at `ptr` (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). Four lanes of
 * 64-bit multiplications: WebAssembly has these, but not the upper half of a product that wyhash and rapidhash are
 * built on. Not cryptographic: who chooses the bytes can choose two texts with one hash.
 */
export function xxh64(ptr: usize, bytes: i32, seed: u64): u64 {
  const end = ptr + <usize>bytes;
  let at = ptr;
  let hash: u64;
  if (bytes >= 32) {
    let a = seed + PRIME_1 + PRIME_2;
    let b = seed + PRIME_2;
    let c = seed;
    let d = seed - PRIME_1;
    for (; at + 32 <= end; at += 32) {
      a = round(a, u64At(at));
      b = round(b, u64At(at + 8));
      c = round(c, u64At(at + 16));
      d = round(d, u64At(at + 24));
    }
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merged(merged(merged(merged(hash, a), b), c), d);
  } else {
    hash = seed + PRIME_5;
  }
  hash += <u64>bytes;
  for (; at + 8 <= end; at += 8) hash = rotl<u64>(hash ^ round(0, u64At(at)), 27) * PRIME_1 + PRIME_4;
  for (; at + 4 <= end; at += 4) hash = rotl<u64>(hash ^ (<u64>u32At(at) * PRIME_1), 23) * PRIME_2 + PRIME_3;
  for (; at < end; at++) hash = rotl<u64>(hash ^ (<u64>u8At(at) * PRIME_5), 11) * PRIME_1;
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return hash ^ (hash >> 32);
}

// prettier-ignore
@inline
function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * PRIME_2, 31) * PRIME_1;
}

// prettier-ignore
@inline
function merged(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}
