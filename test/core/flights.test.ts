import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../emulator/random.ts";
import { type Asked, Flying } from "./flights.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261126);
const SPEED_FROM = 16;
const OBSERVATION_BYTES = 64;

const chain = (count: number, from = 0): readonly number[] =>
  Array.from({ length: count }, (_, block) => from + block);

/** ms that a step takes on a server like those of the prior, times `slowness`. */
function stepMs(sequences: number, contextTokens: number, slowness: number): number {
  return slowness * (5.6 + 0.0543 * sequences + 0.00004 * contextTokens);
}

/** Serves `count` requests one after the other on every row in turn, each with an answer of 100 tokens. */
function serve(flying: Flying, count: number, slowness: (row: number) => number): void {
  const { exports } = flying.core;
  const rows = exports.poolRows(0);
  for (let at = 0; at < count; at++) {
    const row = at % rows;
    const flight = flying.send({ promptTokens: 1000 }, row);
    flying.at(flying.nowMs + slowness(row) * (1000 * 0.0203 + 5.6));
    exports.flightFirstToken(flight);
    flying.at(flying.nowMs + 99 * stepMs(1, 1050, slowness(row)));
    exports.flightFinish(flight, 1000, 100, 0);
  }
}

test("a flight counts its prompt until the first token, its request until the end, and nothing after", () => {
  const flying = new Flying("net-goodput", 2);
  const { exports } = flying.core;
  const account = flying.account(1);
  const flight = flying.send({ promptTokens: 1000 }, 1);
  assert.equal(exports.inFlight(account), 1);
  assert.equal(exports.inFlightUncached(account), 1000n);
  exports.flightFirstToken(flight);
  exports.flightFirstToken(flight);
  assert.equal(exports.inFlightUncached(account), 0n);
  assert.equal(exports.inFlightResident(account), 1000n);
  exports.flightProgress(flight, 10);
  exports.flightFinish(flight, 1000, 20, 0);
  exports.flightFinish(flight, 1000, 20, 0);
  exports.flightAbandon(flight);
  assert.equal(exports.inFlight(account), 0);
  assert.equal(exports.inFlightResident(account), 0n);
  assert.equal(exports.flightCount(), 0);
});

test("a retry moves a flight with all that it counts, but to no account that is gone", () => {
  const flying = new Flying("net-goodput", 2);
  const { exports } = flying.core;
  const [first, second] = [flying.account(0), flying.account(1)];
  const flight = flying.send({ promptTokens: 1000, blocks: chain(7) }, 0);
  assert.equal(flying.more.flightMove(flight, 99), 0);
  assert.equal(exports.inFlight(first), 1);
  assert.equal(flying.more.flightMove(flight, second), 1);
  assert.equal(exports.inFlight(first), 0);
  assert.equal(exports.inFlightUncached(second), 1000n);
  flying.at(flying.nowMs + 300);
  exports.flightFirstToken(flight);
  flying.at(flying.nowMs + 300);
  exports.flightFinish(flight, 1000, 30, 0);
  assert.equal(exports.inFlight(second), 0);
  assert.equal(
    flying.learned()[12],
    1,
    "an answer, and no time to the first token: when it began there is not known",
  );
});

test("what was sent somewhere is believed to be there, under its seed alone, until the endpoint restarts", () => {
  const flying = new Flying("net-goodput", 3);
  const asked = { promptTokens: 1280, blocks: chain(10) };
  flying.compute(flying.send(asked, 2));
  flying.pick(asked);
  assert.equal(flying.terms(2)[7], 1279, "all but the last token");
  assert.equal(flying.terms(0)[7], 0);
  flying.pick({ ...asked, seed: 8n });
  assert.equal(flying.terms(2)[7], 0);
  flying.pick({ promptTokens: 2560, blocks: [...chain(10), ...chain(10, 500)] });
  assert.equal(flying.terms(2)[7], 1280);
  flying.more.endpointRestarted(flying.account(2));
  flying.pick(asked);
  assert.equal(flying.terms(2)[7], 0);
});

test("an endpoint that fails before the first token is not believed to hold more of the prompt than before", () => {
  const flying = new Flying("net-goodput", 3);
  const asked = { promptTokens: 1280, blocks: chain(10) };
  flying.compute(flying.send({ promptTokens: 512, blocks: chain(4) }, 2));
  flying.core.exports.flightAbandon(flying.send(asked, 2));
  flying.core.exports.flightAbandon(flying.send(asked, 1));
  const retried = flying.send(asked, 0);
  flying.more.flightMove(retried, flying.account(1));
  flying.pick(asked);
  assert.deepEqual(
    [0, 1, 2].map((row) => Math.round(flying.terms(row)[7]!)),
    [0, 1279, 512],
    "what failed, what a retry led to, and what was computed for another request",
  );
});

