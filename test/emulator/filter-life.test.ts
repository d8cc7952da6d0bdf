import assert from "node:assert/strict";
import { test } from "node:test";
import { filterModule, picksOf, poolRow, Rig } from "./filter-rig.ts";
import { SeededRandom, type Stream } from "./host.ts";

const MODULE = filterModule();
const VM_ID = "inference-picker";
/** Distinct settings, so that each deployment is a configuration of its own. */
const generation = (number: number) => ({ generation: number });

test("requests in flight return to zero, whatever the order in which streams end", () => {
  const seed = 11;
  const random = new SeededRandom(seed);
  const rig = new Rig(MODULE, { workers: 3 });
  rig.push([poolRow()]);
  const open: Stream[] = [];
  for (let step = 0; step < 4_000; step++) {
    if (open.length < 300 && random.below(5) > 1) {
      open.push(rig.send({ thread: `worker-${random.below(3)}` }));
    } else if (open.length > 0) {
      const stream = open.splice(random.below(open.length), 1)[0]!;
      if (random.below(2) === 0 && stream.upstreamHeaders !== undefined) {
        stream.respond([[":status", "200"]], false);
        if (random.below(2) === 0) stream.respondBody("x", true);
      }
      stream.finish();
    }
    if (step % 50 === 0) rig.process.advance(25);
  }
  rig.process.advance(1_200);
  const inFlight = [...rig.inFlight().values()].reduce((sum, requests) => sum + requests, 0);
  assert.equal(inFlight, open.length, `seed ${seed}`);
  while (open.length > 0) open.splice(random.below(open.length), 1)[0]!.finish();
  rig.process.advance(1_200);
  assert.deepEqual(rig.inFlight(), new Map());
  for (const tally of rig.report().endpoints) {
    assert.deepEqual([tally.requests, tally.uncachedTokens, tally.residentTokens], [0, 0, 0n]);
  }
  rig.process.assertClean();
});

test("the roots see each other's requests within two ticks", () => {
  const rig = new Rig(MODULE, { workers: 2 });
  rig.push([poolRow()]);
  const streams = Array.from({ length: 8 }, () => rig.send({ thread: "worker-0" }));
  rig.process.advance(50);
  // Four endpoints with two requests each: the other worker, which has none of its own, sees a level field,
  // and after one more of ours the endpoint that got it comes last.
  const ninth = rig.send({ thread: "worker-0" });
  rig.process.advance(50);
  const busiest = picksOf(ninth)[0]!;
  for (let i = 0; i < 10; i++) {
    const stream = rig.send({ thread: "worker-1" });
    assert.ok(!picksOf(stream).includes(busiest), "the busiest of four is not among the best three");
    stream.finish();
  }
  for (const stream of [...streams, ninth]) stream.finish();
  rig.process.assertClean();
});

test("a configuration change keeps table, feed and counts; the old root's stream does not stay behind", () => {
  const rig = new Rig(MODULE, { workers: 2 });
  rig.push([poolRow()]);
  const held = rig.send();
  const old = rig.deployment;
  rig.deploy(generation(1));
  assert.ok(picksOf(rig.send()).length > 0, "the new root picks before its first tick");
  rig.process.advance(2_000);
  assert.equal(rig.streams().length, 1, "one stream an Envoy, also while two configurations tick");
  rig.process.retire(old);
  rig.process.advance(2_000);
  rig.push([poolRow()]);
  assert.ok(picksOf(rig.send()).length > 0);
  held.finish();
  rig.process.assertClean();
});

test("the old configuration may go before, or long after, the new one has started", () => {
  for (const waitMs of [0, 100, 60_000]) {
    const rig = new Rig(MODULE, { workers: 1 });
    rig.push([poolRow()]);
    const old = rig.deployment;
    rig.deploy(generation(1));
    rig.process.advance(waitMs);
    rig.process.retire(old);
    rig.process.advance(3_000);
    assert.equal(rig.streams().length, 1, `after ${waitMs} ms`);
    rig.push([poolRow()]);
    assert.ok(picksOf(rig.send()).length > 0);
    rig.process.assertClean();
  }
});

test("another module of the same vm_id takes over under load, and the old one ticks on without harm", () => {
  const rig = new Rig(MODULE, { workers: 2 });
  rig.push([poolRow()]);
  const old = rig.deployment;
  const feeds = [{ cluster: "inference-picker-controller", authority: "controller.test" }];
  const configuration = JSON.stringify({ generation: 1, feeds });
  rig.deployment = rig.process.deploy({ configuration }, filterModule());
  rig.process.advance(3_000);
  assert.equal(rig.streams().length, 1);
  assert.ok(picksOf(rig.send()).length > 0);
  rig.process.advance(30_000);
  assert.equal(rig.streams().length, 1, "the old generation does not fight for the lease");
  rig.process.retire(old);
  rig.process.advance(3_000);
  rig.push([poolRow()]);
  assert.ok(picksOf(rig.send()).length > 0);
  rig.process.assertClean();
});

