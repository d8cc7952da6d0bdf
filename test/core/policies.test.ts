import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointRow } from "../../controller/src/table/rows.ts";
import { Core } from "./core.ts";
import { type Asked, Flying } from "./flights.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const COST_POLICIES = ["net-goodput", "marginal-cost"] as const;
const PREFIX_POLICIES = ["net-goodput", "marginal-cost", "lmetric", "sticky", "epp"] as const;

const chain = (count: number, from = 0): readonly number[] =>
  Array.from({ length: count }, (_, block) => from + block);

const CONVERSATION: Asked = { promptTokens: 5120, blocks: chain(40) };

/**
 * The reference picker's 2 × queue + 2 × KV cache + 3 × prefix (llm-d, May 2026), worked out by hand: the queue term is
 * (most - x) / (most - fewest), 1 for all when they are equal; the KV term 1 - usage; the prefix term matched blocks / all blocks.
 */
const EPP_CASES: readonly {
  readonly name: string;
  readonly queued: readonly number[];
  readonly kvUsed: readonly number[];
  /** Of the 10 blocks asked for. */
  readonly held: readonly number[];
  readonly scores: readonly number[];
}[] = [
  { name: "all alike", queued: [0, 0, 0], kvUsed: [0, 0, 0], held: [0, 0, 0], scores: [4, 4, 4] },
  { name: "queues alone", queued: [0, 5, 10], kvUsed: [0, 0, 0], held: [0, 0, 0], scores: [4, 3, 2] },
  {
    name: "KV caches alone",
    queued: [3, 3, 3],
    kvUsed: [0.25, 0.5, 1],
    held: [0, 0, 0],
    scores: [3.5, 3, 2],
  },
  { name: "prefixes alone", queued: [0, 0, 0], kvUsed: [0, 0, 0], held: [10, 5, 0], scores: [7, 5.5, 4] },
  {
    name: "a whole prefix outweighs the longest queue",
    queued: [10, 0, 2],
    kvUsed: [0.5, 0.5, 0.5],
    held: [10, 0, 0],
    scores: [0 + 1 + 3, 2 + 1 + 0, 1.6 + 1 + 0],
  },
  {
    name: "and loses against an idle endpoint with an empty cache and half of it",
    queued: [8, 0, 4],
    kvUsed: [0.75, 0, 0.5],
    held: [10, 5, 2],
    scores: [0 + 0.5 + 3, 2 + 2 + 1.5, 1 + 1 + 0.6],
  },
];

for (const { name, queued, kvUsed, held, scores } of EPP_CASES) {
  test(`epp scores as the reference picker does: ${name}`, () => {
    const flying = new Flying("epp", queued.length);
    const rows = queued.map((queuedRequests, row) =>
      endpoint(addressOf(row), { queuedRequests, kvUsedRatio: kvUsed[row]! }),
    );
    assert.equal(flying.core.decode(tableBytes([pool("ns/a", rows, { profile: "epp" })], 2n), 1000), 0);
    const { exports } = flying.core;
    for (const [row, blocks] of held.entries()) {
      flying.compute(flying.send({ promptTokens: 128 * blocks, blocks: chain(blocks) }, row));
    }
    const [best] = flying.pick({ promptTokens: 1280, blocks: chain(10) });
    for (const [row, score] of scores.entries()) {
      assert.ok(Math.abs(exports.rowScore(row) - score) < 1e-5, `row ${row}: ${exports.rowScore(row)}`);
    }
    assert.equal(scores[best!], Math.max(...scores));
  });
}

for (const profile of PREFIX_POLICIES) {
  test(`${profile} sends the next turn of a conversation where the last one went, when nothing speaks against it`, () => {
    const flying = new Flying(profile, 6);
    for (let talk = 0; talk < 30; talk++) {
      const blocks = chain(40, 1000 * talk);
      const first = flying.go({ promptTokens: 5120, blocks });
      flying.compute(first.flight);
      const turn = { promptTokens: 5632, blocks: [...blocks, ...chain(4, 1000 * talk + 500)] };
      assert.equal(flying.pick(turn)[0], first.row, `conversation ${talk}`);
    }
  });

  test(`${profile} never pins one of endpoints that are all alike`, () => {
    const flying = new Flying(profile, 4);
    const counts = [0, 0, 0, 0];
    for (let at = 0; at < 400; at++) {
      const row = flying.pick({ promptTokens: 500 })[0]!;
      counts[row] = counts[row]! + 1;
    }
    assert.ok(Math.min(...counts) > 60, String(counts));
  });
}

