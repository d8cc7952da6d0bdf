import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PrefixCore } from "./prefix.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
const RUNS = { seed: SEED, numRuns: 150 };
const ENDPOINTS = 70;
const SEEDS = [1n, 2n] as const;

/** Chains of a tree: the prefix of one is the prefix of others, and then they part. */
const chains = fc
  .tuple(fc.nat(2), fc.nat(4), fc.integer({ min: 1, max: 24 }))
  .map(([root, branch, length]) =>
    Array.from({ length }, (_, block) =>
      block < 6 ? 1000 * root + block : 1000 * root + 100 * (branch + 1) + block,
    ),
  );
const accounts = fc.constantFrom(0, 1, 63, 64, 69);
const seeds = fc.constantFrom(...SEEDS);

interface OfChain<Kind extends string> {
  readonly kind: Kind;
  readonly account: number;
  readonly chain: number[];
  readonly seed: bigint;
}
type Change =
  | OfChain<"record">
  | (OfChain<"truncate"> & { readonly from: number })
  | { readonly kind: "forget"; readonly account: number };
type Step = Change | OfChain<"lookUp">;

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("record" as const),
        account: accounts,
        chain: chains,
        seed: seeds,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("lookUp" as const),
        account: accounts,
        chain: chains,
        seed: seeds,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const), account: accounts }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("truncate" as const),
        account: accounts,
        chain: chains,
        from: fc.nat(24),
        seed: seeds,
      }),
    },
  ),
  { maxLength: 60 },
);

/** Which endpoint was sent which block under which seed, exactly and without bound. */
class Oracle {
  readonly #held = Array.from({ length: ENDPOINTS }, () => new Set<string>());

  run(step: Change): void {
    const held = this.#held[step.account]!;
    if (step.kind === "forget") held.clear();
    else if (step.kind === "record") for (const id of step.chain) held.add(`${step.seed} ${id}`);
    else for (const id of step.chain.slice(step.from)) held.delete(`${step.seed} ${id}`);
  }

  lookUp(chain: readonly number[], seed: bigint): number[] {
    return this.#held.map((held) => {
      const end = chain.findIndex((id) => !held.has(`${seed} ${id}`));
      return end < 0 ? chain.length : end;
    });
  }
}

function run(core: PrefixCore, step: Change): void {
  if (step.kind === "forget") core.exports.prefixForget(step.account);
  else if (step.kind === "record") core.record(step.account, step.chain, step.seed);
  else core.truncate(step.account, step.chain, step.from, step.seed);
}

const core = new PrefixCore();

test("with room for all it answers as an exact index does", () => {
  fc.assert(
    fc.property(steps, (list) => {
      // Room for a step's chain and for what a truncated one leaves in the rings.
      core.sized(4000, ENDPOINTS, 2000);
      const oracle = new Oracle();
      for (const step of list) {
        if (step.kind !== "lookUp") {
          run(core, step);
          oracle.run(step);
        } else {
          assert.deepEqual(
            [...core.lookUp(step.chain, ENDPOINTS, step.seed)],
            oracle.lookUp(step.chain, step.seed),
          );
        }
      }
    }),
    RUNS,
  );
});

test("without room it forgets, but never makes anything up, and keeps within its bounds", () => {
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 20 }),
      (list, blocks, capacity) => {
        core.sized(blocks, ENDPOINTS, capacity);
        const oracle = new Oracle();
        const ids = new Set<number>();
        for (const step of list) {
          if (step.kind === "lookUp") {
            const lengths = core.lookUp(step.chain, ENDPOINTS, step.seed);
            const exact = oracle.lookUp(step.chain, step.seed);
            assert.ok(
              exact.every((length, account) => lengths[account]! <= length),
              `${lengths} of ${exact}`,
            );
            continue;
          }
          run(core, step);
          oracle.run(step);
          if (step.kind !== "forget") for (const id of step.chain) ids.add(id);
          assert.ok(core.exports.prefixIndexBlocks() <= Math.ceil((blocks * 5) / 32) * 8);
        }
        const held = new Array<number>(ENDPOINTS).fill(0);
        for (const id of ids)
          for (const seed of SEEDS)
            core.lookUp([id], ENDPOINTS, seed).forEach((length, account) => {
              held[account]! += length;
            });
        assert.ok(Math.max(...held) <= capacity, `${Math.max(...held)} blocks where ${capacity} fit`);
      },
    ),
    RUNS,
  );
});

