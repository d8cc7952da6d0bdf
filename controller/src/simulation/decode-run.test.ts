import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Hardware, hardware } from "./hardware.ts";
import type { ModelRequest } from "./model-request.ts";
import { type ServerListener, ServerModel } from "./server-model.ts";
import { ENGINE_NAMES, type EngineName, stepTimes } from "./step-engines.ts";
import { chain } from "./test-blocks.ts";

const HW = hardware("llama-3.1-8b-h100");

interface Arrival {
  readonly gapMs: number;
  readonly prompt: number;
  readonly output: number;
  readonly family: number;
  /** Share of the answer's blocks that have hashes, too. */
  readonly answerHashes: boolean;
  readonly adapter: string | undefined;
  readonly cancelAfterMs: number | undefined;
  readonly notifyEvery: number;
  readonly slowdown: number;
}

const ARRIVALS = fc.array(
  fc.record({
    gapMs: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 2000 })),
    prompt: fc.integer({ min: 1, max: 200 }),
    output: fc.integer({ min: 1, max: 150 }),
    family: fc.integer({ min: 0, max: 3 }),
    answerHashes: fc.boolean(),
    adapter: fc.option(fc.constantFrom("x", "y", "z"), { nil: undefined, freq: 1 }),
    cancelAfterMs: fc.option(fc.integer({ min: 0, max: 800 }), { nil: undefined, freq: 1 }),
    notifyEvery: fc.constantFrom(Number.POSITIVE_INFINITY, 7, 40),
    slowdown: fc.constantFrom(1, 1, 1, 2.5, 0.5),
  }),
  { minLength: 1, maxLength: 30 },
);

const LIMITS = fc.record({
  kvBlocks: fc.constantFrom(24, 60, 4000),
  tokenBudget: fc.constantFrom(64, 200, 8192),
  maxSeqs: fc.constantFrom(2, 8, 64),
  maxAdapters: fc.constantFrom(2, 4),
});

/** All that a caller can see of a server under these arrivals, in the order in which it is seen. */
function story(
  arrivals: readonly Arrival[],
  hw: Hardware,
  engine: EngineName,
  isStepwise: boolean,
): readonly unknown[] {
  const seen: unknown[] = [];
  const numbers = new Map<ModelRequest, number>();
  const every = new Map<ModelRequest, number>();
  const say = (what: string) => (request: ModelRequest, atMs: number) => {
    seen.push([what, numbers.get(request), request.generated, atMs]);
  };
  const listener: ServerListener = {
    ...(isStepwise ? { onToken: () => undefined } : {}),
    onFirstToken: say("first"),
    onFinish: say("finish"),
    onProgress: (request, atMs) => {
      say("progress")(request, atMs);
      request.notifyAt += every.get(request)!;
    },
  };
  const model = new ServerModel(hw, listener, stepTimes(engine, hw, 1));
  const cancels: { atMs: number; request: ModelRequest }[] = [];
  let nowMs = 0;
  const look = (): void => {
    seen.push([nowMs, model.running, model.waiting, model.kvUsedRatio, model.nextEventMs, model.snapshot()]);
    for (const [{ computed, generated, lastTokenMs, blocks }] of numbers) {
      seen.push([computed, generated, lastTokenMs, blocks.length]);
    }
  };
  const runTo = (atMs: number): void => {
    cancels.sort((p, q) => p.atMs - q.atMs);
    while (cancels.length > 0 && cancels[0]!.atMs <= atMs) {
      const { atMs: cancelMs, request } = cancels.shift()!;
      seen.push(["cancel", numbers.get(request), model.cancel(request, cancelMs)]);
    }
    model.advanceTo(atMs);
    nowMs = atMs;
    look();
  };
  for (const arrival of arrivals) {
    runTo(nowMs + arrival.gapMs / 3);
    runTo(nowMs + arrival.gapMs);
    model.slowdown = arrival.slowdown;
    const hashed = arrival.answerHashes ? 12 : Math.floor(arrival.prompt / hw.blockTokens);
    const spec = {
      promptTokens: arrival.prompt,
      outputTokens: arrival.output,
      blockHashes: chain(arrival.family, hashed),
    };
    const request = model.submit(
      arrival.adapter === undefined ? spec : { ...spec, adapter: arrival.adapter },
      nowMs,
    );
    request.notifyAt = arrival.notifyEvery;
    numbers.set(request, numbers.size);
    every.set(request, arrival.notifyEvery);
    if (arrival.cancelAfterMs !== undefined) {
      cancels.push({ atMs: nowMs + arrival.cancelAfterMs, request });
    }
  }
  for (let step = 0; model.nextEventMs < Number.POSITIVE_INFINITY; step++) runTo(nowMs + 150 + step);
  seen.push(model.metrics, [...model.adapterSets]);
  for (const [request] of numbers) seen.push({ ...request });
  return seen;
}

