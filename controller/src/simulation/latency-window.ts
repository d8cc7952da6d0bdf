/** Rates and percentiles of the last seconds, per endpoint. */

export interface LatencyFigures {
  readonly perSecond: number;
  /** NaN without a measurement in the window. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Remembers measurements for a while; at most `limit` of them, the newest. */
export class LatencyWindow {
  readonly #windowMs: number;
  readonly #at: Float64Array;
  readonly #values: Float64Array;
  #head = 0;
  #size = 0;

  /** @param windowMs how far back the figures look, > 0; @param limit most measurements kept, ≥ 1 */
  constructor(windowMs: number, limit = 4096) {
    if (!(windowMs > 0)) throw new RangeError(`windowMs must be > 0, got ${windowMs}`);
    this.#windowMs = windowMs;
    this.#at = new Float64Array(limit);
    this.#values = new Float64Array(limit);
  }

  /** Times must not go back. */
  add(valueMs: number, nowMs: number): void {
    const limit = this.#at.length;
    const slot = (this.#head + this.#size) % limit;
    this.#at[slot] = nowMs;
    this.#values[slot] = valueMs;
    if (this.#size < limit) this.#size++;
    else this.#head = (this.#head + 1) % limit;
  }

  figures(nowMs: number): LatencyFigures {
    const limit = this.#at.length;
    const full = this.#size === limit;
    while (this.#size > 0 && this.#at[this.#head]! <= nowMs - this.#windowMs) {
      this.#head = (this.#head + 1) % limit;
      this.#size--;
    }
    const values = new Float64Array(this.#size);
    for (let i = 0; i < this.#size; i++) values[i] = this.#values[(this.#head + i) % limit]!;
    values.sort();
    const at = (p: number): number =>
      values.length === 0 ? Number.NaN : values[Math.min(values.length - 1, Math.floor(p * values.length))]!;
    // When the ring is full, what was pushed out shortens the time that the rest stands for.
    const spanMs = full && this.#size === limit ? Math.max(1, nowMs - this.#at[this.#head]!) : this.#windowMs;
    return { perSecond: (this.#size * 1000) / spanMs, p50Ms: at(0.5), p99Ms: at(0.99) };
  }
}
