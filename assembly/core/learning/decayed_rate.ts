/** What a rate forgets at: the time after which a value has the weight 1/e. */
const WINDOW_MS: f64 = 8000;

/** Amounts in a time, those of long ago forgotten. */
export class DecayedRate {
  private sum: f64 = 0;
  private lastMs: f64 = 0;

  add(amount: f64, nowMs: f64): void {
    this.decay(nowMs);
    this.sum += amount;
  }

  /** In a ms. */
  perMs(nowMs: f64): f64 {
    this.decay(nowMs);
    return this.sum / WINDOW_MS;
  }

  private decay(nowMs: f64): void {
    const elapsedMs = nowMs - this.lastMs;
    if (!(elapsedMs > 0)) return;
    this.sum *= Math.exp(-elapsedMs / WINDOW_MS);
    this.lastMs = nowMs;
  }
}