test("a client that leaves before its first token takes nothing from others who got theirs of the same prompt", () => {
  const flying = new Flying("net-goodput", 2);
  const asked = { promptTokens: 1280, blocks: chain(10) };
  const [left, other] = [flying.send(asked, 0), flying.send(asked, 0)];
  flying.compute(other);
  flying.core.exports.flightAbandon(left);
  flying.pick(asked);
  assert.equal(flying.terms(0)[7], 1279);
});

test("answers teach the pool's coefficients, its tokens by bytes and its answers' length", () => {
  const flying = new Flying("net-goodput", 4);
  serve(flying, 400, () => 2);
  const learned = flying.learned();
  assert.ok(Math.abs(learned[0]! / 11.2 - 1) < 0.15, `a step of ${learned[0]} ms`);
  assert.ok(Math.abs(learned[3]! / 0.0406 - 1) < 0.25, `${learned[3]} ms a prompt token`);
  assert.ok(Math.abs(learned[8]! - 105) < 10, `${learned[8]} tokens an answer`);
  assert.ok(Math.abs(learned[9]! - 0.25) < 0.01, `${learned[9]} tokens a byte`);
});

/** Answers of which every `burstEvery`-th comes whole a ms after its first token, and the others at 8 ms a token; ms of a step learned. */
function learnedOfBursts(burstEvery: number): number {
  const flying = new Flying("net-goodput", 1);
  const { exports } = flying.core;
  for (let at = 1; at <= 1000; at++) {
    const flight = flying.send({ promptTokens: 100 }, 0);
    flying.at(flying.nowMs + 100);
    exports.flightFirstToken(flight);
    flying.at(flying.nowMs + (at % burstEvery === 0 ? 1 : 99 * 8));
    exports.flightFinish(flight, 100, 100, 0);
  }
  return flying.learned()[0]!;
}

test("answers that something on the way delivers at once do not pass for a fast server's", () => {
  const usual = learnedOfBursts(2000);
  for (const burstEvery of [20, 5]) {
    const stepMs = learnedOfBursts(burstEvery);
    assert.ok(Math.abs(stepMs / usual - 1) < 0.05, `${stepMs} ms a step, without bursts ${usual}`);
  }
});

test("an answer that comes in two bursts counts as one fast answer, not as the surest of all", () => {
  const flying = new Flying("net-goodput", 1);
  const { exports } = flying.core;
  for (let at = 1; at <= 1000; at++) {
    const flight = flying.send({ promptTokens: 100 }, 0);
    flying.at(flying.nowMs + 100);
    exports.flightFirstToken(flight);
    flying.at(flying.nowMs + 99 * (at % 10 === 0 ? 1.2 : 8));
    exports.flightFinish(flight, 100, 100, 0);
  }
  const stepMs = flying.learned()[0]!;
  assert.ok(stepMs > 6.5, `${stepMs} ms a step`);
});

test("a count of two thousand million tokens teaches nothing, and what was learned can be handed on", () => {
  const flying = new Flying("net-goodput", 2);
  serve(flying, 100, () => 1);
  const before = flying.learned();
  const flight = flying.send({ promptTokens: 1000 }, 0);
  flying.at(flying.nowMs + 30);
  flying.core.exports.flightFirstToken(flight);
  const taught = flying.learned();
  flying.at(flying.nowMs + 1000);
  flying.core.exports.flightFinish(flight, 1000, 2_000_000_000, 0);
  assert.equal(flying.learned()[8], before[8]);
  assert.deepEqual(flying.learned().slice(0, 4), taught.slice(0, 4));
  const bytes = flying.more.writeState(flying.scratch, 1 << 17);
  const other = new Flying("net-goodput", 2);
  assert.equal(other.more.readState(other.put(flying.bytesAt(bytes)), bytes), 1);
});

test("a client that reads slowly says nothing of the endpoint's pace", () => {
  const learned = [0, 60_000].map((flushMs) => {
    const flying = new Flying("net-goodput", 1);
    for (let at = 0; at < 100; at++) {
      const flight = flying.send({ promptTokens: 100 }, 0);
      flying.at(flying.nowMs + 100);
      flying.core.exports.flightFirstToken(flight);
      flying.at(flying.nowMs + 99 * 8);
      flying.more.flightComplete(flight);
      flying.at(flying.nowMs + flushMs);
      flying.core.exports.flightFinish(flight, 100, 100, 0);
    }
    return flying.learned().slice(0, 9);
  });
  assert.deepEqual(learned[1], learned[0]);
});

