import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Hardware, hardware, stepMs, withSpeed } from "./hardware.ts";
import type { ModelRequest } from "./model-request.ts";
import { ServerModel } from "./server-model.ts";
import { chain } from "./test-blocks.ts";

const HW = hardware("llama-3.1-8b-h100");

function runToEnd(model: ServerModel): number {
  let last = 0;
  while (model.nextEventMs !== Number.POSITIVE_INFINITY) {
    last = model.nextEventMs;
    model.advanceTo(last);
  }
  return last;
}

test("a step lasts as the formula says, floor and slope", () => {
  assert.equal(stepMs(HW, 1, 0, 0), 5.6);
  assert.ok(Math.abs(stepMs(HW, 8192, 0, 0) - (3.2 + 0.0203 * 8192)) < 1e-9);
  assert.ok(Math.abs(stepMs(HW, 1, 1000, 2) - (5.6 + 0.04 + 0.068)) < 1e-9);
  assert.ok(Math.abs(stepMs(withSpeed(HW, 4), 5000, 100, 3) - stepMs(HW, 5000, 100, 3) / 4) < 1e-9);
});

test("a lone request takes one prefill step and one step for each further token", () => {
  const model = new ServerModel(HW);
  const request = model.submit({ promptTokens: 1000, outputTokens: 3, blockHashes: [] }, 10);
  runToEnd(model);
  const first = stepMs(HW, 1000, 1000, 1);
  assert.ok(Math.abs(request.firstTokenMs - 10 - first) < 1e-9);
  const rest = stepMs(HW, 1, 1001, 1) + stepMs(HW, 1, 1002, 1);
  assert.ok(Math.abs(request.finishedMs - request.firstTokenMs - rest) < 1e-9);
  assert.equal(model.kvUsedRatio, 0);
});

test("a prompt longer than the budget is computed in chunks, and the next one fills the last chunk", () => {
  const model = new ServerModel(HW);
  const long = model.submit({ promptTokens: 20000, outputTokens: 2, blockHashes: [] }, 0);
  const short = model.submit({ promptTokens: 100, outputTokens: 1, blockHashes: [] }, 0);
  runToEnd(model);
  const steps =
    stepMs(HW, 8192, 8192, 1) + stepMs(HW, 8192, 16384, 1) + stepMs(HW, 20000 - 16384 + 100, 20100, 2);
  assert.ok(Math.abs(long.firstTokenMs - steps) < 1e-6);
  assert.equal(short.firstTokenMs, long.firstTokenMs);
});

test("running requests decode before the waiting ones get what is left of the budget", () => {
  const model = new ServerModel(HW);
  const decoding = model.submit({ promptTokens: 16, outputTokens: 50, blockHashes: [] }, 0);
  model.advanceTo(model.nextEventMs);
  const at = decoding.lastTokenMs;
  const big = model.submit({ promptTokens: 8192, outputTokens: 1, blockHashes: [] }, at);
  model.advanceTo(model.nextEventMs); // the step under way holds only the decoding request
  model.advanceTo(model.nextEventMs);
  assert.equal(decoding.generated, 3);
  assert.equal(big.firstTokenMs, -1);
  assert.equal(big.computed, 8191);
});

test("no more sequences run than the server's limit", () => {
  const model = new ServerModel({ ...HW, maxSeqs: 2 });
  for (let i = 0; i < 5; i++) model.submit({ promptTokens: 10, outputTokens: 20, blockHashes: [] }, 0);
  model.advanceTo(model.nextEventMs);
  assert.equal(model.running, 2);
  assert.equal(model.waiting, 3);
});

