import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DIRECTORY_ENTRY_BYTES,
  HEADER_FIXED_BYTES,
  POOL_ENDPOINT_COUNT,
  SECTION_POOLS,
} from "../../assembly/wire/layout.ts";
import { DEFAULT_PICKING } from "../../controller/src/table/encode-picking.ts";
import type { EndpointRow, PoolRow } from "../../controller/src/table/rows.ts";
import { type Asked, Flying } from "./flights.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const ASKED = { promptTokens: 1000 };
const TABLE_EVERY_MS = 100;
/** Terms of `assembly/core/costs/explanation.ts`. */
const OTHERS = 5;
const REQUESTS = 10;
const FACTORS_FROM = 16;

/** Two pools, each with a row for the one endpoint that there is. */
class Shared {
  readonly flying = new Flying("net-goodput", 1);
  #sequence = 1n;

  table(
    first: Partial<EndpointRow>,
    second: Partial<EndpointRow> = first,
    changes: readonly [Partial<PoolRow>, Partial<PoolRow>] = [{}, {}],
  ): void {
    const { flying } = this;
    flying.at(flying.nowMs + TABLE_EVERY_MS);
    const pools = [first, second].map((row, at) =>
      pool(`ns/${"ab"[at]}`, [endpoint(addressOf(0), row)], {
        profile: "net-goodput",
        clusters: [`cluster-${at}`],
        ...changes[at],
      }),
    );
    assert.equal(flying.core.decode(tableBytes(pools, ++this.#sequence), flying.nowMs), 0);
  }

  send(asked: Asked, toPool: number): number {
    this.flying.ask(asked);
    return this.flying.core.exports.openFlight(toPool, toPool);
  }

  term(number: number): number {
    this.flying.pick(ASKED);
    return this.flying.terms(0)[number]!;
  }
}

test("what other Envoys have on an endpoint of two pools counts once", () => {
  const shared = new Shared();
  const remote = { requests: 3, uncachedTokens: 0, residentTokens: 3000 };
  shared.send(ASKED, 0);
  shared.table({ remote });
  shared.table({ remote });
  shared.send(ASKED, 1);
  // Two own ones, three of others, and three that the others are taken to have sent, as many for each own one.
  assert.equal(shared.term(REQUESTS), 2 + 3 + 3);
});

test("load of others on an endpoint is seen though the row of another of its pools says nothing of it", () => {
  for (const silent of [0, 1]) {
    const shared = new Shared();
    for (let at = 0; at < 40; at++) {
      const rows = [{ queuedRequests: 50 }, { queuedRequests: 50 }] as Partial<EndpointRow>[];
      rows[silent] = { unmeasured: true };
      shared.table(rows[0]!, rows[1]);
    }
    // A pool that has no measurement of its own does not reckon with it.
    assert.equal(shared.term(REQUESTS), silent === 0 ? 0 : 50);
    shared.table({ queuedRequests: 50 });
    assert.equal(shared.term(REQUESTS), 50, `row ${silent} was silent`);
  }
});

test("what those in flight can bear reads the same after a flight of another pool with another objective", () => {
  const shared = new Shared();
  const changes = [20, 90].map((tpotMs) => ({ picking: { ...DEFAULT_PICKING, tpotMs } }));
  shared.table({}, {}, [changes[0]!, changes[1]!]);
  const { exports } = shared.flying.core;
  for (let at = 0; at < 30; at++) exports.flightFirstToken(shared.send(ASKED, 0));
  const before = shared.term(OTHERS);
  assert.ok(before > 0, `${before}`);
  exports.flightAbandon(shared.send(ASKED, 1));
  assert.equal(shared.term(OTHERS), before);
});

test("two pools whose prompts have more or fewer tokens by bytes do not shrink an endpoint's cache in turn", () => {
  const shared = new Shared();
  const { flying } = shared;
  const { exports } = flying.core;
  // 100 of the first pool's blocks of 128 tokens.
  const cache = { kvBlocks: 800, kvBlockTokens: 16 };
  shared.table(cache);
  for (let at = 0; at < 200; at++) exports.flightFinish(shared.send(ASKED, 1), 3000, 10, -1);
  const prompt = (number: number) => ({
    promptTokens: 128 * 10,
    blocks: Array.from({ length: 10 }, (_, block) => number * 100 + block),
  });
  const believed = () => {
    let count = 0;
    for (let number = 0; number < 8; number++) {
      flying.ask(prompt(number));
      if ((flying.core.exports as unknown as { cachedBlocks(row: number): number }).cachedBlocks(0) === 10)
        count++;
    }
    return count;
  };
  shared.table(cache);
  for (let number = 0; number < 8; number++) exports.flightFinish(shared.send(prompt(number), 0), -1, 10, -1);
  const before = believed();
  assert.ok(before >= 6, `${before} of 8`);
  shared.table(cache);
  shared.table(cache);
  assert.equal(believed(), before);
});

/** A table of one pool of three endpoints, of which the pool has the first two alone. */
function withRowInNoPool(): Uint8Array {
  const rows = [0, 1, 2].map((at) => endpoint(addressOf(at)));
  const message = tableBytes([pool("ns/a", rows, { profile: "net-goodput" })], 2n);
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const pools = view.getUint32(HEADER_FIXED_BYTES + SECTION_POOLS * DIRECTORY_ENTRY_BYTES, true);
  assert.equal(view.getUint32(pools + POOL_ENDPOINT_COUNT, true), 3);
  view.setUint32(pools + POOL_ENDPOINT_COUNT, 2, true);
  return message;
}

test("an endpoint in no pool takes a retry, a restart and an end like any other", () => {
  const flying = new Flying("net-goodput", 2);
  const { exports } = flying.core;
  assert.equal(flying.core.decode(withRowInNoPool(), flying.nowMs), 0);
  const outside = flying.account(2);
  const flights = [flying.send(ASKED, 0), flying.send(ASKED, 0)];
  assert.equal(flights[0], 0, "a handle that an empty column of zeros would name");
  for (const flight of flights) assert.equal(flying.more.flightMove(flight, outside), 1);
  flying.more.endpointRestarted(outside);
  for (const flight of flights) exports.flightFinish(flight, 1000, 20, -1);
  assert.equal(exports.inFlight(outside), 0);
  assert.equal(exports.flightCount(), 0);
});

test("an account that no table has named takes no retry and no restart", () => {
  const flying = new Flying("net-goodput", 2);
  const { exports } = flying.core;
  const stranger = exports.accountOf(12345n);
  const flight = flying.send(ASKED, 0);
  assert.equal(flying.more.flightMove(flight, stranger), 0);
  flying.more.endpointRestarted(stranger);
  assert.equal(exports.inFlight(flying.account(0)), 1);
  exports.flightFinish(flight, 1000, 20, -1);
  assert.equal(exports.flightCount(), 0);
});

test("an endpoint that restarted counts as fast as its pool's mean", () => {
  const flying = new Flying("net-goodput", 4);
  const { exports } = flying.core;
  for (let at = 0; at < 80; at++) {
    const slowness = at % 4 === 0 ? 1 : 6;
    const flight = flying.send(ASKED, at % 4);
    flying.at(flying.nowMs + 30 * slowness);
    exports.flightFirstToken(flight);
    flying.at(flying.nowMs + 99 * 6 * slowness);
    exports.flightFinish(flight, 1000, 100, -1);
  }
  const factors = () => flying.learned().slice(FACTORS_FROM);
  assert.ok(factors()[0]! < 0.9, `${factors().join(" ")}: the first is faster`);
  flying.more.endpointRestarted(flying.account(0));
  assert.ok(Math.abs(factors()[0]! - 1) < 1e-9, `${factors()[0]}`);
});

test("an account that is given to another endpoint leaves the old one's cache behind", () => {
  const flying = new Flying("net-goodput", 1);
  const { exports } = flying.core;
  const prompt = { promptTokens: 128 * 20, blocks: Array.from({ length: 20 }, (_, block) => block) };
  const table = (address: number, cache: Partial<EndpointRow>, sequence: bigint) => {
    const rows = [endpoint(addressOf(address), cache)];
    flying.core.decode(tableBytes([pool("ns/a", rows, { profile: "net-goodput" })], sequence), flying.nowMs);
  };
  // Four blocks of 128 tokens.
  table(0, { kvBlocks: 32, kvBlockTokens: 16 }, 2n);
  const before = flying.account(0);
  table(1, {}, 3n);
  table(2, {}, 4n);
  assert.equal(flying.account(0), before, "the same account");
  exports.flightFinish(flying.send(prompt, 0), -1, 10, -1);
  flying.ask(prompt);
  assert.equal((exports as unknown as { cachedBlocks(row: number): number }).cachedBlocks(0), 20);
});
