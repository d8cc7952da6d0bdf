import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PickRates } from "./pick-rates.ts";

function rates(...samples: readonly (readonly [atMs: number, picks: number | undefined])[]): PickRates {
  const all = new PickRates(10_000);
  for (const [atMs, picks] of samples) all.add(new Map(picks === undefined ? [] : [["a", picks]]), atMs);
  return all;
}

describe("picks per second", () => {
  it("is the growth over the samples of the last ten seconds", () => {
    assert.equal(rates([0, 0], [5000, 1000], [10_000, 1050], [15_000, 1100]).perSecond("a"), 10);
  });

  it("is zero for an endpoint that is not picked", () => {
    assert.equal(rates([0, 7], [1000, 7]).perSecond("a"), 0);
  });

  it("is not known from one sample, nor for an endpoint that is gone", () => {
    assert.equal(rates([0, 7]).perSecond("a"), undefined);
    assert.equal(rates([0, 7], [1000, 8], [2000, undefined]).perSecond("a"), undefined);
    assert.equal(new PickRates(1000).perSecond("a"), undefined);
  });

  it("counts from the new beginning where the counter began anew", () => {
    assert.equal(rates([0, 500], [1000, 600], [2000, 3], [3000, 5]).perSecond("a"), 2);
  });

  it("is not known when the samples before are older than the window", () => {
    assert.equal(rates([0, 0], [20_000, 100]).perSecond("a"), undefined);
  });
});
