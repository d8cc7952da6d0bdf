import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pino } from "pino";
import type { SourceOutcome } from "../sources/kubernetes/findings.ts";
import { findingOf, outcomeOf, poolPath, poolsIn, rawPool, TestApi } from "./test-api.ts";
import { TestClock } from "./test-clock.ts";
import { type StatusWriter, startStatusWriter } from "./writer.ts";

const PARENT = { namespace: "gateways", name: "inference" };
const FOREIGN = {
  controllerName: "example.com/other",
  parentRef: { name: "other" },
  conditions: [{ type: "Accepted", status: "True", more: [1, null] }],
};

interface Entry {
  controllerName: string;
  conditions: { type: string; status: string; observedGeneration: number }[];
}

function rig(names: readonly string[] = ["chat"]) {
  const clock = new TestClock();
  const api = new TestApi(clock);
  for (const name of names) api.put(poolPath(name), rawPool(name));
  const lines: { level: number; msg: string; object?: string }[] = [];
  const logger = pino({ level: "debug" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  let seed = 0.1;
  const writer = (
    over: { pools?: () => ReturnType<typeof poolsIn>; isCutOff?: () => boolean } = {},
  ): StatusWriter => {
    seed += 0.01;
    const random = seed;
    return startStatusWriter({
      client: api.client(over.isCutOff),
      identity: "picker",
      lease: { namespace: "system", name: "inference-picker" },
      parent: PARENT,
      pools: over.pools ?? (() => poolsIn(api)),
      logger,
      nowMs: clock.now,
      wallMs: clock.wall,
      random: () => random,
      setTimer: clock.setTimer,
    });
  };
  const entries = (name = "chat") =>
    ((api.get(poolPath(name))?.status as { parents?: Entry[] } | undefined)?.parents ?? []) as Entry[];
  const accepted = (name = "chat") =>
    entries(name)
      .find(({ controllerName }) => controllerName === "inference-picker.io/controller")
      ?.conditions.find(({ type }) => type === "Accepted");
  return { clock, api, writer, entries, accepted, lines };
}

function outcome(...names: string[]): SourceOutcome {
  return { findings: [], pools: names.map((name) => outcomeOf(name)) };
}

function refused(name = "chat", generation = 1): SourceOutcome {
  const accepted = { status: "False", reason: "NotSupportedByParent", message: "" } as const;
  return { findings: [], pools: [outcomeOf(name, { generation, accepted })] };
}

describe("the status writer", () => {
  it("writes what came before the lease as soon as it has it", async () => {
    const { clock, writer, accepted } = rig();
    const started = writer();
    started.update(outcome("chat"));
    assert.equal(accepted(), undefined);
    await clock.pass(10);
    assert.equal(started.leading, true);
    assert.equal(accepted()?.status, "True");
  });

  it("writes nothing without the lease, and everything once it has come", async () => {
    const { clock, api, writer, accepted } = rig();
    let isCutOff = false;
    writer({ isCutOff: () => isCutOff }).update({ findings: [], pools: [] });
    await clock.pass(10);
    const second = writer();
    second.update({ findings: [findingOf("chat")], pools: outcome("chat").pools });
    await clock.pass(120_000);
    assert.deepEqual(api.drain("inferencepools"), []);
    assert.deepEqual(api.paths("/events/"), []);
    isCutOff = true;
    await clock.pass(20_000);
    assert.equal(second.leading, true);
    assert.equal(accepted()?.status, "True");
    assert.equal(api.paths("/events/").length, 1);
  });

  it("writes nothing where nothing changed, however often it is told", async () => {
    const { clock, api, writer } = rig();
    const started = writer();
    for (let turn = 0; turn < 50; turn += 1) {
      started.update(outcome("chat"));
      await clock.pass(1_000);
    }
    assert.equal(api.drain("PATCH").length, 1);
    assert.equal(started.stats().statusWrites, 1);
  });

  it("does not take its own write for missing while its view of the pool lags", async () => {
    const { clock, api, writer } = rig();
    const view = poolsIn(api);
    const started = writer({ pools: () => view });
    for (let turn = 0; turn < 50; turn += 1) {
      started.update(outcome("chat"));
      await clock.pass(1_000);
    }
    assert.equal(api.drain("inferencepools").length, 1);
  });

  it("writes only the last of many changes that come while one is under way", async () => {
    const { clock, api, writer, accepted } = rig();
    const started = writer();
    started.update(outcome());
    await clock.pass(10);
    for (let turn = 0; turn < 100; turn += 1) started.update(turn % 2 === 0 ? outcome("chat") : refused());
    await clock.pass(1_000);
    assert.equal(accepted()?.status, "False");
    assert.ok(api.drain("PATCH").length <= 2);
  });

  it("does not overwrite who writes between its look and its write", async () => {
    const { clock, api, writer, entries } = rig();
    const started = writer();
    let others = 0;
    api.before = ({ method }) => {
      if (method !== "PATCH" || others === 3) return;
      others += 1;
      const found = api.get(poolPath("chat"))!;
      const parents = [...entries(), { ...FOREIGN, parentRef: { name: `other-${others}` } }];
      api.put(poolPath("chat"), { ...found, status: { parents } });
    };
    started.update(outcome("chat"));
    await clock.pass(5_000);
    assert.deepEqual(
      entries().map(({ controllerName }) => controllerName),
      [...Array.from({ length: 3 }, () => "example.com/other"), "inference-picker.io/controller"],
    );
    assert.equal(started.stats().statusConflicts, 3);
    assert.equal(started.stats().statusWrites, 1);
  });

  it("gives way to one that writes all the time, and comes back to it", async () => {
    const { clock, api, writer, accepted } = rig();
    const started = writer();
    let isBusy = true;
    api.before = ({ method }) => {
      const found = api.get(poolPath("chat"))!;
      if (isBusy && method === "PATCH") api.put(poolPath("chat"), { ...found, spec: { turn: clock.nowMs } });
    };
    started.update(outcome("chat"));
    await clock.pass(60_000);
    assert.equal(accepted(), undefined);
    const tries = api.drain("PATCH").length;
    assert.ok(tries > 20 && tries < 300, `${tries} tries in a minute`);
    isBusy = false;
    await clock.pass(10_000);
    assert.equal(accepted()?.status, "True");
  });

  it("survives an outage of the API server and writes what was last wanted", async () => {
    const { clock, api, writer, accepted, lines } = rig();
    const started = writer();
    started.update(outcome("chat"));
    await clock.pass(10);
    api.fault = () => "unreachable";
    for (let turn = 0; turn < 60; turn += 1) {
      started.update(turn % 2 === 0 ? refused() : outcome("chat"));
      await clock.pass(1_000);
    }
    started.update(refused());
    assert.equal(accepted()?.status, "True");
    api.fault = () => undefined;
    await clock.pass(10_000);
    assert.equal(accepted()?.status, "False");
    const warnings = lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);
    assert.deepEqual(warnings, [
      "status: no answer, tried again",
      "lease: cannot be read or renewed, tried again",
    ]);
  });

  it("is not held up by one pool whose status is refused", async () => {
    const names = Array.from({ length: 50 }, (_, number) => `pool-${number}`);
    const { clock, api, writer, accepted } = rig(names);
    const started = writer();
    api.fault = ({ path }) => (path.includes("/pool-7/") ? 422 : undefined);
    started.update(outcome(...names));
    await clock.pass(3_000);
    assert.deepEqual(
      names.filter((name) => accepted(name)?.status !== "True"),
      ["pool-7"],
    );
    api.drain("");
    await clock.pass(600_000);
    assert.ok(api.drain("/pool-7/").length <= 20);
    api.fault = () => undefined;
    await clock.pass(60_000);
    assert.equal(accepted("pool-7")?.status, "True");
  });

  it("writes no faster than its rate", async () => {
    const names = Array.from({ length: 200 }, (_, number) => `pool-${number}`);
    const { clock, api, writer } = rig(names);
    const started = writer();
    started.update(outcome(...names));
    await clock.pass(1_000);
    const first = api.drain("PATCH").length;
    assert.ok(first >= 40 && first <= 46, `${first} in the first second`);
    await clock.pass(9_000);
    assert.equal(first + api.drain("PATCH").length, 200);
  });

  it("puts right what somebody else has changed of its entry", async () => {
    const { clock, api, writer, accepted, entries } = rig();
    const started = writer();
    started.update(outcome("chat"));
    await clock.pass(10);
    api.put(poolPath("chat"), { ...api.get(poolPath("chat")), status: { parents: [FOREIGN] } });
    await clock.pass(10_000);
    assert.equal(accepted()?.status, "True");
    assert.deepEqual(entries()[0], FOREIGN);
  });

  it("takes its entry from a pool that is not ours any more, and leaves the others", async () => {
    const { clock, api, writer, entries } = rig();
    api.put(poolPath("chat"), rawPool("chat", { status: { parents: [FOREIGN] } }));
    const started = writer();
    started.update(outcome("chat"));
    await clock.pass(10);
    assert.equal(entries().length, 2);
    started.update(outcome());
    await clock.pass(1_000);
    assert.deepEqual(entries(), [FOREIGN]);
  });

  it("takes no entry away before the first outcome has come", async () => {
    const { clock, api, writer, entries } = rig();
    const first = writer();
    first.update(outcome("chat"));
    await clock.pass(10);
    await first.close();
    api.drain("");
    writer();
    await clock.pass(60_000);
    assert.equal(entries().length, 1);
    assert.deepEqual(api.drain("inferencepools"), []);
  });

  it("writes a pool that was deleted and made again anew, and one that is gone not at all", async () => {
    const { clock, api, writer, accepted } = rig();
    const started = writer();
    started.update(outcome("chat"));
    await clock.pass(10);
    api.delete(poolPath("chat"));
    api.put(poolPath("chat"), rawPool("chat", { uid: "second" }));
    started.update(outcome("chat"));
    await clock.pass(1_000);
    assert.equal(accepted(), undefined);
    const object = { ...outcomeOf("chat").object, uid: "second" };
    started.update({ findings: [], pools: [outcomeOf("chat", { object })] });
    await clock.pass(1_000);
    assert.equal(accepted()?.status, "True");
    const view = poolsIn(api);
    api.delete(poolPath("chat"));
    const late = writer({ pools: () => view });
    await started.close();
    late.update({ findings: [], pools: [outcomeOf("chat", { object, generation: 2 })] });
    await clock.pass(30_000);
    assert.equal(late.stats().statusFailures, 0);
  });

  it("does not go back and forth between two that race with a view each", async () => {
    const { clock, api, writer, entries } = rig();
    const other = { namespace: "gateways", name: "second" };
    const one = writer();
    await clock.pass(10);
    // A second installation has a Lease and a Gateway of its own.
    const two = startStatusWriter({
      client: api.client(),
      identity: "second",
      lease: { namespace: "second", name: "inference-picker" },
      parent: other,
      pools: () => poolsIn(api),
      logger: pino({ level: "silent" }),
      nowMs: clock.now,
      wallMs: clock.wall,
      random: () => 0.5,
      setTimer: clock.setTimer,
    });
    await clock.pass(10);
    for (let turn = 0; turn < 20; turn += 1) {
      one.update(turn % 2 === 0 ? outcome("chat") : refused());
      two.update(outcome("chat"));
      await clock.pass(200);
    }
    assert.deepEqual(
      entries().map(({ conditions }) => conditions[0]?.status),
      ["False", "True"],
    );
    const writes = one.stats().statusWrites + two.stats().statusWrites;
    assert.ok(writes <= 21, `${writes} writes`);
  });

  it("does not stand for the lease before it has something to write: it may never see all kinds", async () => {
    const { clock, api, writer, accepted } = rig();
    const blind = writer();
    await clock.pass(60_000);
    assert.deepEqual(api.drain(""), []);
    const seeing = writer();
    seeing.update(outcome("chat"));
    await clock.pass(10);
    assert.equal(seeing.leading, true);
    assert.equal(accepted()?.status, "True");
    await blind.close();
    blind.update(outcome("chat"));
    await seeing.close();
    await clock.pass(60_000);
    assert.equal(blind.leading, false);
  });

  it("writes nothing after its end, and gives the lease back last", async () => {
    const { clock, api, writer } = rig();
    const started = writer();
    started.update(outcome("chat"));
    await clock.pass(10);
    await started.close();
    const order = api.drain("");
    assert.ok(order.at(-1)?.startsWith("PUT") && order.at(-1)?.includes("/leases/"), order.join("\n"));
    started.update(refused());
    await clock.pass(120_000);
    assert.deepEqual(api.drain(""), []);
    assert.equal(started.leading, false);
  });
});