for (const profile of ["net-goodput", "marginal-cost", "lmetric", "sticky"] as const) {
  test(`${profile} spreads a burst of equal requests evenly`, () => {
    const flying = new Flying(profile, 5);
    for (let at = 0; at < 50; at++) flying.go({ promptTokens: 1000 });
    const counts = [0, 1, 2, 3, 4].map((row) => flying.core.exports.inFlight(flying.account(row)));
    assert.ok(Math.min(...counts) >= 8 && Math.max(...counts) <= 12, String(counts));
  });

  test(`${profile} leaves an endpoint with a long queue, however much of the prompt it holds`, () => {
    const flying = new Flying(profile, 3);
    const { row } = flying.go(CONVERSATION);
    for (let at = 0; at < 12; at++) flying.send({ promptTokens: 20_000 }, row);
    assert.notEqual(flying.pick(CONVERSATION)[0], row);
  });
}

test("lmetric sends a prefix that everybody asks for elsewhere now and then, so that more endpoints come to hold it", () => {
  const flying = new Flying("lmetric", 4);
  const rows = new Set<number>();
  for (let at = 0; at < 60; at++) {
    const { row, flight } = flying.go(CONVERSATION);
    flying.compute(flight);
    rows.add(row);
  }
  assert.equal(rows.size, 4);
});

test("lmetric keeps a prefix where it is when it is asked for no more than its endpoints are of all", () => {
  const flying = new Flying("lmetric", 4);
  const { row, flight } = flying.go(CONVERSATION);
  flying.compute(flight);
  for (let at = 0; at < 60; at++) {
    for (let other = 0; other < 7; other++)
      flying.pick({ promptTokens: 2000, blocks: chain(10, 9000 + 100 * other) });
    assert.equal(flying.pick(CONVERSATION)[0], row);
  }
});

const adapters = (max: number, ...entries: [string, "running" | "waiting"][]): Partial<EndpointRow> => ({
  adapters: { max, entries: entries.map(([name, state]) => ({ name, state })) },
});

for (const profile of COST_POLICIES) {
  test(`${profile} sends an adapter where it is held, else to a free slot, and never makes its holder a hot spot`, () => {
    const rows = [
      endpoint(addressOf(0), adapters(1, ["x", "running"])),
      endpoint(addressOf(1), adapters(2, ["a", "running"], ["x", "running"])),
      endpoint(addressOf(2), adapters(2, ["x", "running"])),
    ];
    const models = ["a", "b"].map((name) => ({ name, adapter: true }));
    const flying = new Flying(profile, 3);
    const message = tableBytes([pool("ns/a", rows, { profile, models })], 2n);
    assert.equal(flying.core.decode(message, 1000), 0);
    assert.equal(flying.pick({ promptTokens: 500, model: "a" })[0], 1);
    assert.equal(flying.pick({ promptTokens: 500, model: "b" })[0], 2, "held nowhere: there is a slot");
    const counts = [0, 0, 0];
    for (let at = 0; at < 60; at++) {
      const { row } = flying.go({ promptTokens: 2000, model: "a" });
      counts[row] = counts[row]! + 1;
    }
    assert.ok(Math.max(...counts) < 35, String(counts));
  });

  test(`${profile} knows from its own picks who holds an adapter, before any scrape tells`, () => {
    const models = ["a", "base"].map((name) => ({ name, adapter: name === "a" }));
    const flying = new Flying(profile, 4, { models });
    const { row, flight } = flying.go({ promptTokens: 500, model: "a" });
    flying.core.exports.flightAbandon(flight);
    for (let at = 0; at < 20; at++) assert.equal(flying.pick({ promptTokens: 500, model: "a" })[0], row);
    const rows = new Set(
      Array.from({ length: 60 }, () => flying.pick({ promptTokens: 500, model: "base" })[0]),
    );
    assert.equal(rows.size, 4, "the base model is everywhere");
  });
}

test("net-goodput tells the terms of its score, and they make the score", () => {
  const flying = new Flying("net-goodput", 3);
  const { exports } = flying.core;
  for (let at = 0; at < 30; at++) {
    const { flight } = flying.go({ promptTokens: 3000 });
    flying.at(flying.nowMs + 50);
    exports.flightFirstToken(flight);
    flying.at(flying.nowMs + 200);
    exports.flightProgress(flight, 10);
  }
  flying.pick(CONVERSATION);
  for (let row = 0; row < 3; row++) {
    const terms = flying.terms(row);
    const [wait, answer, harm, late, slow, others, memory] = terms as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const violations = late + slow * (1 - late) + others;
    const cost = wait + answer + harm + memory + 6 * terms[13]! * 40 * violations;
    assert.ok(
      Math.abs(cost / -exports.rowScore(row) - 1) < 1e-4,
      `row ${row}: ${cost}, ${exports.rowScore(row)}`,
    );
    assert.ok(exports.violations() <= violations + 1e-6);
  }
});

