/** SplitMix64 (Steele, Lea, Flood, OOPSLA '14): seedable, 64 bits of state, any seed will do. */
export class Random {
  private state: u64;

  constructor(seed: u64) {
    this.state = seed;
  }

  /** The next 64 bits. */
  next(): u64 {
    this.state += 0x9e3779b97f4a7c15;
    let bits = this.state;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }

  /** The next 32 bits. */
  @inline next32(): u32 {
    return <u32>(this.next() >> 32);
  }

  /** A number in [0, bound), `bound` > 0; the bias is below bound / 2^32. */
  below(bound: u32): u32 {
    return <u32>((<u64>this.next32() * <u64>bound) >> 32);
  }
}

/**
 * A permutation of the 32-bit numbers chosen by `salt`: rows given distinct values in an order that
 * is a new one for every salt (finalizer of MurmurHash3).
 */
@inline export function shuffled(row: i32, salt: u32): u32 {
  let bits = <u32>row * 0x9e3779b9 + salt;
  bits = (bits ^ (bits >> 16)) * 0x85ebca6b;
  bits = (bits ^ (bits >> 13)) * 0xc2b2ae35;
  return bits ^ (bits >> 16);
}
