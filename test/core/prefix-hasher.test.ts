import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PrefixCore } from "./prefix.ts";

const BLOCK_BYTES = 512;
const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
const RUNS = { seed: SEED, numRuns: 200 };

const U64 = (1n << 64n) - 1n;
const [P1, P2, P3, P4] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x85ebca77c2b2ae63n];
const rotated = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & U64;
const round = (lane: bigint, input: bigint): bigint => (rotated((lane + input * P2) & U64, 31n) * P1) & U64;

/** XXH64 of one whole block, by its specification. */
function xxh64(block: Uint8Array, seed: bigint): bigint {
  const view = new DataView(block.buffer, block.byteOffset);
  const lanes = [seed + P1 + P2, seed + P2, seed, seed - P1].map((lane) => lane & U64);
  for (let at = 0; at < BLOCK_BYTES; at += 32)
    for (let lane = 0; lane < 4; lane++)
      lanes[lane] = round(lanes[lane]!, view.getBigUint64(at + lane * 8, true));
  let hash = [1n, 7n, 12n, 18n].reduce((sum, bits, lane) => sum + rotated(lanes[lane]!, bits), 0n) & U64;
  for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & U64;
  hash = (hash + BigInt(BLOCK_BYTES)) & U64;
  hash = ((hash ^ (hash >> 33n)) * P2) & U64;
  hash = ((hash ^ (hash >> 29n)) * P3) & U64;
  return hash ^ (hash >> 32n);
}

function chainOf(text: Uint8Array): readonly bigint[] {
  const hashes: bigint[] = [];
  for (let at = 0; at + BLOCK_BYTES <= text.length; at += BLOCK_BYTES)
    hashes.push(xxh64(text.subarray(at, at + BLOCK_BYTES), hashes.at(-1) ?? 0n));
  return hashes;
}

const texts = fc.uint8Array({ minLength: 0, maxLength: 5 * BLOCK_BYTES });
const cuts = fc.array(fc.nat(5 * BLOCK_BYTES), { maxLength: 12 });
const core = new PrefixCore();

test("the chain is XXH64 of each whole block on top of the one before, in any cut", () => {
  fc.assert(
    fc.property(texts, cuts, (text, places) => {
      const sorted = places.filter((place) => place <= text.length).sort((left, right) => left - right);
      assert.deepEqual(core.hash(text, sorted), chainOf(text));
    }),
    RUNS,
  );
});

test("a turn that appends to the messages keeps every block before the bracket that closed them", () => {
  const message = fc.record({
    role: fc.constantFrom("user", "assistant"),
    content: fc.string({ maxLength: 900 }),
  });
  fc.assert(
    fc.property(fc.array(message, { minLength: 1 }), fc.array(message, { minLength: 1 }), (first, more) => {
      const before = Buffer.from(JSON.stringify(first));
      const kept = Math.floor((before.length - 1) / BLOCK_BYTES);
      const hashes = core.hash(before).slice(0, kept);
      assert.deepEqual(core.hash(Buffer.from(JSON.stringify([...first, ...more]))).slice(0, kept), hashes);
    }),
    RUNS,
  );
});

test("a byte that differs changes its block and all behind it, and none before", () => {
  fc.assert(
    fc.property(texts, fc.nat(5 * BLOCK_BYTES), (text, place) => {
      fc.pre(place < text.length);
      const other = text.slice();
      other[place]! ^= 1;
      const [left, right] = [core.hash(text), core.hash(other)];
      for (let block = 0; block < left.length; block++)
        assert.equal(left[block] === right[block], block < Math.floor(place / BLOCK_BYTES), `block ${block}`);
    }),
    RUNS,
  );
});

test("what is beyond the blocks kept costs no memory and is counted", () => {
  const small = new PrefixCore();
  small.exports.prefixHasher(3);
  const text = new Uint8Array(10 * BLOCK_BYTES + 7).map((_, at) => at % 251);
  assert.deepEqual(small.hash(text, [700, 701, 5000]), chainOf(text).slice(0, 3));
  assert.equal(small.exports.prefixBlocks(), 10n);
});

test("the digest tells texts apart that share all their blocks", () => {
  fc.assert(
    fc.property(texts, fc.uint8Array({ minLength: 1, maxLength: 40 }), (text, tail) => {
      core.hash(text);
      const digest = core.exports.prefixDigest();
      core.hash(text, [text.length >> 1]);
      assert.equal(core.exports.prefixDigest(), digest);
      core.hash(Buffer.concat([text, tail]));
      assert.notEqual(core.exports.prefixDigest(), digest);
    }),
    RUNS,
  );
});
