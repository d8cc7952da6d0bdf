/**
 * The KV-cache blocks of one server with prefix caching.
 *
 * A block is referenced by the sequences that hold it. Without a reference it is free: it waits in one
 * list, longest unused first, and keeps its hash until it is taken for something else. Blocks never used
 * come before all of these, which is the order of an engine that starts with every block in the list.
 * Arrays grow with the highest block used, so an idle server costs nothing.
 */

const NONE = -1;

export class BlockCache {
  readonly capacity: number;
  /** Blocks without a reference, those never used included. */
  free: number;
  /** Blocks that carry a hash, referenced or not. */
  hashed = 0;

  #used = 0;
  #hashes: Float64Array;
  #references: Int32Array;
  #older: Int32Array;
  #newer: Int32Array;
  #oldest = NONE;
  #newest = NONE;
  /** Open addressing with linear probing; a slot holds block + 1, 0 is empty. */
  #slots: Int32Array;
  #mask: number;

  /** @param capacity usable blocks, ≥ 1 */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) {
      throw new RangeError(`kvBlocks must be an integer ≥ 1, got ${capacity}`);
    }
    this.capacity = capacity;
    this.free = capacity;
    const initial = Math.min(capacity, 64);
    this.#hashes = new Float64Array(initial);
    this.#references = new Int32Array(initial);
    this.#older = new Int32Array(initial);
    this.#newer = new Int32Array(initial);
    this.#slots = new Int32Array(256);
    this.#mask = 255;
  }

  /** The block that holds this hash, or -1. */
  find(hash: number): number {
    const slot = this.#slotOf(hash);
    return this.#slots[slot]! - 1;
  }

  isReferenced(block: number): boolean {
    return this.#references[block]! > 0;
  }

  /** Adds a reference to a block found by its hash. */
  acquire(block: number): void {
    if (this.#references[block] === 0) {
      this.#unlink(block);
      this.free--;
    }
    this.#references[block]! += 1;
  }

  /** Takes a free block, forgetting what it held; it has one reference and no hash. -1 when none is free. */
  allocate(): number {
    if (this.free === 0) return NONE;
    this.free--;
    let block: number;
    if (this.#used < this.capacity) {
      block = this.#used++;
      if (block === this.#hashes.length) this.#growBlocks();
    } else {
      block = this.#oldest;
      this.#unlink(block);
      if (this.#hashes[block] !== NONE) this.#forget(block);
    }
    this.#hashes[block] = NONE;
    this.#references[block] = 1;
    return block;
  }

  /**
   * Gives a referenced block its hash. Where another block has the same hash already, that one stays the
   * one to be found and this one remains without.
   */
  register(block: number, hash: number): void {
    if (this.#hashes[block] !== NONE) return;
    const slot = this.#slotOf(hash);
    if (this.#slots[slot] !== 0) return;
    this.#hashes[block] = hash;
    this.#slots[slot] = block + 1;
    this.hashed++;
    if (this.hashed * 2 > this.#slots.length) this.#growSlots();
  }

  /** Drops one reference; the last one makes the block the youngest of the free ones. */
  release(block: number): void {
    const left = this.#references[block]! - 1;
    this.#references[block] = left;
    if (left > 0) return;
    if (left < 0) throw new Error(`block ${block} released more often than acquired`);
    this.free++;
    this.#older[block] = this.#newest;
    this.#newer[block] = NONE;
    if (this.#newest === NONE) this.#oldest = block;
    else this.#newer[this.#newest] = block;
    this.#newest = block;
  }

  /** Releases a sequence's blocks, tail first, so that the tail is evicted before the head. */
  releaseAll(blocks: readonly number[]): void {
    for (let i = blocks.length - 1; i >= 0; i--) this.release(blocks[i]!);
  }

  #unlink(block: number): void {
    const older = this.#older[block]!;
    const newer = this.#newer[block]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }

  #slotOf(hash: number): number {
    let slot = hash & this.#mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0 || this.#hashes[entry - 1] === hash) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  /** Removes a hash, shifting back what was displaced by it (no tombstones). */
  #forget(block: number): void {
    let hole = this.#slotOf(this.#hashes[block]!);
    let slot = hole;
    for (;;) {
      slot = (slot + 1) & this.#mask;
      const entry = this.#slots[slot]!;
      if (entry === 0) break;
      const home = this.#hashes[entry - 1]! & this.#mask;
      const fromHome = (slot - home) & this.#mask;
      const fromHole = (slot - hole) & this.#mask;
      if (fromHome >= fromHole) {
        this.#slots[hole] = entry;
        hole = slot;
      }
    }
    this.#slots[hole] = 0;
    this.hashed--;
  }

  #growBlocks(): void {
    const size = Math.min(this.capacity, this.#hashes.length * 2);
    const hashes = new Float64Array(size);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    this.#references = grown(this.#references, size);
    this.#older = grown(this.#older, size);
    this.#newer = grown(this.#newer, size);
  }

  #growSlots(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2);
    this.#mask = this.#slots.length - 1;
    for (const entry of old) {
      if (entry === 0) continue;
      let slot = this.#hashes[entry - 1]! & this.#mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = entry;
    }
  }
}

function grown(from: Int32Array, size: number): Int32Array {
  const to = new Int32Array(size);
  to.set(from);
  return to;
}
