import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeTable } from "../../controller/src/table/decode.ts";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import { WireError } from "../../controller/src/table/wire-error.ts";
import { CONTROLLER, EPOCH, endpointRow, filterModule, POOL_A, picksOf, poolRow, Rig } from "./filter-rig.ts";
import { SeededRandom } from "./host.ts";

const MODULE = filterModule();

/** Milliseconds between dials, the failed ones included. */
function gaps(times: readonly bigint[]): number[] {
  return times.slice(1).map((time, index) => Number(time - times[index]!) / 1e6);
}

test("the first root that ticks holds the lease and dials with its own authority", () => {
  const rig = new Rig(MODULE, { workers: 3 });
  const stream = rig.connect();
  assert.deepEqual(
    { ...stream.request, metadata: [] },
    {
      cluster: CONTROLLER,
      authority: "controller.test",
      service: "inference_picker.feed.v1.Feed",
      method: "Stream",
      metadata: [],
    },
  );
  rig.process.advance(10_000);
  assert.equal(rig.process.grpc.streams.length, 1, "one Envoy, one stream");
  rig.process.assertClean();
});

test("the holder says hello at once, and names the table that it applied", () => {
  const rig = new Rig(MODULE);
  const stream = rig.connect();
  const hello = rig.report(stream);
  assert.equal(hello.node, "emulated-envoy");
  assert.deepEqual([hello.epoch, hello.sequence], [0n, 0n]);
  rig.push([poolRow()]);
  rig.process.advance(1_100);
  const later = rig.report(stream);
  assert.deepEqual([later.epoch, later.sequence], [EPOCH, 1n]);
  assert.equal(later.liveSlots, 3);
  rig.process.assertClean();
});

test("a table in force is reported within 150 ms, though nothing is in flight", () => {
  const rig = new Rig(MODULE);
  const stream = rig.connect();
  for (let sequence = 1n; sequence <= 5n; sequence++) {
    rig.push([poolRow()]);
    rig.process.advance(150);
    assert.equal(rig.report(stream).sequence, sequence);
  }
  rig.process.assertClean();
});

test("a controller that closes is dialled again, with growing pauses that stay below 1.5 s", () => {
  const rig = new Rig(MODULE);
  rig.connect();
  for (let round = 0; round < 12; round++) {
    rig.streams()[0]!.close(14);
    for (let waited = 0; rig.streams().length === 0; waited += 25) {
      assert.ok(waited < 2_000, "dialled again");
      rig.process.advance(25);
    }
  }
  const pauses = gaps(rig.process.grpc.streams.map((stream) => stream.dialledAtNs));
  for (const pause of pauses) assert.ok(pause >= 25 && pause <= 1_550, `${pause} ms`);
  assert.ok(Math.max(...pauses.slice(-5)) > 300, `no hammering: ${pauses.join(", ")}`);
  rig.push([poolRow()]);
  assert.ok(picksOf(rig.send()).length > 0);
  rig.process.assertClean();
});

test("a stream that its controller closed is given back, or Envoy keeps its handle until the root goes", () => {
  const rig = new Rig(MODULE);
  for (let round = 0; round < 5; round++) {
    rig.connect().close(14);
    rig.process.advance(2_000);
  }
  assert.equal(rig.process.grpc.unclosed().length, 0);
  rig.process.assertClean();
});

test("a controller that cannot be reached is dialled again and again, but not in every tick", () => {
  for (const mode of ["refuse", "gone"] as const) {
    const rig = new Rig(MODULE, {
      configuration: { feeds: [{ cluster: mode === "gone" ? "nowhere" : "down", authority: "x" }] },
    });
    rig.process.grpc.cluster("down", "refuse");
    rig.process.advance(20_000);
    const pauses = gaps(rig.process.grpc.failedDialsNs);
    assert.ok(pauses.length >= 10 && pauses.length <= 60, `${pauses.length} dials in 20 s`);
    for (const pause of pauses) assert.ok(pause <= 1_550, `${pause} ms`);
    rig.process.grpc.cluster(mode === "gone" ? "nowhere" : "down", "accept");
    rig.push([poolRow()]);
    assert.ok(picksOf(rig.send()).length > 0);
    rig.process.assertClean();
  }
});