test("without a free block the newest is pre-empted to the head of the queue and nothing is admitted", () => {
  const hw: Hardware = { ...HW, kvBlocks: 5 };
  const tight = new ServerModel(hw);
  const a = tight.submit({ promptTokens: 32, outputTokens: 40, blockHashes: [] }, 0);
  const b = tight.submit({ promptTokens: 32, outputTokens: 20, blockHashes: [] }, 0);
  const c = tight.submit({ promptTokens: 4, outputTokens: 1, blockHashes: [] }, 0);
  let sawPreemption = false;
  while (tight.nextEventMs !== Number.POSITIVE_INFINITY) {
    tight.advanceTo(tight.nextEventMs);
    if (b.preemptions === 1 && !sawPreemption) {
      sawPreemption = true;
      assert.equal(b.state, "waiting");
      assert.equal(b.computed, 0);
      assert.ok(b.generated > 0, "what was sampled stays");
    }
  }
  assert.ok(sawPreemption);
  assert.equal(a.preemptions, 0);
  assert.equal(b.generated, 20);
  assert.equal(c.state, "finished");
  assert.equal(tight.kvUsedRatio, 0);
});

test("a repeated prompt hits its whole blocks, except for the last token", () => {
  const model = new ServerModel(HW);
  const hashes = chain(1, 20);
  const submit = (promptTokens: number, blockHashes: readonly number[]): ModelRequest => {
    const request = model.submit(
      { promptTokens, outputTokens: 1, blockHashes },
      1e6 * (1 + model.metrics.steps),
    );
    runToEnd(model);
    return request;
  };
  assert.equal(submit(320, hashes).cachedTokens, 0);
  assert.equal(submit(320, hashes).cachedTokens, 304);
  assert.equal(submit(321, hashes).cachedTokens, 320);
  assert.equal(submit(40, hashes).cachedTokens, 32);
  assert.equal(submit(320, chain(2, 20)).cachedTokens, 0, "another seed is another cache");
});

test("two equal prompts of one step share their blocks", () => {
  const model = new ServerModel(HW);
  model.submit({ promptTokens: 1, outputTokens: 1, blockHashes: [] }, 0);
  const hashes = chain(1, 10);
  const first = model.submit({ promptTokens: 165, outputTokens: 1, blockHashes: hashes }, 0);
  const second = model.submit({ promptTokens: 165, outputTokens: 1, blockHashes: hashes }, 0);
  runToEnd(model);
  assert.equal(first.cachedTokens, 0);
  assert.equal(second.cachedTokens, 160);
  assert.equal(first.firstTokenMs, second.firstTokenMs);
});

test("blocks of the answer serve the next turn when their hashes are given", () => {
  const model = new ServerModel(HW);
  const hashes = chain(1, 10);
  model.submit({ promptTokens: 64, outputTokens: 64, blockHashes: hashes.slice(0, 8) }, 0);
  const end = runToEnd(model);
  const next = model.submit({ promptTokens: 160, outputTokens: 1, blockHashes: hashes }, end);
  runToEnd(model);
  // The last sampled token is never computed, so the block that it would fill is not there.
  assert.equal(next.cachedTokens, 112);
});

test("a cancelled request frees its blocks and is told of no more", () => {
  const told: string[] = [];
  const model = new ServerModel(HW, { onFinish: (r) => told.push(r.state) });
  const a = model.submit({ promptTokens: 500, outputTokens: 100, blockHashes: [] }, 0);
  const b = model.submit({ promptTokens: 500, outputTokens: 5, blockHashes: [] }, 0);
  assert.equal(model.cancel(b, 1), true);
  assert.equal(model.waiting, 0);
  model.advanceTo(30);
  assert.equal(model.cancel(a, 30), true);
  assert.equal(model.cancel(a, 30), false);
  assert.equal(model.kvUsedRatio, 0);
  runToEnd(model);
  assert.deepEqual(told, []);
  assert.equal(model.snapshot().aborted, 2);
  assert.equal(model.snapshot().running, 0);
});

test("what is published is the state at the end of a step", () => {
  const model = new ServerModel(HW);
  model.submit({ promptTokens: 500, outputTokens: 2, blockHashes: [] }, 0);
  assert.equal(model.snapshot().running, 0);
  model.advanceTo(model.nextEventMs);
  assert.equal(model.snapshot().running, 1);
  runToEnd(model);
  assert.equal(model.snapshot().running, 0);
  assert.equal(model.snapshot().kvUsedRatio, 0);
});

