import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_PICKING } from "../../controller/src/table/encode-picking.ts";
import { endpointRow, filterModule, PICK_HEADER, picksOf, POOL_A, poolRow, Rig } from "./filter-rig.ts";
import type { Vm } from "./host.ts";

const MODULE = filterModule();
const VM_ID = "inference-picker";
const FEEDS = [{ cluster: "inference-picker-controller", authority: "controller.test" }];

/** The VM's thread hangs until `wake`. */
function stall(vm: Vm): void {
  for (const root of vm.roots.values()) root.nextTickNs = undefined;
}

function wake(vm: Vm): void {
  for (const root of vm.roots.values()) root.setTickPeriod(root.tickPeriodMs);
}

function values(rig: Rig, kind: string): Buffer[] {
  return rig.process.sharedData
    .keys(VM_ID)
    .filter((key) => key.includes(`/${kind}`))
    .map((key) => Buffer.from(rig.process.sharedData.get(VM_ID, key)!.bytes));
}

function flying(rig: Rig): number {
  return [...rig.inFlight().values()].reduce((sum, requests) => sum + requests, 0);
}

/** A worker that held its slot, slept over it, and lost it to a worker of another module. */
function withLostSlot(): { rig: Rig; sleeper: Vm; inFlight: number } {
  const rig = new Rig(MODULE);
  rig.push([poolRow()]);
  const sleeper = rig.process.root(rig.deployment, "worker-0").vm;
  for (let i = 0; i < 3; i++) rig.send({ thread: "worker-0" });
  rig.process.advance(200);
  assert.equal(flying(rig), 3);
  stall(sleeper);
  // The newcomers' main thread claims the first free slot, so that the next one is a worker's.
  rig.process.root(rig.deployment, "main").vm.kill();
  rig.process.advance(3_500);
  const configuration = JSON.stringify({ generation: 1, feeds: FEEDS });
  rig.deployment = rig.process.deploy({ configuration }, filterModule());
  rig.process.advance(500);
  assert.equal(flying(rig), 0, "as good as dead");
  return { rig, sleeper, inFlight: 3 };
}

test("a VM that lost its slot takes another and says again what it has in flight", () => {
  const { rig, sleeper, inFlight } = withLostSlot();
  wake(sleeper);
  rig.process.advance(300);
  assert.equal(flying(rig), inFlight, "though nothing changed since");
  assert.equal(rig.report().liveSlots, 5);
  rig.process.assertClean();
});

test("a root that takes over a lost slot's queue leaves it to the new owner", () => {
  const { rig, sleeper } = withLostSlot();
  // A root of its own for the sleeper: the active one of its VM, which has to register the queue.
  const newer = rig.deployment;
  for (const root of sleeper.roots.values()) root.setTickPeriod(0);
  rig.process.deploy({ configuration: JSON.stringify({ generation: 1, feeds: FEEDS, tickMs: 30 }) });
  rig.process.advance(500);
  rig.push([poolRow({ endpoints: [endpointRow("10.0.0.9:1")] })]);
  for (const thread of ["worker-0", "worker-1"]) {
    assert.deepEqual(
      picksOf(rig.send({ thread })),
      ["10.0.0.9:1"],
      `${thread} was woken, and did not wait for its tick`,
    );
  }
  assert.equal(rig.deployment, newer);
  rig.process.assertClean();
});

test("others that send nothing are not taken to have sent as much as this VM since they did", () => {
  const picking = { ...DEFAULT_PICKING, subsetHeader: true };
  const rig = new Rig(MODULE);
  rig.push([poolRow({ picking, endpoints: POOL_A.slice(0, 2).map((address) => endpointRow(address)) })]);
  const [first, second] = POOL_A as [string, string];
  const sendTo = (thread: string, subset: string) =>
    rig.send({ thread, headers: [["x-gateway-destination-endpoint-subset", subset]] });
  sendTo("worker-0", first);
  for (let i = 0; i < 3; i++) sendTo("worker-1", second);
  rig.process.advance(200);
  sendTo("worker-0", first);
  rig.process.advance(200);
  assert.equal(
    picksOf(rig.send({ thread: "worker-0" }))[0],
    first,
    "two in flight there, three at the other",
  );
  rig.process.assertClean();
});

