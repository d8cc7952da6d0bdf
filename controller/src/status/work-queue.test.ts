import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pino } from "pino";
import { KubernetesError } from "../kubernetes/kubernetes-error.ts";
import { TestClock } from "./test-clock.ts";
import { TokenBucket } from "./token-bucket.ts";
import { WorkQueue } from "./work-queue.ts";

function rig(burst = 1_000, refillMs = 1) {
  const clock = new TestClock();
  const ran: [key: string, atMs: number][] = [];
  const state = {
    isOpen: true,
    run: async (_key: string): Promise<boolean> => true,
    waitMs: (_key: string): number => 0,
  };
  const queue = new WorkQueue({
    run: (key) => {
      ran.push([key, clock.nowMs]);
      return state.run(key);
    },
    waitMs: (key) => state.waitMs(key),
    isOpen: () => state.isOpen,
    bucket: new TokenBucket(burst, refillMs, clock.now),
    what: "test",
    logger: pino({ level: "silent" }),
    nowMs: clock.now,
    random: () => 0,
    setTimer: clock.setTimer,
  });
  const takeMs = (durationMs: number) => () =>
    new Promise<boolean>((resolve) => void clock.setTimer(() => resolve(true), durationMs));
  return { clock, queue, ran, state, takeMs };
}

describe("the work queue", () => {
  it("runs a key that was added often once, and one at a time", async () => {
    const { clock, queue, ran, state, takeMs } = rig();
    state.run = takeMs(100);
    queue.add("a");
    for (let turn = 0; turn < 3; turn += 1) queue.add("b");
    queue.add("c");
    await clock.pass(1_000);
    assert.deepEqual(ran, [
      ["a", 0],
      ["b", 100],
      ["c", 200],
    ]);
  });

  it("runs a key again that was added while it ran", async () => {
    const { clock, queue, ran, state, takeMs } = rig();
    state.run = takeMs(100);
    queue.add("a");
    await clock.pass(50);
    queue.add("a");
    queue.add("a");
    await clock.pass(1_000);
    assert.deepEqual(ran, [
      ["a", 0],
      ["a", 100],
    ]);
  });

  it("takes the earlier of two times", async () => {
    const { clock, queue, ran } = rig();
    queue.add("a", 500);
    queue.add("a", 200);
    queue.add("a", 800);
    await clock.pass(1_000);
    assert.deepEqual(ran, [["a", 200]]);
  });

  it("waits longer after each failure, up to 5 s, and being added does not shorten that", async () => {
    const { clock, queue, ran, state } = rig();
    state.run = () => Promise.reject(new KubernetesError(0, "Unreachable", "refused"));
    queue.add("a");
    for (let turn = 0; turn < 200; turn += 1) {
      await clock.pass(100);
      queue.add("a");
    }
    assert.deepEqual(
      ran.map(([, atMs]) => atMs),
      [0, 100, 300, 700, 1_500, 3_100, 6_300, 11_300, 16_300],
    );
    state.run = () => Promise.resolve(true);
    await clock.pass(5_000);
    queue.add("a");
    await clock.pass(10);
    assert.equal(ran.at(-1)![1], clock.nowMs - 10);
  });

  it("waits as long as the server asks, and a minute where trying again is of no use", async () => {
    const { clock, queue, ran, state } = rig();
    state.run = (key) =>
      Promise.reject(
        key === "a"
          ? new KubernetesError(429, "TooManyRequests", "busy", { retryAfterMs: 30_000 })
          : new KubernetesError(403, "Forbidden", "no"),
      );
    queue.add("a");
    queue.add("b");
    await clock.pass(65_000);
    assert.deepEqual(ran, [
      ["a", 0],
      ["b", 0],
      ["a", 30_000],
      ["b", 60_000],
      ["a", 60_000],
    ]);
  });

  it("runs nothing while it is closed to writers, and loses nothing of what failed by that", async () => {
    const { clock, queue, ran, state } = rig();
    state.isOpen = false;
    queue.add("a");
    await clock.pass(60_000);
    assert.deepEqual(ran, []);
    state.isOpen = true;
    state.run = () => {
      state.isOpen = false;
      return Promise.reject(new Error("the lease is not held"));
    };
    queue.kick();
    await clock.pass(60_000);
    assert.equal(ran.length, 1);
    state.isOpen = true;
    state.run = () => Promise.resolve(true);
    queue.kick();
    await clock.pass(10);
    assert.equal(ran.length, 2);
    assert.equal(queue.size, 0);
  });

  it("lets a burst through and then one at a time", async () => {
    const { clock, queue, ran } = rig(3, 50);
    for (const key of ["a", "b", "c", "d", "e"]) queue.add(key);
    await clock.pass(1_000);
    assert.deepEqual(
      ran.map(([, atMs]) => atMs),
      [0, 0, 0, 50, 100],
    );
  });

  it("forgets the failures of a key that turns out to have nothing to write", async () => {
    const { clock, queue, ran, state } = rig();
    const fail = (): Promise<boolean> => Promise.reject(new KubernetesError(0, "Unreachable", "refused"));
    state.run = fail;
    queue.add("a");
    await clock.pass(5_000);
    state.run = () => Promise.resolve(false);
    await clock.pass(5_000);
    ran.length = 0;
    state.run = fail;
    queue.add("a", 3_000);
    queue.add("a");
    await clock.pass(250);
    assert.deepEqual(ran, [
      ["a", 10_000],
      ["a", 10_100],
    ]);
  });

  it("lets a key wait by itself, which takes nothing from the others", async () => {
    const { clock, queue, ran, state } = rig(2, 1_000);
    state.waitMs = (key) => (key.startsWith("late") ? Math.max(0, 500 - clock.nowMs) : 0);
    for (const key of ["late 1", "late 2", "a", "b"]) queue.add(key);
    await clock.pass(10_000);
    assert.deepEqual(ran, [
      ["a", 0],
      ["b", 0],
      ["late 1", 1_000],
      ["late 2", 2_000],
    ]);
  });

  it("waits at its end for what has begun, and begins nothing", async () => {
    const { clock, queue, ran, state, takeMs } = rig();
    state.run = takeMs(100);
    queue.add("a");
    queue.add("b");
    let isClosed = false;
    const closed = queue.close().then(() => {
      isClosed = true;
    });
    await clock.pass(99);
    assert.equal(isClosed, false);
    await clock.pass(1_000);
    await closed;
    queue.add("c");
    queue.kick();
    await clock.pass(1_000);
    assert.deepEqual(ran, [["a", 0]]);
  });
});
