import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BODY_POOL,
  endpointRow,
  filterModule,
  PICK_HEADER,
  POOL_A,
  POOL_B,
  picksOf,
  poolRow,
  Rig,
} from "./filter-rig.ts";
import type { Stream } from "./host.ts";

const MODULE = filterModule();

function rigWith(...pools: Parameters<Rig["push"]>[0]): Rig {
  const rig = new Rig(MODULE);
  rig.push(pools);
  return rig;
}

/** Both ways in which a pick leaves the filter. */
const BOTH_WAYS = ["header", "property"] as const;

function assertPickedFrom(stream: Stream, addresses: readonly string[]): void {
  const picks = picksOf(stream);
  assert.ok(picks.length > 0 && picks.length <= 3, `${picks.length} picks`);
  assert.equal(new Set(picks).size, picks.length, "each endpoint once");
  for (const pick of picks) assert.ok(addresses.includes(pick), `${pick} is of the pool`);
}

test("the module asks Envoy for nothing it does not have, and exports no callback that Envoy does not call", () => {
  const rig = new Rig(MODULE);
  for (const vm of rig.process.vms) assert.deepEqual(vm.unknownExports, []);
  rig.process.assertClean();
});

test("one push over one stream reaches every worker and the main thread", () => {
  const rig = new Rig(MODULE, { workers: 4 });
  rig.connect();
  rig.push([poolRow()]);
  for (const thread of rig.process.threads) assertPickedFrom(rig.send({ thread }), POOL_A);
  assert.equal(rig.process.grpc.streams.length, 1);
  rig.process.assertClean();
});

test("the pick is the pool's of the route's cluster", () => {
  const rig = rigWith(
    poolRow(),
    poolRow({
      name: "default/b",
      clusters: ["cluster-b", "outbound|80||b.svc"],
      endpoints: POOL_B.map((a) => endpointRow(a)),
    }),
  );
  assertPickedFrom(rig.send({ cluster: "cluster-a" }), POOL_A);
  assertPickedFrom(rig.send({ cluster: "cluster-b" }), POOL_B);
  assertPickedFrom(rig.send({ cluster: "outbound|80||b.svc" }), POOL_B);
  rig.process.assertClean();
});

test("a cluster that no pool has falls back to the route's metadata", () => {
  const rig = rigWith(poolRow());
  assertPickedFrom(rig.send({ cluster: "elsewhere", route: { pool: "default/a" } }), POOL_A);
  assert.deepEqual(picksOf(rig.send({ cluster: "elsewhere", route: { pool: "default/none" } })), []);
  rig.process.assertClean();
});

for (const pick of BOTH_WAYS) {
  test(`a client's own pick is overwritten, however often it sends it, by ${pick}`, () => {
    const rig = new Rig(MODULE, { configuration: { pick } });
    rig.push([poolRow()]);
    for (const count of [1, 2, 5]) {
      const headers = Array.from({ length: count }, (_, i) => [PICK_HEADER, `192.0.2.${i}:1`] as const);
      assertPickedFrom(rig.send({ headers }), POOL_A);
      assertPickedFrom(rig.send({ headers: [["X-Gateway-Destination-Endpoint", "192.0.2.9:1"]] }), POOL_A);
    }
    rig.process.assertClean();
  });
}

test("a pick by property edits no header, so Envoy does not choose the route again", () => {
  const rig = new Rig(MODULE, { configuration: { pick: "property" } });
  rig.push([poolRow()]);
  const stream = rig.send();
  assertPickedFrom(stream, POOL_A);
  assert.equal(stream.routeCacheClears, 0);
  assert.deepEqual(stream.upstreamHeaders!.pairs(), stream.requestHeaders.pairs());
  rig.process.assertClean();
});

