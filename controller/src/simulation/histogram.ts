/** A histogram with fixed upper bounds, as Prometheus has them. */
export class Histogram {
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulated; the last one is above every bound. */
  readonly counts: Float64Array;
  count = 0;
  sum = 0;

  /** @param bounds ascending upper bounds, `+Inf` left out */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Takes `times` observations of `value`. */
  observe(value: number, times = 1): void {
    let low = 0;
    let high = this.bounds.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (value <= this.bounds[mid]!) high = mid;
      else low = mid + 1;
    }
    this.counts[low]! += times;
    this.count += times;
    this.sum += value * times;
  }
}
