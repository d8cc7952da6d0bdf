import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Outcomes, type PolicyFigures } from "../replay/outcomes.ts";
import { meanFigures } from "./means.ts";

function figures(over: Partial<PolicyFigures>): PolicyFigures {
  const none = new Outcomes({ ttft: { baseMs: 1, perThousandMs: 0 }, tpotMs: 1 }).figures("p");
  return { ...none, ...over };
}

describe("the mean over windows", () => {
  it("is of the windows that gave a figure", () => {
    const mean = meanFigures([
      figures({ goodputRatio: 0.5, ttftMeanMs: 100, preemptions: 1 }),
      figures({ goodputRatio: 1, preemptions: 4 }),
    ]);
    assert.deepEqual(
      [mean.policy, mean.goodputRatio, mean.ttftMeanMs, mean.preemptions],
      ["p", 0.75, 100, 2.5],
    );
    assert.ok(Number.isNaN(mean.tpotMeanMs));
    assert.deepEqual(Object.keys(mean), Object.keys(figures({})));
  });

  it("is none of no windows", () => {
    assert.throws(() => meanFigures([]), RangeError);
  });
});
