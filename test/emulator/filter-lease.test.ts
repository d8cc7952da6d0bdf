import assert from "node:assert/strict";
import { test } from "node:test";
import { EPOCH, endpointRow, filterModule, picksOf, poolRow, Rig } from "./filter-rig.ts";
import type { GrpcStream, Vm } from "./host.ts";

const MODULE = filterModule();
const VM_ID = "inference-picker";

const only = (address: string) => [poolRow({ endpoints: [endpointRow(address)] })];

/** The VM that dialled the stream. */
function vmOf(rig: Rig, stream: GrpcStream): Vm {
  return rig.process.vms.find((vm) => [...vm.roots.values()].some((root) => root.grpc.has(stream.token)))!;
}

/** The VM's thread hangs: no tick until `wake`. */
function stall(vm: Vm): void {
  for (const root of vm.roots.values()) root.nextTickNs = undefined;
}

function wake(vm: Vm): void {
  for (const root of vm.roots.values()) root.setTickPeriod(root.tickPeriodMs);
}

/** The whole Envoy stands still: time passes, and nobody ticks. */
function freeze(rig: Rig, ms: number): void {
  rig.process.clock.forward(BigInt(ms) * 1_000_000n);
  for (const vm of rig.process.liveVms()) wake(vm);
}

function otherStream(rig: Rig, first: GrpcStream): GrpcStream {
  const others = rig.streams().filter((stream) => stream !== first);
  assert.equal(others.length, 1, "another VM dialled");
  return others[0]!;
}

/** What a request on each worker is sent to. */
function picked(rig: Rig): string[][] {
  return rig.process.threads
    .filter((thread) => thread !== "main")
    .map((thread) => picksOf(rig.send({ thread })));
}

test("a holder that learns of its lost lease from a message lets the stream go and stores nothing", () => {
  const rig = new Rig(MODULE);
  rig.push(only("10.0.0.1:1"));
  const first = rig.connect();
  const sleeper = vmOf(rig, first);
  stall(sleeper);
  rig.process.advance(1_500);
  const second = otherStream(rig, first);
  second.push(rig.table(only("10.0.0.2:1")));
  rig.process.settle();
  // It wakes on the message, before its tick.
  first.push(rig.table(only("10.0.0.3:1")));
  rig.process.settle();
  assert.equal(first.open, false, "the stream is closed at once");
  wake(sleeper);
  rig.process.advance(100);
  assert.deepEqual(picked(rig), [["10.0.0.2:1"], ["10.0.0.2:1"]]);
  assert.deepEqual(rig.streams(), [second]);
  second.push(rig.table(only("10.0.0.4:1")));
  rig.process.settle();
  assert.deepEqual(picked(rig), [["10.0.0.4:1"], ["10.0.0.4:1"]]);
  rig.process.assertClean();
});

/** Host calls of a holder's `proxy_on_grpc_receive`, in whose midst another VM takes the lease. */
for (const call of ["proxy_get_shared_data", "proxy_get_buffer_bytes", "proxy_set_shared_data"]) {
  for (const nth of [1, 2, 3]) {
    test(`a lease that is lost at call ${nth} of ${call} in a message's midst costs nobody's table`, () => {
      const rig = new Rig(MODULE);
      rig.push(only("10.0.0.1:1"));
      const first = rig.connect();
      const sleeper = vmOf(rig, first);
      const other = rig.process.liveVms().find((vm) => vm !== sleeper)!;
      // Nobody ticks for longer than the lease: it is the sleeper's until somebody else claims it.
      freeze(rig, 1_500);
      let calls = 0;
      rig.process.interpose = (name, vm) => {
        if (vm !== sleeper || name !== call || ++calls !== nth) return;
        rig.process.interpose = undefined;
        for (const root of other.roots.values()) root.tick();
        otherStream(rig, first).push(rig.table(only("10.0.0.2:1")));
      };
      first.push(rig.table(only("10.0.0.3:1")));
      const interposed = rig.process.interpose === undefined;
      rig.process.interpose = undefined;
      rig.process.advance(200);
      const everyone = picked(rig);
      if (interposed) assert.deepEqual(everyone, [["10.0.0.2:1"], ["10.0.0.2:1"]]);
      else assert.deepEqual(everyone, [["10.0.0.3:1"], ["10.0.0.3:1"]]);
      assert.equal(rig.streams().length, 1);
      rig.push(only("10.0.0.5:1"));
      assert.deepEqual(picked(rig), [["10.0.0.5:1"], ["10.0.0.5:1"]]);
      rig.process.assertClean();
    });
  }
}

