import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Fleet, startFleet } from "./fleet.ts";
import { LatencyWindow } from "./latency-window.ts";
import { SseMeter } from "./sse-meter.ts";
import { Traffic, type TrafficResult } from "./traffic.ts";
import type { TraceRequest } from "./traces/trace-request.ts";

const BODY = { api: "chat", model: "base", stream: true } as const;

function requests(count: number, gapMs: number): TraceRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    arrivalMs: i * gapMs,
    promptTokens: 700,
    outputTokens: 4,
    prefixBlocks: [0, 1],
  }));
}

describe("traffic", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await startFleet({ count: 1, models: ["base"], speed: 10 });
  });
  after(() => fleet.close());

  for (const stream of [true, false]) {
    test(`measures every request of a trace, ${stream ? "streamed" : "whole"}`, async () => {
      const results: TrafficResult[] = [];
      const traffic = new Traffic({
        url: fleet.servers[0]!.url,
        requests: requests(20, 10),
        body: { ...BODY, stream },
        onResult: (result) => results.push(result),
      });
      await traffic.finished;
      const summary = traffic.summary();
      await traffic.close();
      assert.equal(results.length, 20);
      for (const result of results) {
        assert.equal(result.error, undefined);
        assert.equal(result.status, 200);
        assert.equal(result.servedBy, "server-0");
        assert.ok(result.ttftMs > 0 && result.ttftMs <= result.e2eMs + 1e-6);
        assert.equal(result.usage?.promptTokens, 700);
        assert.equal(result.usage?.outputTokens, 4);
      }
      assert.deepEqual(
        results.map((r) => r.index).sort((a, b) => a - b),
        [...Array(20).keys()],
      );
      assert.equal(summary.succeeded, 20);
      assert.equal(summary.endpoints[0]?.answered, 20);
      assert.equal(summary.endpoints[0]?.picksPerSecond, 2);
      assert.ok(summary.cachedTokens >= 19 * 688 - 700, `${summary.cachedTokens}`);
      assert.ok(summary.lateness.maxMs >= summary.lateness.meanMs);
    });
  }

  test("plays faster by the speed", async () => {
    const from = performance.now();
    const traffic = new Traffic({
      url: fleet.servers[0]!.url,
      requests: requests(3, 1000),
      body: BODY,
      speed: 10,
    });
    await traffic.finished;
    const tookMs = performance.now() - from;
    await traffic.close();
    assert.ok(tookMs >= 200 && tookMs < 1900, `${tookMs} ms`);
  });

  test("sends nothing while paused and goes on after", async () => {
    let sent: (() => void) | undefined;
    const first = new Promise<void>((resolve) => {
      sent = resolve;
    });
    const traffic = new Traffic({
      url: fleet.servers[0]!.url,
      requests: requests(3, 30),
      body: BODY,
      onResult: () => sent?.(),
    });
    traffic.pause();
    assert.equal(traffic.paused, true);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(traffic.summary().sent <= 1, true);
    traffic.resume();
    await first;
    await traffic.finished;
    assert.equal(traffic.summary().succeeded, 3);
    await traffic.close();
  });

  test("counts what fails, and what its own bound drops", async () => {
    const server = fleet.servers[0]!;
    await server.setFault({ mode: "reset-mid-stream", count: 1 });
    const errors: (string | undefined)[] = [];
    const long = requests(1, 0).map((each) => ({ ...each, outputTokens: 500 }));
    const cutOff = new Traffic({
      url: server.url,
      requests: long,
      body: BODY,
      onResult: (r) => errors.push(r.error),
    });
    await cutOff.finished;
    await cutOff.close();
    assert.equal(cutOff.summary().failed, 1);
    assert.ok(errors[0] !== undefined);

    await server.setFault({ mode: "hang" });
    const stuck = new Traffic({ url: server.url, requests: requests(4, 0), body: BODY, maxConcurrency: 1 });
    while (stuck.summary().dropped < 3) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(stuck.summary().inFlight, 1);
    await stuck.close();
    assert.equal(stuck.summary().inFlight, 0);
    assert.equal(stuck.summary().failed, 1);
    await server.setFault({ mode: "none" });
  });

  test("a trace that fails fails the run", async () => {
    async function* broken(): AsyncGenerator<TraceRequest> {
      yield requests(1, 0)[0]!;
      throw new Error("line 2 is bad");
    }
    const traffic = new Traffic({ url: fleet.servers[0]!.url, requests: broken(), body: BODY });
    await assert.rejects(traffic.finished, /line 2 is bad/);
    await traffic.close();
    assert.throws(() => new Traffic({ url: "http://127.0.0.1:1", requests: [], body: BODY, speed: 0 }), {
      code: "bad-option",
    });
  });
});

test("a latency window forgets what is old and keeps the newest when full", () => {
  const window = new LatencyWindow(1000, 4);
  assert.ok(Number.isNaN(window.figures(0).p50Ms));
  for (const [at, value] of [
    [0, 10],
    [100, 20],
    [200, 30],
  ] as const) {
    window.add(value, at);
  }
  assert.deepEqual(window.figures(500), { perSecond: 3, p50Ms: 20, p99Ms: 30 });
  assert.deepEqual(window.figures(1150), { perSecond: 1, p50Ms: 30, p99Ms: 30 });
  for (let i = 0; i < 10; i++) window.add(i, 2000 + i);
  assert.deepEqual(window.figures(2010), { perSecond: 1000, p50Ms: 8, p99Ms: 9 });
});

test("the meter finds usage and end in any cut of the stream", () => {
  const text =
    'data: {"choices":[{"delta":{"content":"é"}}]}\n\n' +
    'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":5}}}\n\n' +
    "data: [DONE]\n\n";
  for (const size of [1, 2, 7, 1000]) {
    const meter = new SseMeter();
    for (let i = 0; i < text.length; i += size) {
      assert.equal(meter.done, false);
      meter.push(text.slice(i, i + size));
      if (meter.done) break;
    }
    assert.deepEqual(meter.usage(), { promptTokens: 7, outputTokens: 3, cachedTokens: 5 });
  }
  assert.equal(new SseMeter().usage(), undefined);
});
