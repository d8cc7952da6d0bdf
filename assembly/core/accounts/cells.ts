import { HISTOGRAMS, HISTOGRAM_BOUNDS } from "../../wire/accounts";
import { COUNTERS, ERRORS, GROUP_BUCKETS, GROUP_COUNTERS, GROUP_ERRORS, GROUP_SUMS } from "../../wire/layout";

/*  What one row of accounts counts, side by side:
 *
 *  | counters | errors | sums of the histograms | buckets of histogram 0 | of histogram 1 | … |
 */
export const FIRST_ERROR: i32 = <i32>COUNTERS;
export const FIRST_SUM: i32 = FIRST_ERROR + <i32>ERRORS;
const FIRST_BUCKET: i32 = FIRST_SUM + <i32>HISTOGRAMS;

/** Where each histogram's buckets begin, and one past the last one's. */
const bucketStart: StaticArray<i32> = startsOfBuckets();

/** Cells of a row. */
export const CELLS: i32 = bucketStart[HISTOGRAMS];

/** Group and index of each cell, as COUNTS has them: index | group << 16. */
export const CELL_KEYS: StaticArray<u32> = keysOfCells();

/** Cell of the bucket of `histogram` that counts `value`: the first whose bound is not below it. */
export function bucketOf(histogram: u32, value: u64): i32 {
  const bounds = unchecked(HISTOGRAM_BOUNDS[histogram]);
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (<u64>unchecked(bounds[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return unchecked(bucketStart[histogram]) + low;
}

function startsOfBuckets(): StaticArray<i32> {
  const starts = new StaticArray<i32>(<i32>HISTOGRAMS + 1);
  let at = FIRST_BUCKET;
  for (let histogram: u32 = 0; histogram < HISTOGRAMS; histogram++) {
    starts[histogram] = at;
    at += HISTOGRAM_BOUNDS[histogram].length + 1;
  }
  starts[HISTOGRAMS] = at;
  return starts;
}

function keysOfCells(): StaticArray<u32> {
  const keys = new StaticArray<u32>(CELLS);
  fillGroup(keys, 0, FIRST_ERROR, GROUP_COUNTERS);
  fillGroup(keys, FIRST_ERROR, FIRST_SUM, GROUP_ERRORS);
  fillGroup(keys, FIRST_SUM, FIRST_BUCKET, GROUP_SUMS);
  for (let histogram: u32 = 0; histogram < HISTOGRAMS; histogram++) {
    fillGroup(keys, bucketStart[histogram], bucketStart[histogram + 1], GROUP_BUCKETS + histogram);
  }
  return keys;
}

function fillGroup(keys: StaticArray<u32>, start: i32, end: i32, group: u32): void {
  for (let cell = start; cell < end; cell++) keys[cell] = (<u32>(cell - start)) | (group << 16);
}