for (const engine of ENGINE_NAMES) {
  test(`${engine} decoding in runs and step by step are the same to the last bit, in all that can be seen`, () => {
    fc.assert(
      fc.property(ARRIVALS, LIMITS, (arrivals, limits) => {
        const hw = { ...HW, ...limits, maxModelTokens: 360 };
        assert.deepEqual(story(arrivals, hw, engine, false), story(arrivals, hw, engine, true));
      }),
      { numRuns: 200 },
    );
  });
}

test("nobody is told of anything before the time until which a server is said to be quiet", () => {
  fc.assert(
    fc.property(ARRIVALS, LIMITS, fc.constantFrom(...ENGINE_NAMES), (arrivals, limits, engine) => {
      let [quietUntilMs, told] = [0, 0];
      const hear = (_request: ModelRequest, atMs: number): void => {
        told++;
        assert.ok(atMs >= quietUntilMs, `told at ${atMs}, said to be quiet until ${quietUntilMs}`);
      };
      const hw = { ...HW, ...limits, maxModelTokens: 360 };
      const listener = { onFirstToken: hear, onFinish: hear };
      const model = new ServerModel(hw, listener, stepTimes(engine, hw, 1));
      let nowMs = 0;
      const runTo = (atMs: number): void => {
        for (;;) {
          quietUntilMs = model.quietUntilMs;
          if (quietUntilMs > atMs || quietUntilMs === Number.POSITIVE_INFINITY) break;
          model.advanceTo(quietUntilMs);
        }
        const before = told;
        if (atMs < Number.POSITIVE_INFINITY) model.advanceTo(atMs);
        assert.equal(told, before);
      };
      for (const { gapMs, prompt, output, family } of arrivals) {
        nowMs += gapMs;
        runTo(nowMs);
        model.submit({ promptTokens: prompt, outputTokens: output, blockHashes: chain(family, 12) }, nowMs);
      }
      runTo(Number.POSITIVE_INFINITY);
      assert.equal(model.running + model.waiting, 0);
      assert.ok(told >= arrivals.length);
    }),
    { numRuns: 200 },
  );
});

test("a run tells of progress at the tokens asked for, and not of the last", () => {
  const told: [number, number][] = [];
  const model = new ServerModel(HW, {
    onProgress: (request, atMs) => {
      told.push([request.generated, atMs]);
      request.notifyAt *= 2;
    },
  });
  const request = model.submit({ promptTokens: 100, outputTokens: 64, blockHashes: [] }, 0);
  request.notifyAt = 4;
  while (model.quietUntilMs < Number.POSITIVE_INFINITY) model.advanceTo(model.quietUntilMs);
  assert.deepEqual(
    told.map(([tokens]) => tokens),
    [4, 8, 16, 32],
  );
  assert.ok(told.every(([, atMs], index) => index === 0 || atMs > told[index - 1]![1]));
});

test("a lone decoding request takes a handful of advances, not one for each token", () => {
  const model = new ServerModel(HW);
  model.submit({ promptTokens: 100, outputTokens: 2000, blockHashes: [] }, 0);
  let advances = 0;
  for (; model.quietUntilMs < Number.POSITIVE_INFINITY; advances++) model.advanceTo(model.quietUntilMs);
  assert.ok(advances < 12, `${advances} advances`);
});