for (const pick of BOTH_WAYS) {
  test(`a list shorter than three caps the retries, or the last endpoint's own answer is lost, by ${pick}`, () => {
    for (const [count, retries] of [
      [1, "0"],
      [2, "1"],
      [3, undefined],
    ] as const) {
      const rig = new Rig(MODULE, { configuration: { pick } });
      rig.push([poolRow({ endpoints: POOL_A.slice(0, count).map((address) => endpointRow(address)) })]);
      const stream = rig.send();
      assert.equal(picksOf(stream).length, count);
      const state = stream.filterState.get("wasm.retries");
      const header = stream.upstreamHeaders!.get("x-envoy-max-retries");
      assert.equal(pick === "property" ? state && Buffer.from(state).toString() : header, retries);
      assert.equal(pick === "property" ? stream.routeCacheClears : 0, 0);
      rig.process.assertClean();
    }
  });
}

test("a request that is not ours goes on untouched, another picker's choice included", () => {
  const rig = rigWith(poolRow());
  const headers = [
    ["x-other", "1"],
    [PICK_HEADER, "192.0.2.1:1"],
  ] as const;
  const plain = rig.send({ cluster: "elsewhere", headers });
  assert.deepEqual(plain.upstreamHeaders!.pairs(), plain.requestHeaders.pairs());
  assert.deepEqual(picksOf(plain), ["192.0.2.1:1"]);
  assert.equal(plain.routeCacheClears, 0, "an edit would make Envoy choose the route again");
  const body = rig.send({ cluster: "elsewhere", body: ["not json"] });
  assert.equal(Buffer.from(body.upstreamBody).toString(), "not json");
  rig.process.assertClean();
});

test("a pool of ours that the table does not know fails as before any table", () => {
  const rig = rigWith(poolRow());
  const route = { pool: "default/new", failureMode: "FailClose" };
  assert.equal(rig.send({ cluster: "new", route }).localResponse!.details, "inference_picker_no_table");
  const headers = [[PICK_HEADER, "192.0.2.1:1"]] as const;
  const open = rig.send({ cluster: "new", headers, route: { ...route, failureMode: "FailOpen" } });
  assert.equal(open.localResponse, undefined);
  assert.deepEqual(picksOf(open), []);
  rig.process.assertClean();
});

test("a FailOpen pool may retry beyond a short list: its fallback chooses there", () => {
  const endpoints = [endpointRow(POOL_A[0]!)];
  const rig = rigWith(poolRow({ failureMode: "FailOpen", endpoints }));
  assert.equal(rig.send().upstreamHeaders!.get("x-envoy-max-retries"), undefined);
  rig.process.assertClean();
});

test("without a table FailClose answers 503, FailOpen goes on without any pick, and others are untouched", () => {
  const rig = new Rig(MODULE);
  rig.connect();
  const headers = [[PICK_HEADER, "192.0.2.1:1"]] as const;
  const closed = rig.send({ headers, route: { pool: "default/a" } });
  assert.equal(closed.localResponse!.status, 503);
  assert.equal(closed.localResponse!.details, "inference_picker_no_table");
  assert.equal(closed.upstreamHeaders, undefined);
  const open = rig.send({ headers, route: { pool: "default/a", failureMode: "FailOpen" } });
  assert.equal(open.localResponse, undefined);
  assert.deepEqual(picksOf(open), []);
  assert.deepEqual(picksOf(rig.send({ headers })), ["192.0.2.1:1"]);
  // A route over several pools says nothing itself: its clusters do.
  const split = rig.send({ clusterMetadata: { pool: "default/a", failureMode: "FailClose" } });
  assert.equal(split.localResponse!.details, "inference_picker_no_table");
  const splitOpen = rig.send({ clusterMetadata: { pool: "default/a", failureMode: "FailOpen" } });
  assert.equal(splitOpen.localResponse, undefined);
  rig.process.assertClean();
});

