import assert from "node:assert/strict";
import { test } from "node:test";
import { Flying } from "./flights.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const SCRAPE_MS = 500;
const ASKED = { promptTokens: 1000 };

interface Load {
  readonly queuedRequests?: number;
  readonly runningRequests?: number;
}

/** A pool of two under a policy, whose pages are read every 500 ms. */
class Scraped {
  readonly flying: Flying;
  readonly #profile: string;
  #sequence = 1n;

  constructor(profile: string) {
    this.#profile = profile;
    this.flying = new Flying(profile, 2);
  }

  /** The next scrape found this on the endpoints. */
  scrape(...loads: readonly [Load, Load]): void {
    this.flying.at(this.flying.nowMs + SCRAPE_MS);
    this.#feed(loads, 10);
  }

  /** A table without a new measurement: the last one is older by so much. */
  repeat(afterMs: number, ...loads: readonly [Load, Load]): void {
    this.flying.at(this.flying.nowMs + afterMs);
    this.#feed(loads, 10 + afterMs);
  }

  /** Requests of others that the policy reckons with on a row. */
  foreign(row: number): number {
    this.flying.pick(ASKED);
    return this.flying.terms(row)[10]! - this.flying.core.exports.inFlight(this.flying.account(row));
  }

  #feed(loads: readonly Load[], ageMs: number): void {
    const { core, nowMs } = this.flying;
    const rows = loads.map((load, row) => endpoint(addressOf(row), { ageMs, ...load }));
    const message = tableBytes([pool("ns/a", rows, { profile: this.#profile })], ++this.#sequence);
    assert.equal(core.decode(message, nowMs), 0);
  }
}

for (const profile of ["net-goodput", "marginal-cost"]) {
  test(`${profile} leaves an endpoint that others load, when two seconds of scrapes say so`, () => {
    const scraped = new Scraped(profile);
    for (let at = 0; at < 5; at++) scraped.scrape({ queuedRequests: 50 }, {});
    assert.equal(scraped.foreign(0), 50);
    for (let at = 0; at < 50; at++) assert.equal(scraped.flying.pick(ASKED)[0], 1);
    scraped.scrape({}, {});
    assert.equal(scraped.foreign(0), 0, "and comes back with the first scrape that finds it free");
  });

  test(`${profile} believes no load that a single scrape saw, nor a table that says it again`, () => {
    const scraped = new Scraped(profile);
    for (let at = 0; at < 4; at++) scraped.scrape({}, {});
    scraped.scrape({ runningRequests: 30 }, {});
    for (let at = 0; at < 8; at++) scraped.repeat(100, { runningRequests: 30 }, {});
    assert.equal(scraped.foreign(0), 0);
  });

  test(`${profile} takes what our own Envoys sent for no load of others`, () => {
    const scraped = new Scraped(profile);
    for (let at = 0; at < 20; at++) scraped.flying.send(ASKED, 0);
    for (let at = 0; at < 6; at++) scraped.scrape({ queuedRequests: 12, runningRequests: 8 }, {});
    assert.equal(scraped.foreign(0), 0);
    for (let at = 0; at < 6; at++) scraped.scrape({ queuedRequests: 12, runningRequests: 13 }, {});
    assert.equal(scraped.foreign(0), 5);
  });

  test(`${profile} believes a measurement no longer than it is fresh`, () => {
    const scraped = new Scraped(profile);
    for (let at = 0; at < 5; at++) scraped.scrape({ queuedRequests: 50 }, {});
    scraped.flying.core.exports.age(scraped.flying.nowMs + 5000);
    assert.equal(scraped.foreign(0), 0);
  });
}
