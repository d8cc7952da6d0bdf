import { equalBytes } from "../wire/bytes";
import { fresh } from "./columns";
import { nameHash } from "./name_hash";

const EMPTY: i32 = -1;
/** Taken slots that filling the map may pass, per slot of it: where names are nobody's choice, it is below 1. */
const MAX_PASSED_PER_SLOT: i32 = 8;

/**
 * From names to row numbers: open addressing, at most half full, over byte strings that live in a
 * message's string heap. Only (offset, bytes) is kept, so that a map built while the message is
 * checked in place serves after the message was copied: the caller names the heap at each call.
 */
export class NameMap {
  private hashes: StaticArray<u64> = new StaticArray<u64>(0);
  private offsets: StaticArray<u32> = new StaticArray<u32>(0);
  private lengths: StaticArray<u32> = new StaticArray<u32>(0);
  private rows: StaticArray<i32> = new StaticArray<i32>(0);
  private slots: i32 = 0;
  private passesLeft: i32 = 0;

  constructor() {
    this.clear(0);
  }

  /** Forgets everything and makes room for `names` names; no more may be added. */
  clear(names: i32): void {
    let slots = 16;
    while (slots < names * 2) slots <<= 1;
    this.hashes = fresh<u64>(this.hashes, slots);
    this.offsets = fresh<u32>(this.offsets, slots);
    this.lengths = fresh<u32>(this.lengths, slots);
    this.rows = fresh<i32>(this.rows, slots);
    this.slots = slots;
    this.passesLeft = slots * MAX_PASSED_PER_SLOT;
    const rows = this.rows;
    for (let slot = 0; slot < slots; slot++) unchecked((rows[slot] = EMPTY));
  }

  /**
   * Adds the name of `bytes` bytes at `heap + offset`; false (and no change) if it is there already, or
   * if the names so far collide as only names chosen for it do: filling the map takes bounded time.
   */
  add(heap: usize, offset: u32, bytes: u32, row: i32): bool {
    const hash = nameHash(heap + offset, bytes);
    const slot = this.slotOf(heap, hash, heap + offset, bytes);
    if (unchecked(this.rows[slot]) != EMPTY) return false;
    this.passesLeft -= (slot - <i32>hash) & (this.slots - 1);
    if (this.passesLeft < 0) return false;
    unchecked((this.hashes[slot] = hash));
    unchecked((this.offsets[slot] = offset));
    unchecked((this.lengths[slot] = bytes));
    unchecked((this.rows[slot] = row));
    return true;
  }

  /** The row added under the name of `bytes` bytes at `ptr`; -1 if there is none. */
  find(heap: usize, ptr: usize, bytes: u32): i32 {
    return unchecked(this.rows[this.slotOf(heap, nameHash(ptr, bytes), ptr, bytes)]);
  }

  private slotOf(heap: usize, hash: u64, ptr: usize, bytes: u32): i32 {
    const mask = this.slots - 1;
    let slot = (<i32>hash) & mask;
    while (unchecked(this.rows[slot]) != EMPTY) {
      if (
        unchecked(this.hashes[slot]) == hash &&
        unchecked(this.lengths[slot]) == bytes &&
        equalBytes(heap + unchecked(this.offsets[slot]), ptr, bytes)
      ) {
        return slot;
      }
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