test("half of the endpoints are known to be slower, and get fewer requests", () => {
  const flying = new Flying("net-goodput", 4);
  serve(flying, 400, (row) => (row % 2 === 0 ? 1 : 2.5));
  const factors = flying.learned().slice(SPEED_FROM);
  const ratio = factors[1]! / factors[0]!;
  assert.ok(ratio > 2.2 && ratio < 2.8, `${ratio} times slower`);
  for (let at = 0; at < 40; at++) flying.go({ promptTokens: 1000 });
  const counts = [0, 1, 2, 3].map((row) => flying.core.exports.inFlight(flying.account(row)));
  assert.ok(counts[0]! + counts[2]! > 1.4 * (counts[1]! + counts[3]!), String(counts));
});

test("a request that broke off teaches nothing", () => {
  const flying = new Flying("net-goodput", 2);
  const { exports } = flying.core;
  const before = flying.learned().slice(0, 10);
  for (let at = 0; at < 100; at++) {
    const flight = flying.send({ promptTokens: 300 }, 0);
    flying.at(flying.nowMs + 5000);
    exports.flightFirstToken(flight);
    flying.at(flying.nowMs + 5000);
    exports.flightProgress(flight, 2);
    exports.flightAbandon(flight);
  }
  assert.deepEqual(flying.learned().slice(0, 10), before);
});

test("an answer that does not come in pieces, or says no usage, does no harm", () => {
  const flying = new Flying("net-goodput", 2);
  const { exports } = flying.core;
  const before = flying.learned().slice(0, 8);
  const whole = flying.send({ promptTokens: 1000 }, 0);
  flying.at(flying.nowMs + 3000);
  exports.flightFinish(whole, 1000, 200, -1);
  const silent = flying.send({ promptTokens: 1000 }, 0);
  exports.flightFinish(silent, -1, -1, -1);
  assert.deepEqual(flying.learned().slice(0, 8), before);
  assert.equal(exports.flightCount(), 0);
});

test("what one root learned teaches another the same, and prompts placed by one are known to the other", () => {
  const [own, other] = [new Flying("net-goodput", 4), new Flying("net-goodput", 4)];
  serve(own, 100, (row) => 1 + row);
  const rows = own.core.exports.takeRows(own.scratch, 1 << 16);
  assert.equal(rows, 200 * OBSERVATION_BYTES);
  assert.equal(own.core.exports.takeRows(own.scratch, 1 << 16), 0, "taken once");
  other.core.exports.applyRows(other.put(own.bytesAt(rows)), rows);
  const [left, right] = [own.learned(), other.learned()];
  for (const at of [0, 1, 2, 3, 8, 9, 16, 17, 18, 19]) {
    assert.ok(Math.abs(right[at]! / left[at]! - 1) < 1e-4, `${at}: ${left[at]} and ${right[at]}`);
  }
  const asked: Asked = { promptTokens: 1280, blocks: chain(10) };
  own.send(asked, 3);
  const records = own.core.exports.takePrefixRecords(own.scratch, 1 << 16);
  other.core.exports.applyPrefixRecords(other.put(own.bytesAt(records)), records);
  other.pick(asked);
  assert.equal(other.terms(3)[7], 1279);
});

test("a new root takes over all that was learned", () => {
  const [own, other] = [new Flying("net-goodput", 4), new Flying("net-goodput", 4)];
  serve(own, 300, (row) => 1 + row);
  const bytes = own.more.writeState(own.scratch, 1 << 17);
  assert.ok(bytes > 1000, `${bytes} bytes`);
  assert.equal(other.more.readState(other.put(own.bytesAt(bytes)), bytes), 1);
  const [left, right] = [own.learned(), other.learned()];
  for (const at of [0, 1, 2, 3, 9, 11]) assert.equal(right[at], left[at], String(at));
  for (const at of [4, 8, 16, 17, 18, 19]) assert.ok(Math.abs(right[at]! / left[at]! - 1) < 0.05, String(at));
  assert.equal(own.more.writeState(own.scratch, 20), 0, "a place that is too small holds nothing");
});