test("a pool without a ready endpoint answers 503 or lets Envoy decide, by its failure mode", () => {
  const endpoints = [
    endpointRow("10.0.0.1:8000", { ready: false }),
    endpointRow("10.0.0.2:8000", { draining: true }),
  ];
  const rig = rigWith(
    poolRow({ endpoints }),
    poolRow({ name: "default/open", clusters: ["open"], failureMode: "FailOpen", endpoints }),
  );
  const closed = rig.send();
  assert.equal(closed.localResponse!.status, 503);
  assert.equal(closed.localResponse!.details, "inference_picker_no_ready_endpoint");
  const open = rig.send({ cluster: "open", headers: [[PICK_HEADER, "192.0.2.1:1"]] });
  assert.deepEqual(picksOf(open), []);
  assert.equal(open.upstreamEnded, true);
  rig.process.assertClean();
});

test("a saturated pool sheds what its objective allows, at once, and nothing else", () => {
  const endpoints = POOL_A.map((address) => endpointRow(address, { queuedRequests: 50, kvUsedRatio: 0.99 }));
  const objectives = [
    { name: "batch", priority: -10 },
    { name: "chat", priority: 10 },
  ];
  const rig = rigWith(poolRow({ endpoints, objectives }));
  const shed = rig.send({ headers: [["x-gateway-inference-objective", "batch"]] });
  assert.equal(shed.localResponse!.status, 429);
  assert.ok(shed.localResponse!.headers.some(([name]) => name === "retry-after"));
  assertPickedFrom(rig.send({ headers: [["x-gateway-inference-objective", "chat"]] }), POOL_A);
  assertPickedFrom(rig.send(), POOL_A);
  rig.process.assertClean();
});

test("a pick by headers stays within its budget of host calls", () => {
  const rig = rigWith(poolRow());
  rig.send().finish();
  const stream = rig.send();
  const calls = JSON.stringify(stream.calls.byName());
  assert.ok(stream.calls.total <= 3, `at most 3 calls: ${calls}`);
  assert.ok(stream.calls.returning <= 1, `one of them gives bytes back: ${calls}`);
  const before = stream.calls.total;
  stream.respond([[":status", "200"]], false);
  for (let i = 0; i < 100; i++) stream.respondBody("data: {}\n\n", false);
  stream.respondBody("", true);
  stream.finish();
  assert.equal(stream.calls.total, before, "an answer costs no host call");
  const other = rig.send({ cluster: "elsewhere" });
  assert.ok(other.calls.total <= 4, JSON.stringify(other.calls.byName()));
  assert.ok(other.calls.returning <= 1, JSON.stringify(other.calls.byName()));
  rig.process.assertClean();
});

test("a pick by body costs one copy of the body and a handful of calls, whatever the chunks", () => {
  const rig = rigWith(BODY_POOL);
  const text = JSON.stringify({ model: "llama", messages: [{ role: "user", content: "x".repeat(16_000) }] });
  for (const chunk of [text.length, 1000, 100]) {
    const body: string[] = [];
    for (let at = 0; at < text.length; at += chunk) body.push(text.slice(at, at + chunk));
    const stream = rig.send({ body });
    assertPickedFrom(stream, POOL_A);
    const calls = JSON.stringify(stream.calls.byName());
    assert.ok(stream.calls.total <= 6 + body.length, calls);
    assert.ok(stream.calls.bytesReturned <= text.length + 64, `${stream.calls.bytesReturned} bytes`);
  }
  rig.process.assertClean();
});

test("idle ticks cost a bounded number of host calls, whatever the number of requests before", () => {
  const rig = rigWith(poolRow());
  for (let i = 0; i < 200; i++) rig.send().finish();
  rig.process.advance(1000);
  const roots = rig.process.threads.map((thread) => rig.process.root(rig.deployment, thread));
  const ticksBefore = roots.reduce((sum, root) => sum + root.ticks, 0);
  rig.process.calls.reset();
  rig.process.advance(1000);
  const ticks = roots.reduce((sum, root) => sum + root.ticks, 0) - ticksBefore;
  const perTick = rig.process.calls.total / ticks;
  assert.ok(
    perTick <= 10,
    `${perTick.toFixed(1)} calls a tick: ${JSON.stringify(rig.process.calls.byName())}`,
  );
  rig.process.assertClean();
});
