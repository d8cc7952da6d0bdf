/**
 * Bit tricks over blocks of 64 bytes, one bit a byte, the first one lowest; after Langdale and Lemire, "Parsing
 * Gigabytes of JSON per Second", VLDB Journal 28 (2019), sections 3.1.1 and 3.1.2.
 */
export const BLOCK_BYTES: usize = 64;

/** Every second bit, from bit 1 on. */
const ODD_BITS: u64 = 0xaaaaaaaaaaaaaaaa;

/** One mask of four comparisons. */
// prettier-ignore
@inline
export function maskOf(a: v128, b: v128, c: v128, d: v128): u64 {
  return (
    (<u64>(<u32>i8x16.bitmask(a) | (<u32>i8x16.bitmask(b) << 16))) |
    ((<u64>(<u32>i8x16.bitmask(c) | (<u32>i8x16.bitmask(d) << 16))) << 32)
  );
}

/** Bits from each odd one of `bits`, inclusive, to the next one, exclusive: what lies within quotes. */
// prettier-ignore
@inline
export function prefixXor(bits: u64): u64 {
  bits ^= bits << 1;
  bits ^= bits << 2;
  bits ^= bits << 4;
  bits ^= bits << 8;
  bits ^= bits << 16;
  return bits ^ (bits << 32);
}

/**
 * Where escapes begin and what they escape, one bit after the other: a backslash that is not escaped itself
 * escapes the next byte. `isEscaped`: 1 if the block's first byte is escaped. The bits of `backslashes` that
 * begin an escape are those of the result and of `backslashes`; the bits that are escaped are those of the
 * result xor (`backslashes` or `isEscaped`).
 */
// prettier-ignore
@inline
export function escapes(backslashes: u64, isEscaped: u64): u64 {
  const candidates = backslashes & ~isEscaped;
  return (((candidates << 1) | ODD_BITS) - candidates) ^ ODD_BITS;
}
