import { fresh } from "./columns";

const EMPTY: i32 = -1;

/**
 * Where an id belongs in a map of a seed: multiplied and folded twice, as SplitMix64 does, so that ids of which the low or the high bits are
 * alike do not meet. Not cryptographic: what a secret seed buys is that nobody who sees no timing knows which ids would.
 */
export function spread(id: u64, seed: u64): u64 {
  let bits = id ^ seed;
  bits = (bits ^ (bits >> 32)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 29)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 32);
}

/**
 * From 64-bit ids to small numbers >= 0: open addressing, at most half full, no removal but clear. Whoever chooses many ids can
 * choose such as all belong in one place: a map of a client's ids needs a seed (`reseed`).
 */
export class IdMap {
  private seed: u64 = 0;
  private keys: StaticArray<u64> = new StaticArray<u64>(0);
  private values: StaticArray<i32> = new StaticArray<i32>(0);
  private slots: i32 = 0;
  count: i32 = 0;

  constructor() {
    this.clear(8);
  }

  /** Forgets everything and places ids by another seed from now on. */
  reseed(seed: u64): void {
    this.seed = seed;
    this.clear(0);
  }

  /** Forgets everything and makes room for `expected` ids. */
  clear(expected: i32): void {
    let slots = 16;
    while (slots < expected * 2) slots <<= 1;
    this.keys = fresh<u64>(this.keys, slots);
    this.values = fresh<i32>(this.values, slots);
    this.slots = slots;
    this.count = 0;
    const values = this.values;
    for (let slot = 0; slot < slots; slot++) unchecked((values[slot] = EMPTY));
  }

  /** The value put for `key`, -1 if there is none. */
  get(key: u64): i32 {
    return unchecked(this.values[this.slotOf(key)]);
  }

  /** Puts `value` >= 0 for `key`, in place of an earlier one; allocates only when it has to grow. */
  put(key: u64, value: i32): void {
    let slot = this.slotOf(key);
    if (unchecked(this.values[slot]) == EMPTY) {
      if ((this.count + 1) * 2 > this.slots) {
        this.grow();
        slot = this.slotOf(key);
      }
      this.count++;
      unchecked((this.keys[slot] = key));
    }
    unchecked((this.values[slot] = value));
  }

  /** Slots that a look-up of `key` goes over. */
  probes(key: u64): i32 {
    const mask = this.slots - 1;
    return ((this.slotOf(key) - ((<i32>spread(key, this.seed)) & mask)) & mask) + 1;
  }

  /** The slot that holds `key`, else the empty one where it would go. */
  private slotOf(key: u64): i32 {
    const mask = this.slots - 1;
    let slot = (<i32>spread(key, this.seed)) & mask;
    while (unchecked(this.values[slot]) != EMPTY && unchecked(this.keys[slot]) != key)
      slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const keys = this.keys;
    const values = this.values;
    const slots = this.slots;
    this.keys = new StaticArray<u64>(slots * 2);
    this.values = new StaticArray<i32>(slots * 2);
    this.clear(slots);
    for (let slot = 0; slot < slots; slot++) {
      if (unchecked(values[slot]) != EMPTY) this.put(unchecked(keys[slot]), unchecked(values[slot]));
    }
  }
}