test("a thread that slept longer than the lease, and nobody claimed it, goes on as if nothing had been", () => {
  const rig = new Rig(MODULE);
  rig.push(only("10.0.0.1:1"));
  const first = rig.connect();
  freeze(rig, 1_500);
  first.push(rig.table(only("10.0.0.2:1")));
  rig.process.settle();
  assert.deepEqual(picked(rig), [["10.0.0.2:1"], ["10.0.0.2:1"]]);
  rig.process.advance(2_000);
  assert.deepEqual(rig.streams(), [first]);
  rig.process.assertClean();
});

test("a message for a stream that was let go is not even fetched", () => {
  const rig = new Rig(MODULE);
  rig.push(only("10.0.0.1:1"));
  const first = rig.connect();
  const sleeper = vmOf(rig, first);
  stall(sleeper);
  rig.process.advance(1_500);
  wake(sleeper);
  rig.process.advance(50);
  const before = sleeper.calls.total;
  first.push(rig.table(only("10.0.0.2:1")));
  assert.equal(sleeper.calls.total, before);
  rig.process.assertClean();
});

test("a message beyond the largest is refused before it is fetched", () => {
  const rig = new Rig(MODULE, { workers: 1 });
  rig.push(only("10.0.0.1:1"));
  const stream = rig.connect();
  const vm = vmOf(rig, stream);
  const memory = vm.memory.bytes;
  const refused = () => rig.process.metrics.counter("inference_picker.feed.tables_refused") ?? 0n;
  const before = refused();
  stream.push(new Uint8Array(64 * 1_048_576));
  stream.push(new Uint8Array(4 * 1_048_576 + 1));
  assert.equal(refused(), before + 2n);
  assert.ok(vm.memory.bytes <= memory + 65_536, `${memory} bytes grew to ${vm.memory.bytes}`);
  rig.process.advance(1_100);
  const report = rig.report(stream);
  assert.deepEqual([report.tablesRefused, report.lastRefusal], [2, 2]);
  rig.push(only("10.0.0.2:1"));
  assert.deepEqual(picksOf(rig.send()), ["10.0.0.2:1"]);
  rig.process.assertClean();
});

test("a lease whose expiry nobody could have written is claimed at once", () => {
  const rig = new Rig(MODULE, { workers: 1 });
  rig.push(only("10.0.0.1:1"));
  const key = rig.process.sharedData.keys(VM_ID).find((name) => name.endsWith("/lease"))!;
  for (const expiresMs of [1e15, Number.NaN, Number.POSITIVE_INFINITY]) {
    const lease = Buffer.from(rig.process.sharedData.get(VM_ID, key)!.bytes);
    lease.writeBigUInt64LE(12345n, 8);
    lease.writeDoubleLE(expiresMs, 16);
    rig.process.sharedData.set(VM_ID, key, lease, 0);
    rig.process.advance(1_000);
    assert.equal(rig.streams().length, 1, `${expiresMs}`);
    rig.push(only("10.0.0.2:1"));
    assert.ok(picksOf(rig.send()).length > 0);
  }
  rig.process.assertClean();
});

test("an epoch keeps older ones out by its good tables only", () => {
  const feeds = [
    { cluster: "first", authority: "one" },
    { cluster: "second", authority: "two" },
  ];
  const rig = new Rig(MODULE, { workers: 1, configuration: { feeds } });
  for (const { cluster } of feeds) rig.process.grpc.cluster(cluster, "accept");
  rig.process.advance(1_000);
  const [older, later] = rig.streams();
  const tableOf = (address: string, epoch: bigint) => rig.table(only(address), epoch);
  const counter = (name: string) => rig.process.metrics.counter(`inference_picker.feed.${name}`) ?? 0n;
  later!.push(tableOf("10.0.0.2:1", EPOCH + 1n));
  older!.push(tableOf("10.0.0.1:1", EPOCH));
  rig.process.settle();
  assert.deepEqual(picksOf(rig.send()), ["10.0.0.2:1"]);
  assert.equal(counter("tables_outranked"), 1n);
  assert.equal(counter("tables_refused"), 0n);
  // From now on the later one sends nothing that can be read, but never falls silent.
  for (let ms = 0; ms < 2_500; ms += 250) {
    later!.push(tableOf("10.0.0.3:1", EPOCH + 1n).subarray(0, 100));
    rig.process.advance(250);
  }
  older!.push(tableOf("10.0.0.4:1", EPOCH));
  rig.process.settle();
  assert.deepEqual(picksOf(rig.send()), ["10.0.0.4:1"]);
  later!.push(tableOf("10.0.0.5:1", EPOCH + 1n));
  rig.process.settle();
  assert.deepEqual(picksOf(rig.send()), ["10.0.0.5:1"], "once it is well again, the later one leads");
  rig.process.assertClean();
});
