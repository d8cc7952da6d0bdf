import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pino } from "pino";
import { LeaderLease } from "./lease.ts";
import { TestApi } from "./test-api.ts";
import { TestClock } from "./test-clock.ts";

const PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases/inference-picker";
const DURATION_MS = 15_000;

interface Spec {
  holderIdentity: string;
  leaseDurationSeconds: number;
  leaseTransitions: number;
  acquireTime: string;
  renewTime: string;
}

/** Numbers of a fixed sequence in [0, 1). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

function rig() {
  const clock = new TestClock();
  const api = new TestApi(clock);
  let seed = 1;
  const replica = (identity: string, options: { wallOffsetMs?: number; durationMs?: number } = {}) => {
    const state = { isCutOff: false, changes: [] as boolean[] };
    seed += 17;
    const lease = new LeaderLease({
      api: api.client(() => state.isCutOff),
      namespace: "system",
      name: "inference-picker",
      identity,
      leaseDurationMs: options.durationMs,
      renewMs: options.durationMs === undefined ? undefined : options.durationMs / 3,
      onChange: (leading) => state.changes.push(leading),
      logger: pino({ level: "silent" }),
      nowMs: clock.now,
      wallMs: () => clock.wall() + (options.wallOffsetMs ?? 0),
      random: chance(seed),
      setTimer: clock.setTimer,
    });
    lease.start();
    return { lease, state };
  };
  const spec = () => api.get(PATH)?.spec as Spec;
  /** Lets time pass in small steps and checks that never two lead at a time; gives the ms until `until`. */
  const passUntil = async (until: () => boolean, replicas: readonly LeaderLease[], mostMs: number) => {
    const beganMs = clock.nowMs;
    while (!until()) {
      assert.ok(clock.nowMs - beganMs < mostMs, `not within ${mostMs} ms`);
      await clock.pass(10);
      assert.ok(replicas.filter(({ leading }) => leading).length <= 1, "two lead");
    }
    return clock.nowMs - beganMs;
  };
  return { clock, api, replica, spec, passUntil };
}

