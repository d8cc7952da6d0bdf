interface Sample {
  readonly atMs: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** How fast counters grow, over the samples of the last `windowMs`. */
export class PickRates {
  private readonly windowMs: number;
  /** Oldest first. */
  private readonly samples: Sample[] = [];

  /** `windowMs` > 0 */
  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** Takes the counters' values now; times must not go back. */
  add(counts: ReadonlyMap<string, number>, nowMs: number): void {
    this.samples.push({ atMs: nowMs, counts });
    while (this.samples[0]!.atMs < nowMs - this.windowMs) this.samples.shift();
  }

  /**
   * Growth per second, ≥ 0; undefined until two samples have the counter. One that went back was begun anew
   * (the controller's successor): it counts from there.
   */
  perSecond(key: string): number | undefined {
    const newest = this.samples.at(-1);
    const newestCount = newest?.counts.get(key);
    if (newest === undefined || newestCount === undefined) return undefined;
    let oldest = newest;
    let oldestCount = newestCount;
    for (let i = this.samples.length - 2; i >= 0; i--) {
      const count = this.samples[i]!.counts.get(key);
      if (count === undefined || count > oldestCount) break;
      oldest = this.samples[i]!;
      oldestCount = count;
    }
    const elapsedMs = newest.atMs - oldest.atMs;
    return elapsedMs <= 0 ? undefined : ((newestCount - oldestCount) * 1000) / elapsedMs;
  }
}
