import { u64At, u8At } from "../wire/bytes";

/** 2^64 over the golden ratio, odd: what Fibonacci hashing multiplies by (Knuth, TAOCP 3, 6.4). */
const MULTIPLIER: u64 = 0x9e3779b97f4a7c15;

/**
 * A hash of the name of `bytes` bytes at `ptr` for look-ups in memory. It takes eight bytes a step, where
 * FNV-1a takes one, so that the names of the largest table cost milliseconds: it never leaves the VM.
 */
export function nameHash(ptr: usize, bytes: u32): u64 {
  const end = ptr + bytes;
  let hash = mixed(bytes);
  let at = ptr;
  for (; at + 8 <= end; at += 8) hash = mixed(hash ^ u64At(at));
  let rest: u64 = 0;
  for (; at < end; at++) rest = (rest << 8) | (<u64>u8At(at));
  return mixed(hash ^ rest);
}


@inline function mixed(value: u64): u64 {
  const product = value * MULTIPLIER;
  return product ^ (product >> 32);
}
