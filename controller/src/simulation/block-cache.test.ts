import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BlockCache } from "./block-cache.ts";

/** The same rules with arrays and linear searches. */
class Oracle {
  readonly free: number[];
  readonly hashes = new Map<number, number>();
  readonly references = new Map<number, number>();
  constructor(capacity: number) {
    this.free = Array.from({ length: capacity }, (_, i) => i);
  }
  find(hash: number): number {
    for (const [block, held] of this.hashes) if (held === hash) return block;
    return -1;
  }
  acquire(block: number): void {
    const at = this.free.indexOf(block);
    if (at >= 0) this.free.splice(at, 1);
    this.references.set(block, (this.references.get(block) ?? 0) + 1);
  }
  allocate(): number {
    const block = this.free.shift();
    if (block === undefined) return -1;
    this.hashes.delete(block);
    this.references.set(block, 1);
    return block;
  }
  register(block: number, hash: number): void {
    if (this.hashes.has(block) || this.find(hash) >= 0) return;
    this.hashes.set(block, hash);
  }
  release(block: number): void {
    const left = this.references.get(block)! - 1;
    this.references.set(block, left);
    if (left === 0) this.free.push(block);
  }
}

test("prefix hits, evictions and free counts equal those of a brute-force cache", () => {
  const sequence = fc.record({
    // Few low bits differ, so that chains get long.
    family: fc.integer({ min: 0, max: 5 }),
    blocks: fc.integer({ min: 1, max: 12 }),
    hold: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 12, max: 40 }),
      fc.array(sequence, { minLength: 1, maxLength: 60 }),
      (capacity, plan) => {
        const cache = new BlockCache(capacity);
        const oracle = new Oracle(capacity);
        const held: { until: number; blocks: number[] }[] = [];
        for (const [now, { family, blocks, hold }] of plan.entries()) {
          for (const sequenceHeld of held.splice(0)) {
            if (sequenceHeld.until > now) {
              held.push(sequenceHeld);
              continue;
            }
            cache.releaseAll(sequenceHeld.blocks);
            for (const block of sequenceHeld.blocks.toReversed()) oracle.release(block);
          }
          const taken: number[] = [];
          let hitting = true;
          for (let i = 0; i < blocks; i++) {
            const hash = family * 256 + i * 65536;
            const found = cache.find(hash);
            assert.equal(found, oracle.find(hash));
            hitting &&= found >= 0;
            if (hitting) {
              cache.acquire(found);
              oracle.acquire(found);
              taken.push(found);
              continue;
            }
            const block = cache.allocate();
            assert.equal(block, oracle.allocate());
            if (block < 0) break;
            cache.register(block, hash);
            oracle.register(block, hash);
            taken.push(block);
          }
          assert.equal(cache.free, oracle.free.length);
          assert.equal(cache.hashed, oracle.hashes.size);
          held.push({ until: now + 1 + hold, blocks: taken });
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("the tail of a released sequence is evicted before its head", () => {
  const cache = new BlockCache(3);
  const blocks = [cache.allocate(), cache.allocate(), cache.allocate()];
  for (const [i, block] of blocks.entries()) cache.register(block, 100 + i);
  cache.releaseAll(blocks);
  assert.equal(cache.allocate(), blocks[2]);
  assert.equal(cache.find(102), -1);
  assert.equal(cache.find(100), blocks[0]);
});

test("a block is not free twice", () => {
  const cache = new BlockCache(1);
  const block = cache.allocate();
  assert.equal(cache.allocate(), -1);
  cache.release(block);
  assert.throws(() => cache.release(block), /released more often/);
  assert.throws(() => new BlockCache(0), /≥ 1, got 0/);
});
