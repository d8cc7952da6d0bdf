import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testEndpoint, testPool } from "../xds/fixtures.ts";
import { FeedServer } from "./feed-server.ts";
import { Publisher } from "./publisher.ts";

const SCRAPE = { intervalMs: 500, timeoutMs: 500, path: "/metrics" };
const ENDPOINT = testEndpoint("chat", "10.0.0.1", 80);
const SCRAPED = { ...ENDPOINT, spec: { ...ENDPOINT.spec, scrape: SCRAPE } };
const INVENTORY = { pools: [testPool("chat", { endpoints: [SCRAPED.spec] })], routes: [] };

function rig() {
  const state = { nowMs: 0, tick: (): void => undefined };
  const setTimer = (callback: () => void) => {
    state.tick = callback;
    return () => undefined;
  };
  const publisher = new Publisher({
    feed: new FeedServer({ nowMs: () => state.nowMs, setTimer, onTrouble: () => undefined }),
    nowMs: () => state.nowMs,
    setTimer,
    epoch: 1n,
    pushIntervalMs: 100,
    pushAtMostMs: 500,
    firstPushWaitMs: 1000,
    onFirst: () => undefined,
    onError: (error) => assert.fail(error),
  });
  /** Lets time pass in push intervals. */
  const pass = (forMs: number) => {
    for (const untilMs = state.nowMs + forMs; state.nowMs < untilMs; ) {
      state.nowMs += 100;
      state.tick();
    }
  };
  return { publisher, state, pass };
}

describe("the publisher", () => {
  it("publishes a first table when every endpoint was scraped and no name of a pool is waited for", () => {
    const { publisher, pass } = rig();
    const due = publisher.setEndpoints(INVENTORY, [SCRAPED], new Set(["default/chat"]));
    publisher.setAttempted(SCRAPED.address);
    pass(900);
    assert.equal(publisher.published(), undefined);
    publisher.setEndpoints(INVENTORY, [SCRAPED]);
    pass(100);
    assert.equal(publisher.published()?.sequence, due);
  });

  it("publishes a first table after its time, names and scrapes notwithstanding", () => {
    const { publisher, pass } = rig();
    publisher.setEndpoints(INVENTORY, [SCRAPED], new Set(["default/chat"]));
    pass(900);
    assert.equal(publisher.published(), undefined);
    pass(100);
    assert.equal(publisher.published()?.sequence, 1n);
  });

  it("tells how old its newest table and that table's measurements are by now", () => {
    const { publisher, state, pass } = rig();
    assert.equal(publisher.ageMs(), undefined);
    assert.equal(publisher.rowsNow(), undefined);
    publisher.setEndpoints(INVENTORY, [SCRAPED]);
    publisher.setSample(SCRAPED.address, { atMs: 0, queuedRequests: 3 });
    publisher.setAttempted(SCRAPED.address);
    pass(100);
    state.nowMs += 250;
    assert.equal(publisher.ageMs(), 250);
    assert.equal(publisher.published()?.pools[0]?.endpoints[0]?.ageMs, 100);
    assert.equal(publisher.rowsNow()?.pools[0]?.endpoints[0]?.ageMs, 350);
  });
});
