/**
 * Filters report ten times a second at most, and pass on one VM's accounts a tick, a megabyte a second: of 60
 * VMs that all have something new, 135 in all.
 */
const COST_PER_SECOND = 400;
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
