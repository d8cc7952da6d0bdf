import assert from "node:assert/strict";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { SeededRandom } from "../emulator/random.ts";
import { Core } from "./core.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);

function load(core: Core, indices: readonly number[], sequence: bigint): void {
  const rows = indices.map((index) => endpoint(addressOf(index)));
  assert.equal(core.decode(tableBytes([pool("ns/a", rows)], sequence), 0), L.ACCEPTED);
}

interface Tally {
  readonly id: bigint;
  readonly requests: number;
  readonly uncached: number;
  readonly resident: bigint;
  readonly picks: bigint;
}

function tallies(core: Core, capacity: number, includeIdle: boolean): readonly Tally[] {
  const block = core.exports.allocate(Math.max(1, capacity * L.TALLY_STRIDE) + 8);
  // A guard behind the last row shows a write beyond the capacity.
  const guard = capacity * L.TALLY_STRIDE;
  new DataView(core.exports.memory.buffer).setBigUint64(block + guard, 0x5afe5afe5afe5afen, true);
  const count = core.exports.writeTallies(block, capacity, includeIdle ? 1 : 0);
  const view = new DataView(core.exports.memory.buffer);
  assert.equal(view.getBigUint64(block + guard, true), 0x5afe5afe5afe5afen);
  const rows = Array.from({ length: count }, (_, index) => {
    const at = block + index * L.TALLY_STRIDE;
    return {
      id: view.getBigUint64(at + L.TALLY_ID, true),
      requests: view.getUint32(at + L.TALLY_REQUESTS, true),
      uncached: view.getUint32(at + L.TALLY_UNCACHED_TOKENS, true),
      resident: view.getBigUint64(at + L.TALLY_RESIDENT_TOKENS, true),
      picks: view.getBigUint64(at + L.TALLY_PICKS, true),
    };
  });
  core.exports.release(block);
  return rows;
}

test("what is in flight survives a table that moves the endpoint's row, and one that drops it", () => {
  const core = new Core();
  load(core, [0, 1, 2], 1n);
  const account = core.exports.rowAccount(2);
  core.exports.openRequest(account, 100, 200);
  load(core, [2, 0], 2n);
  assert.equal(core.exports.rowAccount(0), account);
  load(core, [0, 5], 3n);
  assert.equal(core.exports.inFlight(account), 1);
  load(core, [5, 2], 4n);
  assert.equal(core.exports.rowAccount(1), account);
  assert.equal(core.exports.inFlightUncached(account), 100n);
  assert.equal(core.exports.inFlightResident(account), 200n);
});

test("accounts of endpoints that left are used again once nothing is in flight", () => {
  const core = new Core();
  for (let round = 0; round < 500; round++) {
    load(
      core,
      Array.from({ length: 20 }, (_, index) => round * 20 + index),
      BigInt(round + 1),
    );
    core.exports.openRequest(core.exports.rowAccount(0), 1, 1);
    core.exports.closeRequest(core.exports.rowAccount(0), 1, 1);
  }
  assert.ok(core.exports.accountCount() <= 60, `${core.exports.accountCount()} accounts`);
});

test("counts never fall below zero, whatever is reported twice", () => {
  const core = new Core();
  load(core, [0], 1n);
  const account = core.exports.rowAccount(0);
  core.exports.openRequest(account, 10, 20);
  core.exports.prefilled(account, 10);
  core.exports.closeRequest(account, 10, 20);
  core.exports.closeRequest(account, 10, 20);
  core.exports.openRequest(account, 5, 6);
  assert.equal(core.exports.inFlight(account), 1);
  assert.equal(core.exports.inFlightUncached(account), 5n);
  assert.equal(core.exports.inFlightResident(account), 6n);
  // No account: nothing happens.
  core.exports.openRequest(-1, 1, 1);
  core.exports.closeRequest(99_999, 1, 1);
});

