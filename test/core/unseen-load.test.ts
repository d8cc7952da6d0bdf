import assert from "node:assert/strict";
import { test } from "node:test";
import { Flying } from "./flights.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const ASKED = { promptTokens: 1000 };
const TABLE_EVERY_MS = 100;
const REMOTE = { requests: 2, uncachedTokens: 0, residentTokens: 2000 };

/** A pool of two, on each of which other Envoys have two requests in flight. */
class Shared {
  readonly flying = new Flying("net-goodput", 2);
  #sequence = 1n;

  table(): void {
    const { flying } = this;
    flying.at(flying.nowMs + TABLE_EVERY_MS);
    const rows = [0, 1].map((row) => endpoint(addressOf(row), { remote: REMOTE }));
    const message = tableBytes([pool("ns/a", rows, { profile: "net-goodput" })], ++this.#sequence);
    assert.equal(flying.core.decode(message, flying.nowMs), 0);
  }

  /** A request that is sent to the first endpoint, and ends a ms later. */
  serve(): void {
    const { flying } = this;
    const flight = flying.send(ASKED, 0);
    flying.at(flying.nowMs + 1);
    flying.core.exports.flightFinish(flight, 1000, 1, 0);
  }

  /** Requests that the policy reckons with on the first endpoint, beyond this root's own. */
  others(): number {
    this.flying.pick(ASKED);
    return this.flying.terms(0)[10]! - this.flying.core.exports.inFlight(this.flying.account(0));
  }
}

test("other Envoys are taken to have sent what this root sent since the table before the last", () => {
  const shared = new Shared();
  shared.flying.send(ASKED, 0);
  shared.table();
  shared.table();
  assert.equal(shared.others(), REMOTE.requests + 0);
  shared.flying.send(ASKED, 0);
  // They have four requests in flight for the one that was ours when they were heard of.
  assert.equal(shared.others(), REMOTE.requests + 4);
  for (let at = 0; at < 3; at++) shared.serve();
  assert.equal(shared.others(), REMOTE.requests + 4 * 4);
  shared.table();
  shared.table();
  shared.table();
  assert.equal(shared.others(), REMOTE.requests);
});

test("what other Envoys are taken to have sent is forgotten when tables stop, with what they had", () => {
  const shared = new Shared();
  shared.flying.send(ASKED, 0);
  shared.table();
  shared.table();
  for (let at = 0; at < 3; at++) shared.flying.send(ASKED, 0);
  assert.equal(shared.others(), REMOTE.requests + 3 * 4);
  shared.flying.at(shared.flying.nowMs + 2000);
  shared.flying.core.exports.age(shared.flying.nowMs);
  assert.equal(shared.others(), 0);
});
