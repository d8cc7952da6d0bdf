/**
 * Filters report ten times a second at most, tell of prompts ten times a second at most (MAX_PREFIXES_BYTES each: 90 in
 * all), and pass on one VM's accounts a tick, a megabyte a second. An Envoy with the most VMs and endpoints that has
 * something new everywhere comes to 413.
 */
const COST_PER_SECOND = 600;
const BURST = 1000;
/** A message costs 1, and 1 more for each of these. */
const BYTES_PER_COST = 16 * 1024;

/** A token bucket over one stream's messages: what floods is cut off before it is decoded. */
export class ReportBudget {
  private left = BURST;
  private atMs: number;

  constructor(nowMs: number) {
    this.atMs = nowMs;
  }

  /** `false` once the stream has spent more than it may. */
  spend(bytes: number, nowMs: number): boolean {
    this.left = Math.min(BURST, this.left + ((nowMs - this.atMs) / 1000) * COST_PER_SECOND);
    this.atMs = nowMs;
    this.left -= 1 + bytes / BYTES_PER_COST;
    return this.left >= 0;
  }
}