test("a merge replaces the other roots' counts when it ends, not before; unknown ids are ignored", () => {
  const core = new Core();
  load(core, [0, 1], 1n);
  const { exports } = core;
  const id = (index: number): bigint => endpoint(addressOf(index)).id;
  const merge = (...rows: [number, number][]): void => {
    exports.beginMerge();
    for (const [index, requests] of rows) exports.mergeRow(id(index), requests, 7, 9n);
    exports.endMerge();
  };
  const flying = (): readonly number[] => [0, 1].map((row) => exports.inFlight(exports.rowAccount(row)));
  merge([0, 2], [1, 3], [77, 50], [0, 4]);
  assert.deepEqual(flying(), [6, 3]);
  assert.equal(exports.inFlightUncached(exports.rowAccount(0)), 14n);
  merge([1, 1], [0, 8]);
  assert.deepEqual(flying(), [8, 1]);
  exports.beginMerge();
  exports.mergeRow(id(0), 99, 0, 0n);
  assert.deepEqual(flying(), [8, 1]);
  merge();
  assert.deepEqual(flying(), [0, 0]);
});

test("tallies hold the own counts, with or without idle endpoints, within the room given", () => {
  const core = new Core();
  load(core, [0, 1, 2], 1n);
  const { exports } = core;
  exports.openRequest(exports.rowAccount(1), 30, 40);
  exports.openRequest(exports.rowAccount(2), 1, 2);
  exports.closeRequest(exports.rowAccount(2), 1, 2);
  exports.beginMerge();
  exports.mergeRow(endpoint(addressOf(0)).id, 5, 5, 5n);
  exports.endMerge();
  const busy = { id: endpoint(addressOf(1)).id, requests: 1, uncached: 30, resident: 40n, picks: 1n };
  assert.deepEqual(tallies(core, 10, false), [busy]);
  const all = tallies(core, 10, true);
  assert.deepEqual(
    all.map(({ picks, requests }) => [requests, picks]),
    [
      [0, 0n],
      [1, 1n],
      [0, 1n],
    ],
  );
  assert.equal(tallies(core, 2, true).length, 2);
  assert.equal(tallies(core, 0, true).length, 0);
});

test(`the ledger agrees with a plain count over random openings, ends, tables and merges (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const core = new Core();
  const { exports } = core;
  const open: { account: number; index: number }[] = [];
  const own = new Map<number, number>();
  const others = new Map<number, number>();
  let present: number[] = [];
  for (let round = 0; round < 3000; round++) {
    if (round % 20 === 0) {
      const before = new Set(present);
      present = Array.from({ length: 40 }, (_, index) => index).filter(() => random.below(3) > 0);
      load(core, present, BigInt(round + 1));
      // An idle endpoint that leaves the table is forgotten, with what others had in flight to it.
      for (const index of before) {
        if (!present.includes(index) && (own.get(index) ?? 0) === 0) others.delete(index);
      }
    }
    if (round % 33 === 0) {
      exports.beginMerge();
      others.clear();
      for (const index of present) {
        const requests = random.below(5);
        others.set(index, requests);
        exports.mergeRow(endpoint(addressOf(index)).id, requests, 0, 0n);
      }
      exports.endMerge();
    }
    if (random.below(2) === 0 && present.length > 0) {
      const row = random.below(present.length);
      const index = present[row]!;
      const account = exports.rowAccount(row);
      exports.openRequest(account, 3, 4);
      own.set(index, (own.get(index) ?? 0) + 1);
      open.push({ account, index });
    } else if (open.length > 0) {
      const [ended] = open.splice(random.below(open.length), 1);
      exports.closeRequest(ended!.account, 3, 4);
      own.set(ended!.index, own.get(ended!.index)! - 1);
    }
    present.forEach((index, row) => {
      const expected = (own.get(index) ?? 0) + (others.get(index) ?? 0);
      assert.equal(exports.inFlight(exports.rowAccount(row)), expected, `round ${round}, endpoint ${index}`);
    });
  }
});
