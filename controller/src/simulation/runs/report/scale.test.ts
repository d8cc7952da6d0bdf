import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { linearScale, logScale } from "./scale.ts";

describe("a linear axis", () => {
  it("has round ticks that enclose what it spans", () => {
    assert.deepEqual(linearScale(0, 1, 0, 100).ticks, [0, 0.2, 0.4, 0.6, 0.8, 1]);
    assert.deepEqual(linearScale(0, 37, 0, 100).ticks, [0, 10, 20, 30, 40]);
    assert.deepEqual(linearScale(3, 3, 0, 100).ticks.at(0), 3);
  });

  it("places values in proportion, from either end", () => {
    const { at } = linearScale(0, 1, 200, 0);
    assert.deepEqual([at(0), at(0.25), at(1)], [200, 150, 0]);
  });
});

describe("a logarithmic axis", () => {
  it("has ticks at 1, 2 and 5 that enclose what it spans", () => {
    assert.deepEqual(logScale(0.3, 4, 0, 1).ticks, [0.2, 0.5, 1, 2, 5]);
    assert.deepEqual(logScale(1, 1.001, 0, 1).ticks, [1, 2]);
  });

  it("has one tick a decade over many of them", () => {
    assert.deepEqual(logScale(0.02, 40, 0, 1).ticks, [0.01, 0.1, 1, 10, 100]);
  });

  it("places equal ratios at equal distances", () => {
    const { at } = logScale(1, 100, 0, 200);
    assert.deepEqual(
      [1, 10, 100].map((value) => Math.round(at(value))),
      [0, 100, 200],
    );
  });
});