test("slots name busy endpoints only, and picks of idle ones are in the totals all the same", () => {
  const rig = new Rig(MODULE);
  const addresses = Array.from({ length: 500 }, (_, index) => `10.1.${index >> 8}.${index & 255}:80`);
  rig.push([poolRow({ profile: "round-robin", endpoints: addresses.map((each) => endpointRow(each)) })]);
  for (let i = 0; i < 2_000; i++) {
    rig.send({ thread: `worker-${i % 2}` }).finish();
    if (i % 100 === 0) rig.process.advance(25);
  }
  const held = rig.send();
  rig.process.advance(1_500);
  const sizes = values(rig, "slot/").map((value) => value.length);
  assert.equal(sizes.length, 3);
  assert.ok(Math.max(...sizes) <= 64, `${sizes.join(", ")} bytes`);
  const picks = () => rig.report().endpoints.reduce((sum, tally) => sum + tally.picks, 0n);
  assert.equal(picks(), 2_001n);
  // Also for the next holder of the lease, in its first report.
  const holder = rig.process.vms.find((vm) => [...vm.roots.values()].some((root) => root.grpc.size > 0))!;
  assert.equal(holder.thread, "main", "which picks nothing itself");
  holder.kill();
  rig.process.advance(1_200);
  const [stream] = rig.streams();
  assert.ok(stream !== undefined && stream.sent.length > 0);
  assert.equal(picks(), 2_001n);
  held.finish();
  rig.process.assertClean();
});

test("a VM that dies with a slot leaves no phantom in flight to whoever claims it", () => {
  const rig = new Rig(MODULE);
  rig.push([poolRow()]);
  for (let i = 0; i < 5; i++) rig.send({ thread: "worker-0" });
  rig.process.advance(200);
  assert.equal(flying(rig), 5);
  rig.process.root(rig.deployment, "worker-0").vm.kill();
  // The newcomers claim within the very tick in which the slot falls free.
  rig.process.advance(2_900);
  rig.process.deploy({ configuration: JSON.stringify({ generation: 1, feeds: FEEDS }) }, filterModule());
  rig.process.advance(1_000);
  assert.equal(flying(rig), 0);
  rig.process.assertClean();
});

test("a VM without a free slot counts that, goes on picking, and takes the first that falls free", () => {
  const rig = new Rig(MODULE, { workers: 1 });
  rig.push([poolRow()]);
  rig.process.advance(100);
  const keys = rig.process.sharedData.keys(VM_ID).filter((key) => key.includes("/slot/"));
  const prefix = keys[0]!.replace(/slot\/\d+$/, "slot/");
  const nowMs = Number(rig.process.clock.monotonicNs) / 1e6;
  for (let slot = 0; slot < 256; slot++) {
    const value = Buffer.alloc(32);
    value.writeBigUInt64LE(BigInt(1_000 + slot), 0);
    value.writeDoubleLE(nowMs + 2_000, 8);
    rig.process.sharedData.set(VM_ID, `${prefix}${slot}`, value, 0);
  }
  const counter = () => rig.process.metrics.counter("inference_picker.slots_exhausted") ?? 0n;
  rig.process.advance(2_000);
  assert.ok(counter() >= 2n, `${counter()}`);
  assert.ok(counter() <= 12n, `${counter()}: one look costs 256 host calls`);
  const held = rig.send();
  assert.equal(held.upstreamHeaders!.getAll(PICK_HEADER).length, 1);
  rig.process.advance(4_000);
  assert.equal(rig.report().liveSlots, 2);
  assert.equal(flying(rig), 1);
  held.finish();
  rig.process.assertClean();
});
