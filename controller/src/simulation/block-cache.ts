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
  /**
   * Chains of blocks by the low bits of their hashes; block + 1 everywhere, 0 ends a chain. Hashes that follow
   * one another lie side by side, and crowd nobody else out as they would in one open table.
   */
  #heads: Int32Array;
  #next: Int32Array;
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
    this.#next = new Int32Array(initial);
    this.#heads = new Int32Array(64);
    this.#mask = this.#heads.length - 1;
  }

  /** The block that holds this hash, or -1. */
  find(hash: number): number {
    let entry = this.#heads[hash & this.#mask]!;
    while (entry !== 0 && this.#hashes[entry - 1] !== hash) entry = this.#next[entry - 1]!;
    return entry - 1;
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
    if (this.#hashes[block] !== NONE || this.find(hash) >= 0) return;
    this.#hashes[block] = hash;
    this.#chain(block);
    if (++this.hashed > this.#heads.length) this.#growHeads();
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

  #chain(block: number): void {
    const home = this.#hashes[block]! & this.#mask;
    this.#next[block] = this.#heads[home]!;
    this.#heads[home] = block + 1;
  }

  /** Takes a block's hash out of its chain. */
  #forget(block: number): void {
    const home = this.#hashes[block]! & this.#mask;
    const after = this.#next[block]!;
    let entry = this.#heads[home]!;
    if (entry === block + 1) {
      this.#heads[home] = after;
    } else {
      while (this.#next[entry - 1] !== block + 1) entry = this.#next[entry - 1]!;
      this.#next[entry - 1] = after;
    }
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
    this.#next = grown(this.#next, size);
  }

  #growHeads(): void {
    this.#heads = new Int32Array(this.#heads.length * 2);
    this.#mask = this.#heads.length - 1;
    for (let block = 0; block < this.#used; block++) {
      if (this.#hashes[block] !== NONE) this.#chain(block);
    }
  }
}

function grown(from: Int32Array, size: number): Int32Array {
  const to = new Int32Array(size);
  to.set(from);
  return to;
}
