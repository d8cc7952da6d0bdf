import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ModelRequest } from "../model-request.ts";
import { Outcomes, PERCENTILES, percentile } from "./outcomes.ts";

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
    outcomes.reject(3000);
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

  it("stand beside what tools report of a run", () => {
    const outcomes = new Outcomes(OBJECTIVES);
    for (const atMs of [1000, 1500, 2000]) outcomes.arrive(atMs);
    outcomes.finish(ended(1000, 11, [1000, 1100, 1200]));
    outcomes.finish(ended(3000, 5, [1500, 1600, 1700]));
    outcomes.reject(9000);
    const summary = outcomes.summary();
    const { arrived, finished, rejected, good, goodTokens, ttftKept, tpotKept, cachedTokens } = summary;
    assert.deepEqual(
      [arrived, finished, rejected, good, goodTokens, ttftKept, tpotKept, cachedTokens],
      [3, 2, 1, 1, 1011, 2, 1, 1000],
    );
    assert.deepEqual([summary.arrivalSpanMs, summary.durationMs], [1000, 700]);
    const of = (name: "promptTokens" | "e2eMs" | "e2ePerTokenMs" | "rejectedPromptTokens") => {
      const { mean, min, max, percentiles } = summary[name]!;
      return [mean, min, max, percentiles[PERCENTILES.indexOf(50)]];
    };
    assert.deepEqual(of("promptTokens"), [2000, 1000, 3000, 2000]);
    assert.deepEqual(of("rejectedPromptTokens"), [9000, 9000, 9000, 9000]);
    assert.deepEqual(of("e2eMs"), [200, 200, 200, 200]);
    assert.deepEqual(of("e2ePerTokenMs").slice(1, 3), [200 / 11, 40]);
    assert.equal(new Outcomes(OBJECTIVES).summary().ttftMs, null);
  });

  it("are no numbers where nothing ended, and nothing counts as good", () => {
    const outcomes = new Outcomes(OBJECTIVES);
    outcomes.arrive(0);
    outcomes.reject(3000);
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