test("when the holder's VM dies another root takes the feed within two seconds, and nothing is forgotten", () => {
  const rig = new Rig(MODULE, { workers: 2 });
  rig.push([poolRow()]);
  const first = rig.connect();
  const holder = rig.process.vms.find((vm) =>
    [...vm.roots.values()].some((root) => root.grpc.has(first.token)),
  )!;
  holder.kill();
  rig.process.advance(2_000);
  const second = rig.streams();
  assert.equal(second.length, 1);
  assert.notEqual(second[0], first);
  assert.equal(first.open, true, "the dead VM's stream hangs; the controller hears nothing");
  rig.push([poolRow({ endpoints: [endpointRow("10.0.0.7:1")] })]);
  for (const vm of rig.process.liveVms()) {
    if (vm.thread === "main") continue;
    assert.deepEqual(picksOf(rig.send({ thread: vm.thread })), ["10.0.0.7:1"]);
  }
  rig.process.assertClean();
});

test("a wall clock that jumps changes nothing: leases and ages follow the monotonic clock", () => {
  const rig = new Rig(MODULE);
  rig.push([poolRow()]);
  for (const jump of [3_600_000_000_000n, -7_200_000_000_000n]) {
    rig.process.clock.jumpWall(jump);
    rig.process.advance(5_000);
  }
  assert.equal(rig.process.grpc.streams.length, 1);
  assert.ok(picksOf(rig.send()).length > 0);
  rig.process.assertClean();
});

test("an older sequence is refused, a later epoch wins, and a controller that went away may be succeeded", () => {
  const rig = new Rig(MODULE);
  const only = (address: string) => [poolRow({ endpoints: [endpointRow(address)] })];
  const old = rig.table(only("10.0.0.1:1"));
  rig.push(only("10.0.0.2:1"));
  rig.connect().push(old);
  rig.process.settle();
  assert.deepEqual(picksOf(rig.send()), ["10.0.0.2:1"]);
  rig.push(only("10.0.0.3:1"), EPOCH + 1n);
  assert.deepEqual(picksOf(rig.send()), ["10.0.0.3:1"]);
  rig.process.assertClean();
});

test("four thousand poisoned messages change nothing, never trap, and the two readers agree on each", () => {
  const seed = 42;
  const random = new SeededRandom(seed);
  const rig = new Rig(MODULE, { workers: 1 });
  rig.push([poolRow()]);
  const counter = (name: string): bigint =>
    rig.process.metrics.counter(`inference_picker.feed.${name}`) ?? 0n;
  let refused = 0;
  let epoch = EPOCH + 1n;
  for (let round = 0; round < 4_000; round++) {
    const good = rig.table(
      [poolRow({ models: [{ name: "llama", adapter: false }], objectives: [{ name: "o", priority: 1 }] })],
      epoch,
    );
    const bytes = poisoned(good, random);
    const expected = verdictOf(bytes);
    const before = counter("tables_accepted");
    rig.connect().push(bytes);
    rig.process.settle();
    const accepted = counter("tables_accepted") > before;
    if (accepted) {
      assert.equal(expected, undefined, `seed ${seed} round ${round}: taken, against refusal ${expected}`);
      epoch += 1n << 32n;
      rig.push([poolRow()], epoch);
    } else if (expected !== undefined) refused++;
    const picks = picksOf(rig.send({ thread: "worker-0" }));
    assert.ok(
      picks.length > 0 && picks.every((pick) => POOL_A.includes(pick)),
      `seed ${seed} round ${round}`,
    );
    for (const vm of rig.process.liveVms()) for (const stream of [...vm.streams.values()]) stream.finish();
  }
  assert.ok(refused > 1_000, `${refused} were refused`);
  rig.process.assertClean();
});

function poisoned(good: Uint8Array, random: SeededRandom): Uint8Array {
  const bytes = Uint8Array.from(good);
  const view = new DataView(bytes.buffer);
  // Epoch and sequence stay: which of two good tables is newer is not what is tested here.
  const anywhere = (): number => {
    const at = random.below(bytes.length);
    return at >= 16 && at < 32 ? 0 : at;
  };
  switch (random.below(4)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length));
    case 1:
      for (let edits = 1 + random.below(4); edits > 0; edits--) bytes[anywhere()] = random.below(256);
      return bytes;
    case 2: {
      const at = Math.min(anywhere() & ~3, bytes.length - 4);
      view.setUint32(
        at >= 16 && at < 32 ? 32 : at,
        [0xffffffff, 0x7fffffff, 0x80000000, 0x10000][random.below(4)]!,
        true,
      );
      return bytes;
    }
    default:
      // The directory: offsets, counts and strides of sections.
      view.setUint16(40 + 2 * random.below(54), random.below(65_536), true);
      return bytes;
  }
}