test("what was sent last is there, up to what the endpoint has room for", () => {
  fc.assert(
    fc.property(
      steps,
      chains,
      accounts,
      fc.integer({ min: 25, max: 60 }),
      (list, chain, account, capacity) => {
        core.sized(10_000, ENDPOINTS, capacity);
        for (const step of list) if (step.kind !== "lookUp") run(core, step);
        core.exports.prefixForget(account);
        core.record(account, chain);
        assert.equal(core.lookUp(chain, ENDPOINTS)[account], chain.length);
      },
    ),
    RUNS,
  );
});

function seedOf(secret: bigint, model: string, adapter: string, salt: string | undefined): bigint {
  const texts = [model, adapter, salt ?? ""].map((text) => Buffer.from(text));
  const ptr = core.core.put(Buffer.concat(texts));
  const [modelBytes, adapterBytes, saltBytes] = texts.map(({ length }) => length) as [number, number, number];
  return core.exports.prefixSeed(
    secret,
    ptr,
    modelBytes,
    ptr + modelBytes,
    adapterBytes,
    salt === undefined ? 0 : 1,
    ptr + modelBytes + adapterBytes,
    saltBytes,
  );
}

test("no look-up under another salt, model or adapter finds anything", () => {
  const name = fc.string({ maxLength: 40 });
  const triple = fc.tuple(name, name, fc.option(name, { nil: undefined }));
  fc.assert(
    fc.property(
      fc.uniqueArray(triple, { minLength: 2, maxLength: 6, selector: (value) => JSON.stringify(value) }),
      chains,
      (triples, chain) => {
        const all = triples.map(([model, adapter, salt]) => seedOf(99n, model, adapter, salt));
        for (const own of all) {
          core.sized(2000, ENDPOINTS, 500);
          for (let account = 0; account < ENDPOINTS; account++) core.record(account, chain, own);
          // Any block, not only the first of a chain, as one who guesses hashes would ask.
          for (const other of all.filter((seed) => seed !== own))
            for (const id of chain) assert.equal(core.exports.prefixLookUp(core.put([id]), 1, other), 0);
          assert.equal(core.exports.prefixLookUp(core.put(chain), chain.length, own), chain.length);
        }
        assert.equal(new Set(all).size, all.length, "no two have one seed");
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
});

test("at 256 endpoints and a million distinct blocks it takes less than 64 MB, allocated once", () => {
  const large = new PrefixCore().sized(1_000_000, 256, 8192);
  assert.ok(large.exports.prefixIndexBytes() < 64e6, `${large.exports.prefixIndexBytes()} bytes`);
  const memory = large.core.exports.memory;
  const chain = Array.from({ length: 256 }, (_, block) => block);
  large.put(chain);
  const bytes = memory.buffer.byteLength;
  // A million distinct blocks, 3,900 to 4,700 at each endpoint; every 16th prompt goes to four.
  const prompts = 3906;
  for (let prompt = 0; prompt < prompts; prompt++) {
    const own = chain.map((block) => prompt * 256 + block);
    for (let copy = 0; copy < (prompt % 16 === 0 ? 4 : 1); copy++)
      large.record((prompt + (prompt >> 4) + copy * 61) % 256, own);
  }
  assert.equal(memory.buffer.byteLength, bytes);
  const kept = large.exports.prefixIndexBlocks() / (prompts * 256);
  assert.ok(kept > 0.9995 && kept <= 1, `${kept} of the blocks kept`);
});

test("hashing, looking up, recording, correcting and forgetting allocate nothing", () => {
  const small = new PrefixCore().sized(500, ENDPOINTS, 50);
  const { allocate, release } = small.core.exports;
  const probe = (): readonly number[] => {
    const blocks = [16, 64, 1000, 70_000].map((bytes) => allocate(bytes));
    for (const block of blocks.toReversed()) release(block);
    return blocks;
  };
  const text = new Uint8Array(3000).fill(0x61);
  small.hash(text);
  probe();
  const before = probe();
  for (let round = 0; round < 2000; round++) {
    const chain = Array.from({ length: 40 }, (_, block) => round * 40 + block);
    small.hash(text, [round % 3000]);
    small.record(round % ENDPOINTS, chain);
    small.lookUp(chain, ENDPOINTS);
    small.truncate(round % ENDPOINTS, chain, 20);
    small.exports.prefixSetCapacity(round % ENDPOINTS, 1 + (round % 50));
    if (round % 7 === 0) small.exports.prefixForget(round % ENDPOINTS);
  }
  assert.deepEqual(probe(), before);
  allocate(16);
  assert.notDeepEqual(probe(), before, "the probe sees one block of 16 bytes");
});
