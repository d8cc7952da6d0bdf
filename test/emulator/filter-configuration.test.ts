import assert from "node:assert/strict";
import { test } from "node:test";
import { filterModule } from "./filter-rig.ts";
import { Process } from "./host.ts";

const MODULE = filterModule();
const VM_ID = "inference-picker";

function refusal(configuration: string): string {
  const host = new Process({ module: MODULE, workers: 1 });
  assert.throws(() => host.deploy({ configuration }), /refused/);
  host.assertClean();
  assert.deepEqual(host.sharedData.keys(VM_ID), []);
  return host.logs.at(-1)!.text;
}

test("a wrong configuration is refused with the path and the bound", () => {
  assert.match(refusal('{"feed":[]}'), /feed.*unknown key/);
  assert.match(refusal('{"tickMs":1}'), /tickMs.*5/);
  assert.match(refusal('{"tickMs":251}'), /tickMs.*5\.\.250/);
  assert.match(refusal('{"tickMs":"25"}'), /tickMs/);
  assert.match(refusal('{"generation":-1}'), /generation/);
  assert.match(refusal('{"feeds":[{"cluster":""}]}'), /feeds\[0\]\.cluster/);
  assert.match(refusal('{"feeds":[{"cluster":"a","port":1}]}'), /feeds\[0\]\.port/);
  assert.match(refusal('{"pick":"metadata"}'), /pick.*metadata/);
  assert.match(refusal('{"body":"always"}'), /body.*always.*pass.*read/);
  assert.match(refusal('{"metrics":"statsd"}'), /metrics.*statsd.*none.*envoy/);
  for (const text of ["[]", "{", '{"tickMs":25', "null", "{}x", "\u0000"]) refusal(text);
});

test("a key that comes twice is refused, since nobody could say which one counts", () => {
  assert.match(refusal('{"feeds":[{"cluster":"a"}],"feeds":[{"cluster":"b"}]}'), /feeds: given twice/);
  assert.match(refusal('{"node":"a","tickMs":25,"node":"a"}'), /node: given twice/);
  assert.match(refusal('{"feeds":[{"cluster":"a","cluster":"b"}]}'), /feeds\[0\]\.cluster: given twice/);
});

test("a host without a monotonic clock is refused: no lease or age would mean anything", () => {
  const host = new Process({
    module: MODULE,
    workers: 1,
    probeImports: () => ({ wasi_snapshot_preview1: { clock_time_get: () => 58 } }),
  });
  assert.throws(() => host.deploy({ configuration: "{}" }), /refused/);
  assert.match(host.logs.at(-1)!.text, /no monotonic clock/);
  host.assertClean();
});

test("an empty configuration and an empty object are the defaults", () => {
  for (const configuration of ["", "{}", " {\n} "]) {
    const host = new Process({ module: MODULE, workers: 1 });
    const deployment = host.deploy({ configuration });
    assert.equal(host.root(deployment, "worker-0").tickPeriodMs, 25);
    host.advance(1_000);
    assert.deepEqual(host.grpc.streams, [], "no feeds, no dial");
    host.assertClean();
  }
});

test("a second feed is dialled too, each with its own authority", () => {
  const host = new Process({ module: MODULE, workers: 1 });
  host.grpc.cluster("one", "accept");
  host.grpc.cluster("outbound|80||two", "accept");
  const feeds = [{ cluster: "one" }, { cluster: "outbound|80||two", authority: "two.test" }];
  host.deploy({ configuration: JSON.stringify({ feeds }) });
  host.advance(1_000);
  assert.deepEqual(
    host.grpc.streams.map((stream) => stream.request.authority),
    ["one", "two.test"],
  );
  host.assertClean();
});

test("a throw-away VM leaves nothing in shared data, queues or the network", () => {
  const host = new Process({ module: MODULE, workers: 0 });
  host.grpc.cluster("one", "accept");
  host.deploy({ configuration: '{"feeds":[{"cluster":"one"}]}' });
  assert.deepEqual(host.sharedData.keys(VM_ID), []);
  assert.deepEqual(host.queues.names(VM_ID), []);
  assert.deepEqual(host.grpc.streams, []);
  host.assertClean();
});