test("a VM that goes with its configuration leaves nothing in flight behind, not for one heartbeat", () => {
  const rig = new Rig(MODULE, { workers: 1 });
  rig.push([poolRow()]);
  const old = rig.deployment;
  const held = rig.send();
  rig.process.advance(100);
  const feeds = [{ cluster: "inference-picker-controller", authority: "controller.test" }];
  const configuration = JSON.stringify({ generation: 1, feeds });
  rig.deployment = rig.process.deploy({ configuration }, filterModule());
  rig.process.advance(1_000);
  rig.push([poolRow()]);
  rig.process.advance(200);
  assert.deepEqual([...rig.inFlight().values()], [1], "the new VM knows of the old one's request");
  held.finish();
  rig.process.retire(old);
  rig.process.advance(200);
  assert.deepEqual(rig.inFlight(), new Map());
  rig.process.assertClean();
});

test("two hundred configurations and fifty traps leave keys, queues, metrics and memory as they were", () => {
  const rig = new Rig(MODULE, { workers: 2 });
  rig.push([poolRow()]);
  rig.process.advance(1_000);
  const shape = () => ({
    keys: rig.process.sharedData.keys(VM_ID).length,
    queues: rig.process.queues.names(VM_ID).length,
    metrics: rig.process.metrics.names().length,
  });
  let traps = 0;
  for (let swap = 1; swap <= 200; swap++) {
    const old = rig.deployment;
    rig.deploy(generation(swap));
    rig.process.advance(100);
    rig.process.retire(old);
    if (swap % 4 === 0) {
      const thread = `worker-${swap % 8 === 0 ? 0 : 1}`;
      const held = rig.send({ thread });
      rig.process.root(rig.deployment, thread).vm.kill();
      traps++;
      held.finish();
      assert.equal(
        rig.process.request(rig.deployment, thread, { headers: [] }),
        undefined,
        "503 for a while",
      );
      rig.process.advance(1_100);
      rig.send({ thread }).finish();
    }
    rig.process.advance(100);
  }
  rig.process.advance(5_000);
  assert.equal(traps, 50);
  const after = shape();
  // Two generations of three VMs may overlap, and a dead slot is free only after three seconds.
  assert.ok(after.keys <= 3 + 12, `${after.keys} keys: ${rig.process.sharedData.keys(VM_ID).join(", ")}`);
  assert.ok(after.queues <= 12, `${after.queues} queues`);
  assert.ok(after.metrics <= 20, `${after.metrics} metrics`);
  assert.ok(rig.process.queues.backlog() <= 12, `${rig.process.queues.backlog()} queued items`);
  assert.deepEqual(rig.inFlight(), new Map(), "what a dead VM had in flight is forgotten");
  assert.equal(rig.report().liveSlots, 3);
  for (const vm of rig.process.vms) assert.ok(vm.memory.bytes <= 16 * 1_048_576, `${vm.memory.bytes} bytes`);
  assert.equal(rig.streams().length, 1);
  rig.process.assertClean();
});

test("two roots that claim at once end up in two slots, each with its own queue", () => {
  // The other workers tick inside the first shared-data write of one: the worst moment for a claim.
  const rig = new Rig(MODULE, { workers: 4 });
  let nested = false;
  rig.process.interpose = (call, vm) => {
    if (call !== "proxy_set_shared_data" || nested) return;
    nested = true;
    for (const thread of rig.process.threads) {
      const root = rig.process.root(rig.deployment, thread);
      if (root.vm !== vm) root.tick();
    }
    nested = false;
  };
  rig.process.advance(25);
  rig.process.interpose = undefined;
  rig.push([poolRow()]);
  rig.process.advance(2_000);
  assert.equal(rig.streams().length, 1);
  assert.equal(rig.report().liveSlots, 5);
  for (const thread of rig.process.threads) assert.ok(picksOf(rig.send({ thread })).length > 0, thread);
  rig.process.assertClean();
});

test("a hundred thousand requests leave the guest's memory flat", () => {
  const rig = new Rig(MODULE, { workers: 1 });
  rig.push([
    poolRow({ clusters: ["cluster-a"] }),
    poolRow({
      name: "default/body",
      clusters: ["cluster-body"],
      readBody: true,
      knownModelsOnly: true,
      models: [{ name: "llama", adapter: false }],
    }),
  ]);
  const vm = rig.process.root(rig.deployment, "worker-0").vm;
  const round = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const kind = i % 4;
      if (kind === 0) rig.send().finish();
      else if (kind === 1) rig.send({ cluster: "elsewhere" }).finish();
      else {
        const model = kind === 2 ? "llama" : "unknown";
        rig.send({ cluster: "cluster-body", body: [`{"model":"${model}","messages":[]}`] }).finish();
      }
      if (i % 1_000 === 0) rig.process.advance(25);
    }
  };
  round(10_000);
  const before = vm.memory.bytes;
  round(90_000);
  assert.equal(vm.memory.bytes, before);
  assert.equal(vm.streams.size, 0);
  rig.process.assertClean();
});