test("at most the allowed adapters run together; the others wait without holding up those behind", () => {
  const model = new ServerModel({ ...HW, maxAdapters: 2 });
  const hold = model.submit({ promptTokens: 10, outputTokens: 1, blockHashes: [] }, 0);
  const [a, b, c] = ["a", "b", "c"].map((adapter) =>
    model.submit({ promptTokens: 10, outputTokens: 5, blockHashes: [], adapter }, 0),
  );
  const base = model.submit({ promptTokens: 10, outputTokens: 5, blockHashes: [] }, 0);
  assert.ok(a && b && c);
  model.advanceTo(model.nextEventMs);
  model.advanceTo(model.nextEventMs);
  assert.equal(hold.state, "finished");
  assert.equal(c.state, "waiting");
  assert.equal(base.state, "running");
  assert.deepEqual(model.snapshot().adapters, ["a", "b", "c"]);
  runToEnd(model);
  assert.equal(c.state, "finished");
  assert.deepEqual([...model.adapterSets.keys()].sort(), ["", "a,b,c", "c"]);
});

test("a request that could never fit, or with a bad length, is refused with value and bound", () => {
  const model = new ServerModel({ ...HW, kvBlocks: 4 });
  const wrong = (promptTokens: number, outputTokens: number) => () =>
    model.submit({ promptTokens, outputTokens, blockHashes: [] }, 0);
  assert.throws(wrong(60, 5), { code: "request-too-long", value: 65, bound: 64 });
  assert.throws(wrong(0, 5), { code: "bad-length", value: 0, bound: 1 });
  assert.throws(wrong(1, 1.5), { code: "bad-length", value: 1.5 });
  model.advanceTo(5);
  assert.throws(() => model.advanceTo(4), { code: "time-went-back" });
});

test("every request ends exactly once, whatever arrives, is cancelled or is pre-empted", () => {
  const plan = fc.array(
    fc.record({
      gapMs: fc.integer({ min: 0, max: 40 }),
      prompt: fc.integer({ min: 1, max: 200 }),
      output: fc.integer({ min: 1, max: 40 }),
      family: fc.integer({ min: 0, max: 3 }),
      adapter: fc.option(fc.constantFrom("x", "y", "z"), { nil: undefined }),
      cancelAfterMs: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(plan, (steps) => {
      const finished = new Map<ModelRequest, number>();
      const tokens = new Map<ModelRequest, number>();
      const hw = { ...HW, kvBlocks: 20, tokenBudget: 64, maxSeqs: 8, maxAdapters: 2, maxModelTokens: 300 };
      const model = new ServerModel(hw, {
        onToken: (r) => tokens.set(r, (tokens.get(r) ?? 0) + 1),
        onFinish: (r) => finished.set(r, (finished.get(r) ?? 0) + 1),
      });
      const cancels: { atMs: number; request: ModelRequest }[] = [];
      const all: ModelRequest[] = [];
      let now = 0;
      const cancelUntil = (limit: number): void => {
        cancels.sort((p, q) => p.atMs - q.atMs);
        while (cancels.length > 0 && cancels[0]!.atMs <= limit) {
          const { atMs, request } = cancels.shift()!;
          model.cancel(request, atMs);
        }
      };
      for (const s of steps) {
        now += s.gapMs;
        cancelUntil(now);
        const request = model.submit(
          {
            promptTokens: s.prompt,
            outputTokens: s.output,
            blockHashes: chain(s.family, 15),
            ...(s.adapter === undefined ? {} : { adapter: s.adapter }),
          },
          now,
        );
        all.push(request);
        if (s.cancelAfterMs !== undefined) cancels.push({ atMs: now + s.cancelAfterMs, request });
      }
      cancelUntil(Number.MAX_SAFE_INTEGER);
      runToEnd(model);
      for (const request of all) {
        const count = finished.get(request) ?? 0;
        assert.equal(count, request.state === "finished" ? 1 : 0);
        assert.ok(request.state === "finished" || request.state === "cancelled");
        if (count === 1) assert.equal(tokens.get(request), request.outputTokens);
      }
      assert.equal(model.running + model.waiting, 0);
      assert.equal(model.kvUsedRatio, 0);
      const snapshot = model.snapshot();
      assert.equal(snapshot.finished + snapshot.aborted, all.length);
    }),
    { numRuns: 200 },
  );
});
