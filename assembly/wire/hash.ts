const FNV_OFFSET_BASIS: u64 = 0xcbf29ce484222325;
const FNV_PRIME: u64 = 0x00000100000001b3;

/**
 * FNV-1a, 64 bits, of `bytes` bytes at `ptr` (http://www.isthe.com/chongo/tech/comp/fnv/, also
 * draft-eastlake-fnv). For names and addresses: short, and the same number in every language.
 */
export function fnv1a64(ptr: usize, bytes: u32): u64 {
  let hash = FNV_OFFSET_BASIS;
  const end = ptr + <usize>bytes;
  for (let at = ptr; at < end; at++) hash = (hash ^ (<u64>load<u8>(at))) * FNV_PRIME;
  return hash;
}