test("net-goodput says that a request breaks more than it keeps only where there is too much to do", () => {
  const flying = new Flying("net-goodput", 2);
  flying.pick({ promptTokens: 1000 });
  assert.ok(flying.core.exports.violations() < 0.05);
  for (let at = 0; at < 40; at++) {
    const { flight } = flying.go({ promptTokens: 2000 });
    flying.at(flying.nowMs + 20);
    flying.core.exports.flightFirstToken(flight);
  }
  for (let at = 0; at < 40; at++) flying.send({ promptTokens: 8000 }, at % 2);
  flying.pick({ promptTokens: 1000 });
  assert.ok(flying.core.exports.violations() > 0.5, String(flying.core.exports.violations()));
});

test("net-goodput spares those who can bear no more for those who can", () => {
  const flying = new Flying("net-goodput", 2);
  const { exports } = flying.core;
  const flights = [0, 1].flatMap((row) =>
    Array.from({ length: 10 }, () => flying.send({ promptTokens: 1000 }, row)),
  );
  flying.at(flying.nowMs + 300);
  for (const flight of flights) exports.flightFirstToken(flight);
  // The answers of the first endpoint come at 39 ms a token, just within the objective, those of the second at 15.
  for (let token = 2; token <= 200; token++) {
    flying.at(2300 + token * 15);
    for (const flight of flights.slice(10)) exports.flightProgress(flight, token);
  }
  for (let token = 2; token <= 200; token++) {
    flying.at(2300 + 3000 + token * 24);
    for (const flight of flights.slice(0, 10)) exports.flightProgress(flight, token);
  }
  flying.pick({ promptTokens: 20_000 });
  const [tight, easy] = [flying.terms(0)[5]!, flying.terms(1)[5]!];
  assert.ok(tight > 2 * easy && tight > 0.5, `${tight} and ${easy} late`);
  assert.equal(flying.pick({ promptTokens: 20_000 })[0], 1);
});

test("objectives of the request and of the pool are what decides", () => {
  const flying = new Flying("net-goodput", 2);
  for (let at = 0; at < 10; at++) flying.send({ promptTokens: 4000 }, at % 2);
  flying.ask({ promptTokens: 1000 });
  flying.core.exports.setObjectives(100, 0);
  flying.core.exports.pick(0);
  assert.ok(flying.terms(0)[3]! > 0.95, "100 ms cannot be kept");
  flying.core.exports.setObjectives(10_000, 0);
  flying.core.exports.pick(0);
  assert.ok(flying.terms(0)[3]! < 0.01);
});

test("the order of the table's rows does not matter to net-goodput", () => {
  for (const profile of ["net-goodput", "marginal-cost", "lmetric", "sticky"] as const) {
    const scores = [false, true].map((turned) => {
      const flying = new Flying(profile, 5);
      const order = turned ? [3, 1, 4, 0, 2] : [0, 1, 2, 3, 4];
      const rows = order.map((index) => endpoint(addressOf(index)));
      assert.equal(flying.core.decode(tableBytes([pool("ns/a", rows, { profile })], 2n), 1000), 0);
      const rowOf = (index: number): number => order.indexOf(index);
      for (let index = 0; index < 5; index++) {
        for (let at = 0; at <= index; at++)
          flying.send({ ...CONVERSATION, promptTokens: 6000 }, rowOf(index));
      }
      flying.pick({ promptTokens: 700, blocks: chain(5) });
      return [0, 1, 2, 3, 4].map((index) => flying.core.exports.rowScore(rowOf(index)));
    });
    assert.deepEqual(scores[0], scores[1], profile);
  }
});

test("a core without an index of prefixes picks by load alone", () => {
  for (const profile of PREFIX_POLICIES) {
    const core = new Core();
    const rows = [0, 1, 2].map((index) => endpoint(addressOf(index)));
    assert.equal(core.decode(tableBytes([pool("ns/a", rows, { profile })]), 0), 0);
    core.exports.openRequest(core.exports.rowAccount(0), 5000, 5000);
    assert.notEqual(core.pickRows(0)[0], 0, profile);
  }
});
