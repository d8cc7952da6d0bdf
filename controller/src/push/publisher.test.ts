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
    feed: new FeedServer({
      nowMs: () => state.nowMs,
      setTimer,
      onAccounts: () => undefined,
      onTrouble: () => undefined,
    }),
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

  it("waits with the first table for one list of models of every endpoint, in each of its pools", () => {
    const asked = {
      ...ENDPOINT,
      spec: { ...ENDPOINT.spec, modelList: { intervalMs: 10_000, path: "/v1/models" } },
    };
    const twin = { ...asked, pool: "default/twin" };
    const pools = ["chat", "twin"].map((name) => testPool(name, { endpoints: [asked.spec] }));
    const { publisher, pass } = rig();
    publisher.setEndpoints({ pools, routes: [] }, [asked, twin]);
    publisher.setModels("default/chat", [{ name: "m", adapter: false }]);
    publisher.setAsked(asked);
    pass(500);
    assert.equal(publisher.published(), undefined);
    publisher.setAsked(twin);
    pass(100);
    const rows = publisher.published()?.pools;
    assert.deepEqual(
      rows?.map(({ models }) => models),
      [[{ name: "m", adapter: false }], []],
    );
  });

  it("publishes models that change at the next push, and tells a pool that serves none from one of which nothing is known", () => {
    const spec = { ...ENDPOINT.spec, modelList: { intervalMs: 10_000, path: "/v1/models" } };
    const { publisher, pass } = rig();
    publisher.setEndpoints(
      { pools: [testPool("chat", { endpoints: [spec], knownModelsOnly: true })], routes: [] },
      [{ ...ENDPOINT, spec }],
    );
    pass(1000);
    const shown = () => {
      const { models, knownModelsOnly } = publisher.published()!.pools[0]!;
      return [models.map(({ name }) => name), knownModelsOnly];
    };
    assert.deepEqual(shown(), [[], false]);
    publisher.setModels("default/chat", [{ name: "m", adapter: false }]);
    pass(100);
    assert.deepEqual(shown(), [["m"], true]);
    publisher.setModels("default/chat", []);
    pass(100);
    assert.deepEqual(shown(), [[], true]);
    publisher.setModels("default/chat", undefined);
    pass(100);
    assert.deepEqual(shown(), [[], false]);
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