test("what is known of pools finds room before what is known of their endpoints", () => {
  const [own, other] = [new Flying("net-goodput", 100), new Flying("net-goodput", 100)];
  serve(own, 200, () => 2);
  const bytes = own.more.writeState(own.scratch, 3000);
  assert.ok(bytes > 2900 && bytes <= 3000, `${bytes} bytes`);
  assert.equal(other.more.readState(other.put(own.bytesAt(bytes)), bytes), 1);
  assert.equal(other.learned()[12], own.learned()[12]);
  for (const at of [0, 1, 2, 3]) assert.equal(other.learned()[at], own.learned()[at], String(at));
});

test("a pool that leaves the table is remembered for ten minutes, not for ever", () => {
  const flying = new Flying("net-goodput", 1);
  serve(flying, 100, () => 2);
  let sequence = 1n;
  const push = (name: string, afterMs: number): void => {
    flying.at(flying.nowMs + afterMs);
    const rows = [pool(name, [endpoint(addressOf(0))], { profile: "net-goodput" })];
    assert.equal(flying.core.decode(tableBytes(rows, ++sequence), flying.nowMs), 0);
  };
  push("ns/a", 0);
  const before = flying.learned()[12];
  assert.ok(before! > 50, `${before} rows`);
  push("ns/b", 1000);
  push("ns/a", 590_000);
  assert.equal(flying.learned()[12], before);
  push("ns/b", 1000);
  push("ns/b", 601_000);
  push("ns/a", 0);
  assert.equal(flying.learned()[12], 0);
});

test(`whatever bytes come as state, rows or records, what is learned stays finite and picks go on (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const own = new Flying("net-goodput", 4);
  serve(own, 50, () => 1);
  own.send({ promptTokens: 1280, blocks: chain(10) }, 3);
  const { exports } = own.core;
  const good = {
    state: own.bytesAt(own.more.writeState(own.scratch, 1 << 17)),
    rows: own.bytesAt(exports.takeRows(own.scratch, 1 << 16)),
    records: own.bytesAt(exports.takePrefixRecords(own.scratch, 1 << 16)),
  };
  const bent = (bytes: Uint8Array): Uint8Array => {
    const copy = bytes.slice(0, random.below(4) === 0 ? random.below(bytes.length + 1) : bytes.length);
    for (let flips = random.below(20); flips > 0 && copy.length > 0; flips--) {
      copy[random.below(copy.length)] = random.below(3) === 0 ? 255 : random.below(256);
    }
    return copy;
  };
  for (let round = 0; round < 2000; round++) {
    const state = bent(good.state);
    own.more.readState(own.put(state), state.length);
    const rows = bent(good.rows);
    exports.applyRows(own.put(rows), rows.length);
    const records = bent(good.records);
    exports.applyPrefixRecords(own.put(records), records.length);
    const row = own.pick({ promptTokens: 1000, blocks: chain(7) })[0]!;
    assert.ok(Number.isFinite(exports.rowScore(row)), `round ${round}`);
  }
  for (const [at, value] of own.learned().entries()) assert.ok(Number.isFinite(value), `${at}: ${value}`);
});

test(`flights in any order leave the ledger and what they can bear empty (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED + 1);
  const flying = new Flying("net-goodput", 5);
  const { exports } = flying.core;
  const open: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    flying.at(flying.nowMs + random.below(20));
    const flight = open[random.below(Math.max(open.length, 1))];
    const action = random.below(flight === undefined ? 1 : 7);
    if (action === 0 && open.length < 300) {
      open.push(flying.go({ promptTokens: 1 + random.below(5000), blocks: chain(random.below(30)) }).flight);
    } else if (flight === undefined) continue;
    else if (action === 1) exports.flightFirstToken(flight);
    else if (action <= 3) exports.flightProgress(flight, random.below(400));
    else if (action === 4) flying.more.flightMove(flight, flying.account(random.below(5)));
    else {
      open.splice(open.indexOf(flight), 1);
      if (action === 5) exports.flightAbandon(flight);
      else exports.flightFinish(flight, 1 + random.below(5000), random.below(400), random.below(100) - 1);
    }
    if (random.below(50) === 0) exports.flightsTick();
  }
  for (const flight of open) exports.flightAbandon(flight);
  assert.equal(exports.flightCount(), 0);
  flying.pick({ promptTokens: 100 });
  for (let row = 0; row < 5; row++) {
    const terms = flying.terms(row);
    assert.deepEqual([terms[2], terms[5], terms[9], terms[10], terms[11]], [0, 0, 0, 0, 0], `row ${row}`);
  }
});