describe("the lease", () => {
  it("is made and held by the first that asks, in the form that the API server takes", async () => {
    const { clock, replica, spec } = rig();
    const { lease, state } = replica("a");
    assert.equal(lease.leading, false);
    await clock.pass(0);
    assert.equal(lease.leading, true);
    assert.deepEqual(state.changes, [true]);
    assert.deepEqual(spec(), {
      holderIdentity: lease.identity,
      leaseDurationSeconds: 15,
      acquireTime: "2026-01-02T03:04:05.000000Z",
      renewTime: "2026-01-02T03:04:05.000000Z",
      leaseTransitions: 0,
    });
    assert.match(lease.identity, /^a_[0-9a-f]{8}$/);
  });

  it("is renewed for as long as it is held, and is one change for others", async () => {
    const { clock, api, replica, spec } = rig();
    const { lease, state } = replica("a");
    const { lease: other } = replica("b");
    await clock.pass(600_000);
    assert.equal(lease.leading, true);
    assert.equal(other.leading, false);
    assert.deepEqual(state.changes, [true]);
    assert.equal(spec().leaseTransitions, 0);
    assert.ok(clock.wall() - Date.parse(spec().renewTime) <= 5_000);
    const renewals = api.log.filter((line) => line.startsWith("PUT")).length;
    assert.ok(renewals >= 120 && renewals <= 140, `${renewals} renewals`);
  });

  it("goes to another within its duration of the holder's death, whenever that comes, and never sooner than the holder stops", async () => {
    for (let deathMs = 1; deathMs < 5_000; deathMs += 311) {
      const { clock, replica, spec, passUntil } = rig();
      const a = replica("a");
      await clock.pass(0);
      const b = replica("b");
      await clock.pass(20_000 + deathMs);
      // A process that is gone sends nothing, but nothing tells it that it does not lead: its own time does.
      a.state.isCutOff = true;
      const tookMs = await passUntil(() => b.lease.leading, [a.lease, b.lease], 60_000);
      assert.ok(tookMs <= 0.94 * DURATION_MS + 10, `${tookMs} ms after a death at ${deathMs}`);
      assert.equal(spec().leaseTransitions, 1);
      assert.equal(spec().holderIdentity, b.lease.identity);
      assert.deepEqual(a.state.changes, [true, false]);
    }
  });

  it("does not compare clocks of machines", async () => {
    for (const wallOffsetMs of [-86_400_000, 86_400_000]) {
      const { clock, replica } = rig();
      const a = replica("a", { wallOffsetMs });
      await clock.pass(0);
      const b = replica("b");
      await clock.pass(120_000);
      assert.deepEqual([a.lease.leading, b.lease.leading], [true, false]);
    }
  });

  it("is not held any more by one that cannot renew it, before another may hold it", async () => {
    const { clock, replica } = rig();
    const { lease, state } = replica("a");
    await clock.pass(5_000);
    state.isCutOff = true;
    await clock.pass(4_999);
    assert.equal(lease.leading, true);
    await clock.pass(6_000);
    assert.equal(lease.leading, false);
    assert.deepEqual(state.changes, [true, false]);
  });

  it("comes back to its holder after an outage in which nobody else took it", async () => {
    const { clock, replica, spec } = rig();
    const { lease, state } = replica("a");
    await clock.pass(0);
    state.isCutOff = true;
    await clock.pass(60_000);
    assert.equal(lease.leading, false);
    state.isCutOff = false;
    await clock.pass(5_000);
    assert.equal(lease.leading, true);
    assert.equal(spec().leaseTransitions, 0);
    assert.deepEqual(state.changes, [true, false, true]);
  });

  it("is kept where a renewal was applied and its answer lost", async () => {
    const { clock, api, replica } = rig();
    const { lease, state } = replica("a");
    await clock.pass(0);
    let lost = 0;
    api.fault = ({ method }) => (method === "PUT" && lost++ === 0 ? "answer lost" : undefined);
    await clock.pass(60_000);
    assert.ok(lost > 1);
    assert.equal(lease.leading, true);
    assert.deepEqual(state.changes, [true]);
  });

  it("is given back at the end, and the next one has it with its next poll", async () => {
    const { clock, replica, spec, passUntil } = rig();
    const a = replica("a");
    await clock.pass(0);
    const b = replica("b");
    await clock.pass(7_000);
    await a.lease.close();
    assert.equal(a.lease.leading, false);
    assert.deepEqual(a.state.changes, [true, false]);
    assert.equal(spec().holderIdentity, "");
    const tookMs = await passUntil(() => b.lease.leading, [a.lease, b.lease], 60_000);
    assert.ok(tookMs <= 1_500, `${tookMs} ms`);
  });

  it("is not touched by the end of one that does not hold it", async () => {
    const { clock, replica, spec } = rig();
    const a = replica("a");
    await clock.pass(0);
    const b = replica("b");
    await clock.pass(5_000);
    await b.lease.close();
    await clock.pass(60_000);
    assert.equal(spec().holderIdentity, a.lease.identity);
    assert.deepEqual(b.state.changes, []);
  });

  it("is waited out by a holder's successor of the same name", async () => {
    const { clock, replica } = rig();
    const a = replica("a");
    await clock.pass(5_000);
    a.state.isCutOff = true;
    const successor = replica("a");
    await clock.pass(8_000);
    assert.equal(successor.lease.leading, false);
    await clock.pass(8_000);
    assert.equal(successor.lease.leading, true);
  });

  it("keeps what others have written into the object", async () => {
    const { clock, api, replica, spec } = rig();
    const { lease, state } = replica("a");
    await clock.pass(0);
    const found = api.get(PATH)!;
    const metadata = { ...(found.metadata as object), annotations: { "example.com/owner": "team" } };
    api.put(PATH, { ...found, metadata, other: { kept: true } });
    await clock.pass(20_000);
    const after = api.get(PATH)!;
    assert.deepEqual((after.metadata as { annotations: unknown }).annotations, {
      "example.com/owner": "team",
    });
    assert.deepEqual(after.other, { kept: true });
    assert.equal(spec().holderIdentity, lease.identity);
    assert.deepEqual(state.changes, [true]);
  });

  it("is lost at once to whoever takes it against the rules", async () => {
    const { clock, api, replica, spec } = rig();
    const { lease, state } = replica("a");
    await clock.pass(0);
    const found = api.get(PATH)!;
    api.put(PATH, { ...found, spec: { ...spec(), holderIdentity: "operator" } });
    await clock.pass(5_000);
    assert.equal(lease.leading, false);
    assert.deepEqual(state.changes, [true, false]);
    assert.equal(spec().holderIdentity, "operator");
  });

  it("is made again where it was deleted", async () => {
    const { clock, api, replica, spec } = rig();
    const { lease } = replica("a");
    await clock.pass(0);
    api.delete(PATH);
    await clock.pass(5_000);
    assert.equal(lease.leading, true);
    assert.equal(spec().leaseTransitions, 0);
  });

  it("goes to exactly one of many that ask at the same time", async () => {
    const { clock, replica, passUntil } = rig();
    const all = ["a", "b", "c", "d"].map((name) => replica(name).lease);
    await passUntil(() => all.some(({ leading }) => leading), all, 1_000);
    await clock.pass(30_000);
    assert.equal(all.filter(({ leading }) => leading).length, 1);
  });

  it("counts the duration that the holder has written", async () => {
    const { clock, replica, passUntil } = rig();
    const a = replica("a", { durationMs: 60_000 });
    await clock.pass(1_000);
    const b = replica("b");
    await clock.pass(5_000);
    a.state.isCutOff = true;
    const tookMs = await passUntil(() => b.lease.leading, [a.lease, b.lease], 90_000);
    assert.ok(tookMs > 45_000, `${tookMs} ms`);
  });

  it("does not go to one whose permissions do not suffice, which goes on asking", async () => {
    const { clock, api, replica } = rig();
    api.fault = () => 403;
    const { lease } = replica("a");
    await clock.pass(60_000);
    assert.equal(lease.leading, false);
    api.fault = () => undefined;
    await clock.pass(5_000);
    assert.equal(lease.leading, true);
  });

  it("refuses durations under which two could write at a time", () => {
    const { replica } = rig();
    assert.throws(() => replica("a", { durationMs: 1_500 }), /1500 is not whole seconds/);
    assert.throws(() => replica("a", { durationMs: 0 }), /0 is not whole seconds, at least 1000/);
  });
});
