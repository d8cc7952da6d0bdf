/** Middle value of an odd, mean of the two middle values of an even number of values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * A distribution-free interval that holds the median with at least 95 % probability: the order
 * statistics between which a fair coin's heads fall that often. Fewer than six values give the range.
 */
export function medianInterval(values: readonly number[]): readonly [low: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  let outside = 0;
  let cut = 0;
  // P(fewer than `cut + 1` of n below the median), both tails.
  for (let k = 0, term = 0.5 ** n; k < n; term = (term * (n - k)) / (k + 1), k++) {
    outside += 2 * term;
    if (outside > 0.05) break;
    cut = k + 1;
  }
  return [sorted[Math.max(0, cut - 1)]!, sorted[n - 1 - Math.max(0, cut - 1)]!];
}

/** Value below which the share `p` of the sorted values lies. */
export function percentile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}