function verdictOf(bytes: Uint8Array): string | undefined {
  try {
    decodeTable(bytes);
    return undefined;
  } catch (error) {
    // Names are bytes to the filter: one that is not UTF-8 matches nothing, and is not looked at closer.
    if (error instanceof WireError && error.bound === "UTF-8") return undefined;
    if (error instanceof WireError) return `${error.refusal} ${error.message}`;
    throw error;
  }
}

test("shared data that a stranger scribbled over never traps anyone, and heals", () => {
  const seed = 3;
  const random = new SeededRandom(seed);
  const rig = new Rig(MODULE, { workers: 2 });
  rig.push([poolRow()]);
  for (let round = 0; round < 500; round++) {
    const keys = rig.process.sharedData.keys("inference-picker");
    const key = keys[random.below(keys.length)]!;
    const present = rig.process.sharedData.get("inference-picker", key)!.bytes;
    const bytes = Uint8Array.from(present.subarray(0, random.below(present.length + 1)));
    for (let edits = random.below(6); edits > 0 && bytes.length > 0; edits--) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    rig.process.sharedData.set("inference-picker", key, bytes, 0);
    rig.process.advance(50);
  }
  for (const trap of rig.process.traps) assert.fail(`seed ${seed}: ${trap.error.message} in ${trap.phase}`);
});

test("an endpoint that leaves and comes back still has what is in flight to it", () => {
  const rig = new Rig(MODULE, { workers: 1 });
  const pools = (...addresses: string[]) => [poolRow({ endpoints: addresses.map((a) => endpointRow(a)) })];
  rig.push(pools("10.0.0.1:1"));
  const held = rig.send();
  assert.deepEqual(picksOf(held), ["10.0.0.1:1"]);
  rig.process.advance(1_200);
  const id = fnv1a64("10.0.0.1:1");
  assert.equal(rig.inFlight().get(id), 1);
  rig.push(pools("10.0.0.2:1"));
  assert.deepEqual(picksOf(rig.send()), ["10.0.0.2:1"]);
  rig.process.advance(1_200);
  rig.push(pools("10.0.0.1:1", "10.0.0.2:1"));
  rig.process.advance(1_200);
  assert.equal(rig.inFlight().get(id), 1, "reported by the holder, which is not the root that picked");
  held.finish();
  rig.process.advance(1_200);
  assert.equal(rig.inFlight().get(id), undefined);
  rig.process.assertClean();
});

test("of two controllers the one that started later is followed, and the other one once that is gone", () => {
  const feeds = [
    { cluster: CONTROLLER, authority: "one" },
    { cluster: "second", authority: "two" },
  ];
  const rig = new Rig(MODULE, { workers: 1 });
  rig.process.grpc.cluster("second", "accept");
  rig.process.retire(rig.deployment);
  rig.deploy({ feeds });
  rig.process.advance(1_000);
  const [older, later] = rig.streams();
  const tableOf = (address: string, epoch: bigint) =>
    rig.table([poolRow({ endpoints: [endpointRow(address)] })], epoch);
  const picked = (): string[] => {
    rig.process.settle();
    return picksOf(rig.send());
  };
  older!.push(tableOf("10.0.0.1:1", EPOCH));
  assert.deepEqual(picked(), ["10.0.0.1:1"]);
  later!.push(tableOf("10.0.0.2:1", EPOCH + 1n));
  assert.deepEqual(picked(), ["10.0.0.2:1"]);
  older!.push(tableOf("10.0.0.3:1", EPOCH));
  assert.deepEqual(picked(), ["10.0.0.2:1"]);
  later!.close(14);
  older!.push(tableOf("10.0.0.4:1", EPOCH));
  assert.deepEqual(picked(), ["10.0.0.4:1"]);
  assert.ok(older!.sent.length > 0 && later!.sent.length > 0, "both are reported to");
  rig.process.assertClean();
});
