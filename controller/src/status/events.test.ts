import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pino } from "pino";
import type { Finding } from "../sources/kubernetes/findings.ts";
import { Events } from "./events.ts";
import { findingOf, reference, TestApi } from "./test-api.ts";
import { TestClock } from "./test-clock.ts";

const HOUR_MS = 3_600_000;

interface Event {
  metadata: { name: string; namespace: string };
  note: string;
  reason: string;
  series?: { count: number; lastObservedTime: string };
  eventTime: string;
}

function rig() {
  const clock = new TestClock();
  const api = new TestApi(clock);
  const state = { isLeading: true };
  const writer = (identity = "picker"): Events =>
    new Events({
      api: api.client(),
      identity,
      isLeading: () => state.isLeading,
      logger: pino({ level: "silent" }),
      nowMs: clock.now,
      wallMs: clock.wall,
      random: () => 0.5,
      setTimer: clock.setTimer,
    });
  const written = () => api.paths("/events/").map((path) => api.get(path) as unknown as Event);
  /** How often `kubectl describe` says that the one Event has come. */
  const count = () => {
    const all = written();
    assert.equal(all.length, 1);
    return all[0]!.series?.count ?? 1;
  };
  return { clock, api, state, writer, written, count };
}

describe("Events", () => {
  it("say what is wrong with which object, in the form that the API server takes", async () => {
    const { clock, writer, written } = rig();
    writer().update([findingOf("chat")]);
    await clock.pass(10);
    const [event] = written();
    const { metadata, ...rest } = event!;
    assert.match(metadata.name, /^chat\.[0-9a-f]{16}$/);
    assert.equal(metadata.namespace, "default");
    assert.deepEqual(rest, {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      eventTime: "2026-01-02T03:04:05.000000Z",
      reportingController: "inference-picker",
      reportingInstance: "picker",
      action: "Reconcile",
      reason: "InvalidSpec",
      regarding: reference("chat"),
      note: "spec.targetPorts[0].number: 0 is not between 1 and 65535",
      type: "Warning",
    });
  });

  it("are one for a finding that stands, however often it is told", async () => {
    const { clock, api, writer, count } = rig();
    const events = writer();
    for (let turn = 0; turn < 100; turn += 1) {
      events.update([findingOf("chat")]);
      await clock.pass(1_000);
    }
    assert.equal(count(), 1);
    assert.equal(api.drain("/events").length, 1);
  });

  it("count a finding that is back after it was gone, at most once a minute", async () => {
    const { clock, api, writer, written, count } = rig();
    const events = writer();
    for (let turn = 0; turn < 30; turn += 1) {
      events.update([findingOf("chat")]);
      await clock.pass(1_000);
      events.update([]);
      await clock.pass(1_000);
    }
    await clock.pass(60_000);
    assert.equal(count(), 30);
    assert.match(written()[0]!.series!.lastObservedTime, /^2026-01-02T03:05:\d\d\.\d{6}Z$/);
    assert.equal(api.drain("PATCH").length, 1);
  });

  it("are of one object, reason and message each", async () => {
    const { clock, writer, written } = rig();
    const findings: readonly Finding[] = [
      findingOf("chat"),
      findingOf("chat"),
      findingOf("chat", { reason: "PoolNotFound" }),
      findingOf("chat", { message: "another" }),
      findingOf("code"),
      findingOf("chat", { object: { ...reference("chat"), uid: "made again" } }),
    ];
    writer().update(findings);
    await clock.pass(1_000);
    assert.equal(written().length, 5);
  });

  it("are counted on by whoever writes next, after a restart or under another's lease", async () => {
    const { clock, api, writer, count, written } = rig();
    const first = writer("first");
    for (let turn = 0; turn < 3; turn += 1) {
      first.update([findingOf("chat")]);
      await clock.pass(60_000);
      first.update([]);
    }
    await first.close();
    assert.equal(count(), 3);
    const second = writer("second");
    second.update([findingOf("chat")]);
    await clock.pass(1_000);
    assert.equal(count(), 4);
    assert.deepEqual((written()[0] as unknown as { reportingInstance: string }).reportingInstance, "first");
    assert.deepEqual(api.drain("GET"), [], "Events are not read: it is no permission that is asked for");
  });

  for (const severity of ["Warning", "Normal"] as const) {
    it(`of a ${severity} finding that still holds are there for as long as it does`, async () => {
      const { clock, api, writer, count } = rig();
      writer().update([findingOf("chat", { severity })]);
      // The API server drops an Event an hour after its last write.
      let writtenMs = 0;
      let longestMs = 0;
      for (let minute = 0; minute < 600; minute += 1) {
        await clock.pass(60_000);
        if (api.drain("/events").length > 0) writtenMs = clock.nowMs;
        longestMs = Math.max(longestMs, clock.nowMs - writtenMs);
      }
      assert.ok(longestMs < HOUR_MS, `${longestMs} ms without a write`);
      assert.ok(count() < 60);
    });
  }

  it("are made again where the API server has dropped them", async () => {
    const { clock, api, writer, count } = rig();
    writer().update([findingOf("chat")]);
    await clock.pass(1_000);
    api.delete(api.paths("/events/")[0]!);
    await clock.pass(HOUR_MS / 2);
    assert.equal(count(), 1);
  });

  it("have at most 1024 bytes of text, cut between characters", async () => {
    const { clock, writer, written } = rig();
    for (const shift of ["", "a", "ab", "abc"]) {
      const { length } = written();
      writer().update([findingOf("chat", { message: `${shift}${"🙂".repeat(300)}` })]);
      await clock.pass(1_000);
      const event = written()[length]!;
      const bytes = Buffer.byteLength(event.note);
      assert.ok(bytes <= 1024 && bytes > 1018, `${bytes} bytes`);
      assert.match(event.note, /^a?b?c?(?:🙂)+…$/u);
    }
  });

  it("have a name that is one, for the longest object's too", async () => {
    const { clock, writer, written } = rig();
    const name = `${"a".repeat(235)}.-${"b".repeat(16)}`;
    writer().update([findingOf("chat", { object: { ...reference("chat"), name } })]);
    await clock.pass(1_000);
    assert.match(written()[0]!.metadata.name, /^a{235}\.[0-9a-f]{16}$/);
  });

  it("of one object with ever new messages are bounded, and do not hold up another's", async () => {
    const { clock, api, writer, written } = rig();
    const events = writer();
    for (let turn = 0; turn < 600; turn += 1) {
      const busy = findingOf("busy", { message: `${turn} of 600` });
      events.update(turn < 300 ? [busy] : [busy, findingOf("chat")]);
      await clock.pass(100);
    }
    assert.ok(api.drain("/events").length <= 15);
    assert.equal(written().filter(({ note }) => note.includes("is not between")).length, 1);
    const { dropped, written: count } = events.counts;
    assert.ok(dropped > 500 && dropped + count <= 601, `${dropped} dropped, ${count} written`);
  });

  it("of one object are at most 32 at a time, and leave room for those of others", async () => {
    const { clock, writer, written } = rig();
    const events = writer();
    const many = Array.from({ length: 20_000 }, (_, number) => findingOf("busy", { message: `${number}` }));
    events.update([...many, findingOf("chat")]);
    assert.equal(events.size, 33);
    await clock.pass(10);
    assert.equal(written().filter(({ metadata }) => metadata.name.startsWith("chat.")).length, 1);
  });

  it("of one object that are gone give way to its new ones, the first that went first", async () => {
    const { clock, writer, written, api } = rig();
    const events = writer();
    for (let turn = 0; turn < 40; turn += 1) {
      events.update([findingOf("busy", { message: `${turn}` })]);
      await clock.pass(30_000);
    }
    assert.equal(written().length, 40);
    assert.equal(events.size, 32);
    api.drain("");
    // What is remembered is counted on at once, what is not is found to be there.
    events.update([findingOf("busy", { message: "8" })]);
    await clock.pass(60_000);
    assert.equal(api.drain("POST").length, 0);
    events.update([findingOf("busy", { message: "7" })]);
    await clock.pass(60_000);
    assert.equal(api.drain("POST").length, 1);
  });

  it("that wait for their object's turn take none of the others'", async () => {
    const { clock, writer, written } = rig();
    const events = writer();
    const busy = Array.from({ length: 32 }, (_, number) => findingOf("busy", { message: `${number}` }));
    events.update(busy);
    await clock.pass(10);
    assert.equal(written().length, 10);
    const others = Array.from({ length: 15 }, (_, number) => findingOf(`pool-${number}`));
    events.update([...busy, ...others]);
    await clock.pass(10);
    assert.equal(written().length, 25);
  });

  it("are remembered only for an hour after they are gone, and at most 4096 at a time", async () => {
    const { clock, writer } = rig();
    const events = writer();
    const many = Array.from({ length: 5_000 }, (_, number) => findingOf(`pool-${number}`));
    events.update(many);
    assert.equal(events.size, 4_096);
    assert.equal(events.counts.dropped, 904);
    events.update([findingOf("chat")]);
    await clock.pass(1_000);
    assert.equal(events.size, 1);
    events.update([]);
    await clock.pass(HOUR_MS);
    events.update([]);
    assert.equal(events.size, 0);
  });

  it("wait for an API server that is away, and are dropped if the finding is gone by then", async () => {
    const { clock, api, writer, written } = rig();
    const events = writer();
    api.fault = () => "unreachable";
    events.update([findingOf("chat"), findingOf("code")]);
    await clock.pass(60_000);
    assert.deepEqual(written(), []);
    events.update([findingOf("chat")]);
    api.fault = () => undefined;
    await clock.pass(10_000);
    assert.equal(written().length, 1);
    assert.deepEqual([events.counts.written, events.counts.dropped], [1, 1]);
  });

  it("whose answer was lost are counted once more, not made twice", async () => {
    const { clock, api, writer, count } = rig();
    let lost = 0;
    api.fault = ({ method }) => (method === "POST" && lost++ === 0 ? "answer lost" : undefined);
    writer().update([findingOf("chat")]);
    await clock.pass(60_000);
    assert.equal(lost, 2);
    assert.equal(count(), 2);
  });

  it("of a namespace that is being deleted do not hold up the others", async () => {
    const { clock, api, writer, written } = rig();
    const gone = findingOf("chat", { object: { ...reference("chat"), namespace: "gone" } });
    api.fault = ({ path }) => (path.includes("/gone/") ? 403 : undefined);
    const events = writer();
    events.update([gone, findingOf("code")]);
    await clock.pass(600_000);
    assert.equal(written().length, 1);
    const { failures } = events.counts;
    assert.ok(failures >= 5 && failures <= 20, `${failures} failures`);
  });

  it("are not written without the lease", async () => {
    const { clock, api, state, writer, count } = rig();
    state.isLeading = false;
    const events = writer();
    events.update([findingOf("chat"), findingOf("code")]);
    await clock.pass(HOUR_MS);
    events.update([findingOf("chat")]);
    assert.deepEqual(api.drain(""), []);
    assert.equal(events.counts.dropped, 0);
    state.isLeading = true;
    events.kick();
    await clock.pass(10);
    assert.equal(count(), 1);
  });
});
