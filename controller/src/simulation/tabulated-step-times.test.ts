import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Hardware, hardware, stepMs, withSpeed } from "./hardware.ts";
import { ENGINE_NAMES, stepTimes } from "./step-engines.ts";
import { TabulatedStepTimes } from "./tabulated-step-times.ts";

const HW = hardware("llama-3.1-8b-h100");

/** Computed tokens, context, sequences of steps as they come at the knee, all above the formula's floor. */
const STEPS: readonly (readonly [number, number, number])[] = [1, 4, 8, 16, 24, 32, 48].flatMap((sequences) =>
  [2000, 8000, 14_000].flatMap((each) =>
    [200, 500, 1000, 2000, 4000, 8000].map(
      (prompt) => [sequences + prompt, sequences * each, sequences] as const,
    ),
  ),
);

/** Least squares of relative errors over [1, T, Σctx, B]; the root of the mean square that is left. */
function bestFitError(values: readonly number[]): number {
  const rows = STEPS.map(([t, c, b], i) => [1, t, c, b].map((feature) => feature / values[i]!));
  const normalMatrix = [0, 1, 2, 3].map((i) => [
    ...[0, 1, 2, 3].map((j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
    rows.reduce((sum, row) => sum + row[i]!, 0),
  ]);
  for (let pivot = 0; pivot < 4; pivot++) {
    for (let i = 0; i < 4; i++) {
      if (i === pivot) continue;
      const factor = normalMatrix[i]![pivot]! / normalMatrix[pivot]![pivot]!;
      for (let j = 0; j < 5; j++) normalMatrix[i]![j]! -= factor * normalMatrix[pivot]![j]!;
    }
  }
  const theta = normalMatrix.map((row, i) => row[4]! / row[i]!);
  const squares = rows.map((row) => (row.reduce((sum, x, i) => sum + x * theta[i]!, 0) - 1) ** 2);
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
}

function sampled(count: number, seed = 1): readonly number[] {
  const times = new TabulatedStepTimes(HW, seed);
  const mean = times.meanMs(32, 384_000, 32);
  return Array.from({ length: count }, () => times.stepMs(32, 384_000, 32) / mean);
}

describe("tabulated step times", () => {
  it("lie 6 to 35 % above the formula at a lone token, a full batch, a chunk of prompt and a mixed step", () => {
    const times = new TabulatedStepTimes(HW, 1);
    const over = (tokens: number, context: number, sequences: number) =>
      times.meanMs(tokens, context, sequences) / stepMs(HW, tokens, context, sequences) - 1;
    const expected: readonly [number, number, number, number][] = [
      [1, 100, 1, 0.2],
      [32, 384_000, 32, 0.27],
      [4096, 4096, 1, 0.06],
      [8192, 8192, 1, 0.15],
      [8192, 400_000, 30, 0.35],
    ];
    for (const [tokens, context, sequences, share] of expected) {
      const found = over(tokens, context, sequences);
      assert.ok(Math.abs(found - share) < 0.02, `${tokens}, ${context}, ${sequences}: ${found}`);
    }
  });

  it("leave even the formula's best coefficients more than 5 % off, before any noise", () => {
    const times = new TabulatedStepTimes(HW, 1);
    const error = bestFitError(STEPS.map(([t, c, b]) => times.meanMs(t, c, b)));
    assert.ok(error > 0.05 && error < 0.2, `${error}`);
    const own = bestFitError(STEPS.map(([t, c, b]) => stepMs(HW, t, c, b)));
    assert.ok(own < 1e-6, `${own}`);
  });

  it("never fall as the context grows, and go on beyond the table", () => {
    const times = new TabulatedStepTimes(HW, 1);
    for (const [tokens, , sequences] of STEPS) {
      let before = 0;
      for (let context = sequences; context < 700_000; context += 9973) {
        const here = times.meanMs(tokens, context, sequences);
        assert.ok(here >= before && Number.isFinite(here), `${tokens}, ${context}, ${sequences}: ${here}`);
        before = here;
      }
    }
    assert.ok(times.meanMs(20_000, 20_000, 1) > 1.15 * times.meanMs(16_384, 16_384, 1));
    assert.ok(times.meanMs(2000, 2000, 2000) > times.meanMs(1500, 2000, 1500));
  });

  it("rise in steps of whole tiles and captured batches", () => {
    const times = new TabulatedStepTimes(HW, 1);
    assert.equal(times.meanMs(1000, 0, 1), times.meanMs(1024, 0, 1));
    assert.ok(times.meanMs(1025, 0, 1) > times.meanMs(1024, 0, 1) + 60 * HW.cTokMs);
    assert.equal(times.meanMs(20, 5000, 17), times.meanMs(20, 5000, 24));
    assert.ok(times.meanMs(24, 5000, 25) > times.meanMs(24, 5000, 24));
  });

  it("spread by 15 % around their mean, half of which drifts", () => {
    const values = sampled(400_000).filter((value) => value < 1.5);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = (list: readonly number[]) =>
      list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / list.length;
    assert.ok(Math.abs(mean - 1) < 0.02, `${mean}`);
    const deviation = Math.sqrt(variance(values));
    assert.ok(deviation > 0.13 && deviation < 0.16, `${deviation}`);
    const neighbours = values
      .slice(1)
      .reduce((sum, value, i) => sum + (value - mean) * (values[i]! - mean), 0);
    const correlation = neighbours / values.length / variance(values);
    assert.ok(correlation > 0.4 && correlation < 0.6, `${correlation}`);
  });

  it("stall for 84 ms in one step of 4,000, and never for more than 336", () => {
    const times = new TabulatedStepTimes(HW, 3);
    const mean = times.meanMs(32, 384_000, 32);
    // A hundred; those are counted that cannot be noise, about half.
    const stalls = Array.from({ length: 400_000 }, () => times.stepMs(32, 384_000, 32) - 1.4 * mean).filter(
      (over) => over > 20,
    );
    assert.ok(stalls.length > 35 && stalls.length < 75, `${stalls.length}`);
    assert.ok(Math.max(...stalls) <= 336);
  });

  it("are never shorter than the floor, nor than what is said to be the least", () => {
    const times = new TabulatedStepTimes(HW, 1);
    for (let i = 0; i < 20_000; i++) {
      assert.ok(times.stepMs(1, 100, 1) >= HW.c0Ms);
      assert.ok(times.stepMs(32, 384_000 + i, 32) >= times.leastStepMs(32, 384_000, 32));
    }
    assert.ok(times.leastStepMs(32, 384_000, 32) > HW.c0Ms);
  });

  it("are the same for the same seed, and others for another", () => {
    assert.deepEqual(sampled(100), sampled(100));
    assert.notDeepEqual(sampled(100), sampled(100, 2));
  });

  it("scale with the speed of the server", () => {
    const mean = (hw: Hardware) => new TabulatedStepTimes(hw, 1).meanMs(700, 90_000, 12);
    assert.ok(Math.abs(mean(withSpeed(HW, 0.4)) / mean(HW) - 2.5) < 1e-9);
  });
});

it("every engine gives positive times by its name", () => {
  assert.deepEqual(ENGINE_NAMES, ["linear", "tabulated"]);
  for (const name of ENGINE_NAMES) assert.ok(stepTimes(name, HW, 1).stepMs(1, 1, 1) > 0);
});
