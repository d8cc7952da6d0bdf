import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ModelRequest } from "../model-request.ts";
import { Outcomes, percentile } from "./outcomes.ts";

const OBJECTIVES = { ttft: { baseMs: 100, perThousandMs: 50 }, tpotMs: 10 };

/** A request that has ended. */
function ended(promptTokens: number, outputTokens: number, times: readonly [number, number, number]) {
  const request = new ModelRequest({ promptTokens, outputTokens, blockHashes: [] });
  [request.arrivalMs, request.firstTokenMs, request.finishedMs] = times;
  request.cachedTokens = promptTokens / 4;
  request.preemptions = 1;
  return request;
}

describe("a percentile", () => {
  it("lies between the two nearest values in proportion", () => {
    const sorted = Float64Array.of(10, 20, 30, 40);
    assert.equal(percentile(sorted, 0), 10);
    assert.equal(percentile(sorted, 0.5), 25);
    assert.ok(Math.abs(percentile(sorted, 0.9) - 37) < 1e-9);
    assert.equal(percentile(sorted, 1), 40);
    assert.equal(percentile(Float64Array.of(7), 0.99), 7);
  });

  it("of nothing is no number", () => {
    assert.ok(Number.isNaN(percentile(new Float64Array(0), 0.5)));
  });
});

describe("the figures of a run", () => {
  it("are those counted by hand", () => {
    const outcomes = new Outcomes(OBJECTIVES);
    for (const atMs of [1000, 1000, 1500, 2000, 2000]) outcomes.arrive(atMs);
    // Within both: exactly 100 + 50 ms for 1,000 tokens, and 10 ms a token.
    outcomes.finish(ended(1000, 11, [1000, 1150, 1250]));
    // Too slow to its first token.
    outcomes.finish(ended(1000, 11, [1000, 1151, 1251]));
    // Too slow per token.
    outcomes.finish(ended(2000, 3, [1500, 1600, 1640]));
    // One token has no time per token.
    outcomes.finish(ended(4000, 1, [2000, 2200, 2200]));
    outcomes.reject();
    const { ttftP90Ms, ttftP99Ms, tpotP90Ms, e2eP90Ms, ...exact } = outcomes.figures("p");
    assert.deepEqual(exact, {
      policy: "p",
      ttftMeanMs: 150.25,
      ttftP50Ms: 150.5,
      tpotMeanMs: 40 / 3,
      cacheHitRatio: 0.25,
      preemptions: 4,
      goodputRatio: 2 / 5,
      requestsPerSecond: 4 / 1.2,
      rejectedRatio: 1 / 5,
    });
    const near = (got: number, wanted: number) =>
      assert.ok(Math.abs(got - wanted) < 1e-9, `${got}, ${wanted}`);
    near(ttftP90Ms, 151 + 0.7 * 49);
    near(ttftP99Ms, 151 + 0.97 * 49);
    near(tpotP90Ms, 10 + 0.8 * 10);
    near(e2eP90Ms, 250 + 0.7);
  });

  it("are no numbers where nothing ended, and nothing counts as good", () => {
    const outcomes = new Outcomes(OBJECTIVES);
    outcomes.arrive(0);
    outcomes.reject();
    const figures = outcomes.figures("p");
    assert.ok(Number.isNaN(figures.ttftMeanMs) && Number.isNaN(figures.tpotP90Ms));
    assert.ok(Number.isNaN(figures.cacheHitRatio) && Number.isNaN(figures.requestsPerSecond));
    assert.deepEqual([figures.goodputRatio, figures.rejectedRatio], [0, 1]);
  });

  it("hold for more requests than their columns begin with", () => {
    const outcomes = new Outcomes(OBJECTIVES);
    for (let i = 0; i <= 5000; i++) {
      outcomes.arrive(i);
      outcomes.finish(ended(1, 2, [0, i, i + 1]));
    }
    assert.equal(outcomes.figures("p").ttftP50Ms, 2500);
    assert.equal(outcomes.figures("p").ttftMeanMs, 2500);
  });
});
