/** Share by which one value moves the estimate: 23 values on one side double it. */
const STEP: f64 = 0.03;
/** The first value alone sets the estimate, and may be a stalled server's: it begins no higher than this, in ms. */
const MAX_FIRST: f64 = 100;

/**
 * The median of the values seen lately, by going up or down a step with each (stochastic approximation of a quantile: Robbins and
 * Monro, 1951): a value counts by its side alone, never by its size.
 */
export class RunningMedian {
  /** 0 before the first value. */
  value: f64 = 0;

  /** A value > 0. */
  add(value: f64): void {
    if (this.value == 0) this.value = min<f64>(value, MAX_FIRST);
    else if (value > this.value) this.value = min<f64>(value, this.value * (1 + STEP));
    else this.value = max<f64>(value, this.value / (1 + STEP));
  }
}
