import { fnv1a64 } from "../../wire/hash";

/** A block of `bytes` bytes that stays until `release`. */
export function allocate(bytes: i32): usize {
  return heap.alloc(bytes);
}

/** Gives back a block of `allocate`. */
export function release(block: usize): void {
  heap.free(block);
}

/** Collects what is no longer referenced. */
export function collect(): void {
  __collect();
}

export function hash(ptr: usize, bytes: i32): u64 {
  return fnv1a64(ptr, bytes);
}
