import assert from "node:assert/strict";
import { test } from "node:test";
import { median, medianInterval, percentile } from "./statistics.ts";

test("the median of an odd and of an even number of values", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test("nine rounds give the second and the eighth value as the 95 % interval", () => {
  assert.deepEqual(medianInterval([9, 8, 7, 6, 5, 4, 3, 2, 1]), [2, 8]);
});

test("too few rounds for 95 % give the whole range", () => {
  assert.deepEqual(medianInterval([2, 1, 3]), [1, 3]);
});

test("a percentile is a value of the list", () => {
  assert.equal(percentile([1, 2, 3, 4], 0.5), 3);
  assert.equal(percentile([1, 2, 3, 4], 0.99), 4);
});
