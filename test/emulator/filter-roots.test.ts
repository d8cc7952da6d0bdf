import assert from "node:assert/strict";
import { test } from "node:test";
import { BODY_POOL, CONTROLLER, filterModule, PICK_HEADER, picksOf, poolRow, Rig } from "./filter-rig.ts";
import type { Deployment, Stream } from "./host.ts";

const MODULE = filterModule();
const BODY = { cluster: "cluster-body", body: ['{"model":', '"llama"}'] };

function rigWith(configuration: Readonly<Record<string, unknown>>): Rig {
  const rig = new Rig(MODULE, { workers: 1, configuration });
  rig.push([poolRow(), { ...BODY_POOL, name: "default/body", clusters: ["cluster-body"] }]);
  return rig;
}

/** How the pick of a request through that configuration left the filter. */
function wayOf(stream: Stream): string {
  assert.ok(picksOf(stream).length > 0, "picked");
  const byProperty = stream.filterState.has("wasm.pick");
  assert.equal(stream.upstreamHeaders!.getAll(PICK_HEADER).length, byProperty ? 0 : 1);
  return byProperty ? "property" : "header";
}

function waysThrough(rig: Rig, deployment: Deployment): string[] {
  rig.deployment = deployment;
  return [wayOf(rig.send()), wayOf(rig.send(BODY))];
}

test("of two listeners in one VM each gets its picks in its own way, bodies that overlap included", () => {
  const rig = rigWith({ pick: "header" });
  const header = rig.deployment;
  const property = rig.deploy({ pick: "property", node: "other" });
  for (const wait of [0, 25, 3_000]) {
    rig.process.advance(wait);
    assert.deepEqual(waysThrough(rig, header), ["header", "header"]);
    assert.deepEqual(waysThrough(rig, property), ["property", "property"]);
  }
  const held = [header, property].map((deployment) => {
    rig.deployment = deployment;
    const stream = rig.open(BODY);
    stream.sendHeaders(false);
    stream.sendBody(BODY.body[0]!, false);
    return stream;
  });
  for (const stream of held.reverse()) stream.sendBody(BODY.body[1]!, true);
  assert.deepEqual(held.map(wayOf), ["property", "header"]);
  rig.process.retire(property);
  assert.deepEqual(waysThrough(rig, header), ["header", "header"]);
  rig.process.assertClean();
});

test("a lower generation waits, and gets its turn with its own settings when the higher one is gone", () => {
  const rig = rigWith({ generation: 5, pick: "property", node: "five" });
  const higher = rig.deployment;
  rig.process.grpc.cluster("rolled-back", "accept");
  const feeds = [{ cluster: "rolled-back", authority: "three.test" }];
  const lower = rig.deploy({ generation: 3, pick: "header", node: "three", feeds, tickMs: 50 });
  rig.process.advance(5_000);
  assert.deepEqual(
    rig.streams().map(({ request }) => request.cluster),
    [CONTROLLER],
  );
  assert.equal(rig.process.root(lower, "worker-0").tickPeriodMs, 1_000);
  rig.process.retire(higher);
  assert.equal(rig.process.root(lower, "worker-0").tickPeriodMs, 50);
  assert.deepEqual(waysThrough(rig, lower), ["header", "header"]);
  rig.process.advance(1_000);
  assert.deepEqual(
    rig.streams().map(({ request }) => request.authority),
    ["three.test"],
  );
  const report = rig.report(rig.streams()[0]);
  assert.deepEqual([report.node, report.generation], ["three", 3n]);
  rig.process.assertClean();
});

test("the node's name follows the configuration", () => {
  const rig = rigWith({ node: "before" });
  assert.equal(rig.report().node, "before");
  const old = rig.deployment;
  rig.deploy({ node: "after", generation: 1 });
  rig.process.retire(old);
  rig.process.advance(500);
  assert.equal(rig.report().node, "after");
  rig.deploy({ generation: 2 });
  rig.process.advance(500);
  assert.equal(rig.report().node, "emulated-envoy");
  rig.process.assertClean();
});

test("roots that only wait tick once a second, and the active one at its pace", () => {
  const rig = rigWith({ generation: 1 });
  const first = rig.deployment;
  const second = rig.deploy({ generation: 2 });
  const third = rig.deploy({ generation: 3 });
  rig.process.advance(100);
  const ticks = (deployment: Deployment) => rig.process.root(deployment, "worker-0").ticks;
  const before = [first, second, third].map(ticks);
  rig.process.advance(10_000);
  const grown = [first, second, third].map((deployment, at) => ticks(deployment) - before[at]!);
  assert.deepEqual(grown, [10, 10, 400]);
  rig.process.retire(third);
  assert.equal(rig.process.root(second, "worker-0").tickPeriodMs, 25, "the next best goes on at once");
  rig.process.advance(1_000);
  assert.equal(rig.streams().length, 1);
  rig.process.assertClean();
});

test("after a stall in which a waiting root runs first the active one stays", () => {
  const rig = rigWith({ generation: 1, pick: "header" });
  const waiting = rig.deployment;
  const active = rig.deploy({ generation: 2, pick: "property" });
  rig.process.advance(2_000);
  for (let stalls = 0; stalls < 5; stalls++) {
    rig.process.clock.forward(5_000_000_000n);
    for (const deployment of [active, waiting]) {
      for (const root of deployment.roots.values()) root.setTickPeriod(root.tickPeriodMs);
    }
    rig.process.root(waiting, "worker-0").tick();
    rig.process.advance(1_500);
  }
  assert.equal(rig.process.root(active, "worker-0").tickPeriodMs, 25);
  assert.equal(rig.process.root(waiting, "worker-0").tickPeriodMs, 1_000);
  rig.process.assertClean();
});

test("a root that stops ticking without a word is succeeded within four seconds", () => {
  const rig = rigWith({ generation: 1, node: "next" });
  const active = rig.deploy({ generation: 2, node: "mute" });
  rig.process.advance(2_000);
  for (const root of active.roots.values()) root.nextTickNs = undefined;
  rig.process.advance(4_000);
  assert.equal(rig.report(rig.streams()[0]).node, "next");
  rig.process.assertClean();
});

test("where bodies are not waited for, headers and load decide at once; another root's requests still wait", () => {
  const rig = rigWith({ pick: "header", body: "pass" });
  const passing = rig.deployment;
  const reading = rig.deploy({ pick: "header", body: "read", node: "other" });
  for (const [deployment, sent] of [
    [passing, true],
    [reading, false],
    [passing, true],
  ] as const) {
    rig.deployment = deployment;
    const stream = rig.open(BODY);
    stream.sendHeaders(false);
    assert.equal(stream.upstreamHeaders !== undefined, sent);
    assert.equal(picksOf(stream).length > 0, sent);
    stream.sendBody(BODY.body[0]!, false);
    stream.sendBody(BODY.body[1]!, true);
    assert.equal(wayOf(stream), "header");
    assert.equal(stream.localResponse, undefined);
  }
  rig.process.assertClean();
});
