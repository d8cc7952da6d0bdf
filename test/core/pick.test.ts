import assert from "node:assert/strict";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { PROFILE_LIST } from "../../assembly/wire/profiles.ts";
import type { EndpointRow, PoolRow } from "../../controller/src/table/rows.ts";
import { SeededRandom } from "../emulator/random.ts";
import { Core } from "./core.ts";
import { addressOf, endpoint, MODELS, pool, randomPools, tableBytes } from "./tables.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);

function coreWith(
  endpoints: readonly EndpointRow[],
  changes: Parameters<typeof pool>[2] = {},
  seed = 1n,
): Core {
  const core = new Core(seed);
  assert.equal(core.decode(tableBytes([pool("ns/a", endpoints, changes)]), 0), L.ACCEPTED);
  return core;
}

/** How often each address came first in `rounds` picks. */
function firstPicks(core: Core, rounds: number, model = ""): Map<string, number> {
  const counts = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const [first] = core.pick(0, model);
    assert.ok(first !== undefined);
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  return counts;
}

test(`a pick is always of distinct ready rows of its pool, as many as there are up to three (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const core = new Core(BigInt(SEED));
  for (let round = 0; round < 400; round++) {
    assert.equal(core.decode(tableBytes(randomPools(random, 12)), 0), L.ACCEPTED);
    core.exports.age(random.below(4000));
    for (let index = 0; index < core.exports.poolCount(); index++) {
      const ready = core.addresses().filter((_, row) => {
        return core.isOfPool(row, index) && core.exports.isPickable(row) === 1;
      });
      const rows = core.pickRows(index, MODELS[random.below(MODELS.length)]);
      assert.equal(rows.length, Math.min(3, ready.length));
      assert.equal(new Set(rows).size, rows.length);
      for (const row of rows) {
        assert.ok(core.isOfPool(row, index));
        assert.equal(core.exports.isPickable(row), 1);
        core.exports.openRequest(core.exports.rowAccount(row), random.below(1000), random.below(2000));
      }
    }
  }
});

test("a pool that is not in the table, or has no ready endpoint, gets no pick", () => {
  const core = coreWith([
    endpoint("10.0.0.1:1", { ready: false }),
    endpoint("10.0.0.2:1", { draining: true }),
  ]);
  assert.deepEqual(core.pick(0), []);
  assert.deepEqual(core.pick(1), []);
  assert.deepEqual(core.pick(-1), []);
});

for (const profile of ["epp", "least-request", "random", "weighted"] as const) {
  test(`profile ${profile}: equal endpoints are picked equally often, wherever they stand in the table`, () => {
    const count = 7;
    const rounds = 14_000;
    const core = coreWith(
      Array.from({ length: count }, (_, index) => endpoint(addressOf(index))),
      { profile },
    );
    const counts = firstPicks(core, rounds);
    assert.equal(counts.size, count);
    // Six standard deviations of a binomial with n = 14,000 and p = 1/7 are 249.
    for (const [address, picks] of counts)
      assert.ok(Math.abs(picks - rounds / count) < 249, `${address} ${picks}`);
  });
}

test("the second and third places of equal endpoints are by chance too", () => {
  const core = coreWith(Array.from({ length: 4 }, (_, index) => endpoint(addressOf(index))));
  const orders = new Set<string>();
  for (let round = 0; round < 2000; round++) orders.add(core.pick(0).join());
  assert.equal(orders.size, 4 * 3 * 2);
});

test("the same seed gives the same picks, another seed others", () => {
  const picks = (seed: bigint): string => {
    const core = coreWith(
      Array.from({ length: 9 }, (_, index) => endpoint(addressOf(index))),
      {},
      seed,
    );
    return Array.from({ length: 50 }, () => core.pick(0).join()).join("\n");
  };
  assert.equal(picks(7n), picks(7n));
  assert.notEqual(picks(7n), picks(8n));
});

test("the pick list is in order of score", () => {
  const queues = [5, 1, 4, 0, 3, 2];
  const core = coreWith(
    queues.map((queuedRequests, index) => endpoint(addressOf(index), { queuedRequests })),
  );
  assert.deepEqual(core.pickRows(0), [3, 1, 5]);
});

test("among equal scores fewer requests in flight come first, own, merged and remote together", () => {
  const remote = { requests: 2, uncachedTokens: 0, residentTokens: 0 };
  const rows = [
    endpoint(addressOf(0), { remote }),
    endpoint(addressOf(1)),
    endpoint(addressOf(2)),
    endpoint(addressOf(3)),
  ];
  const core = coreWith(rows);
  const { exports } = core;
  core.open(addressOf(1));
  // Two tables later nobody has to guess what other Envoys did at the time of that pick.
  for (const sequence of [2n, 3n])
    assert.equal(core.decode(tableBytes([pool("ns/a", rows)], sequence), 0), L.ACCEPTED);
  exports.beginMerge();
  exports.mergeRow(endpoint(addressOf(2)).id, 3, 0, 0n);
  exports.endMerge();
  assert.deepEqual(core.pickRows(0), [3, 1, 0]);
});

test("without any load column, what is in flight decides", () => {
  const core = coreWith(
    [0, 1, 2].map((index) =>
      endpoint(addressOf(index), { ageMs: 60_000, queuedRequests: index === 0 ? 0 : 9 }),
    ),
  );
  core.open(addressOf(0), 3);
  core.open(addressOf(1), 2);
  assert.deepEqual(core.pickRows(0), [2, 1, 0]);
});

test("a burst between two scrapes spreads over endpoints that look the same", () => {
  const core = coreWith(Array.from({ length: 10 }, (_, index) => endpoint(addressOf(index))));
  const counts = new Map<string, number>();
  for (let request = 0; request < 100; request++) {
    const [first] = core.pick(0);
    core.open(first!);
    counts.set(first!, (counts.get(first!) ?? 0) + 1);
  }
  assert.deepEqual(
    [...counts.values()],
    Array.from({ length: 10 }, () => 10),
  );
});

test("a never-scraped endpoint is not preferred to a busy one", () => {
  const ghost = endpoint(addressOf(0), {
    ageMs: undefined,
    queuedRequests: undefined,
    kvUsedRatio: undefined,
  } as never);
  const core = coreWith([
    ghost,
    endpoint(addressOf(1), { queuedRequests: 3, kvUsedRatio: 0.9 }),
    endpoint(addressOf(2), { queuedRequests: 4, kvUsedRatio: 0.8 }),
  ]);
  for (let round = 0; round < 100; round++) assert.equal(core.pickRows(0).at(-1), 0);
});

test("round robin takes turns, keeps its place over a new table, and goes on when an endpoint leaves", () => {
  const endpoints = [0, 1, 2, 3].map((index) => endpoint(addressOf(index)));
  const core = coreWith(endpoints, { profile: "round-robin" });
  const [start] = core.pickRows(0);
  assert.ok(start !== undefined);
  assert.deepEqual(core.pickRows(0), [(start + 1) % 4, (start + 2) % 4, (start + 3) % 4]);
  const renewed = tableBytes([pool("ns/other", []), pool("ns/a", endpoints, { profile: "round-robin" })], 2n);
  assert.equal(core.decode(renewed, 0), L.ACCEPTED);
  assert.equal(core.pickRows(1)[0], (start + 2) % 4);
  const fewer = tableBytes([pool("ns/a", endpoints.slice(0, 3), { profile: "round-robin" })], 3n);
  assert.equal(core.decode(fewer, 0), L.ACCEPTED);
  const next = [core.pickRows(0)[0], core.pickRows(0)[0], core.pickRows(0)[0]];
  assert.deepEqual(new Set(next), new Set([0, 1, 2]));
});

test("workers with other seeds begin their round in other places", () => {
  const starts = new Set<number>();
  for (let seed = 0n; seed < 40n; seed++) {
    const endpoints = [0, 1, 2, 3].map((index) => endpoint(addressOf(index)));
    starts.add(coreWith(endpoints, { profile: "round-robin" }, seed).pickRows(0)[0]!);
  }
  assert.equal(starts.size, 4);
});

test("no profile lacks a term", () => {
  const core = new Core();
  const scorers = [{ name: "prefix-affinity" as const, weight: 1 }];
  const pools = PROFILE_LIST.map((profile) =>
    pool(`ns/${profile}`, [], { profile: profile as PoolRow["profile"], scorers }),
  );
  assert.equal(core.decode(tableBytes(pools), 0), L.ACCEPTED);
  assert.deepEqual(
    pools.map((_, index) => core.exports.missingTerms(index)),
    pools.map(() => 0),
  );
});

test("an adapter is sent where it is active, then where there is room, then where it waits", () => {
  const adapters = (max: number, ...entries: [string, "running" | "waiting"][]): Partial<EndpointRow> => ({
    adapters: { max, entries: entries.map(([name, state]) => ({ name, state })) },
  });
  const core = coreWith(
    [
      endpoint(addressOf(0), adapters(2, ["x", "running"], ["y", "running"])),
      endpoint(addressOf(1), adapters(2, ["a", "waiting"], ["y", "running"])),
      endpoint(addressOf(2), adapters(3, ["x", "running"])),
      endpoint(addressOf(3), adapters(1, ["a", "running"])),
    ],
    {
      profile: "weighted",
      scorers: [{ name: "lora-affinity", weight: 1 }],
      models: [{ name: "base-model", adapter: false }],
    },
  );
  assert.deepEqual(core.pickRows(0, "a"), [3, 2, 1]);
  // Loaded nowhere and not in the list: whatever it is, there is room for it in one place.
  assert.equal(core.pickRows(0, "new")[0], 2);
  assert.equal(firstPicks(core, 400, "base-model").size, 4);
});
