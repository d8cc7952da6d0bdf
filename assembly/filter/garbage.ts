/** What is collected at the latest: the garbage of a table, a configuration, a new row of accounts. */
const COLLECT_EVERY_MS: f64 = 1000;
/** About 3 KB of texts each, so that a flood of refused requests leaves a megabyte or two. */
const COLLECT_AFTER_ANSWERS: i32 = 512;

/**
 * The runtime (AssemblyScript's `minimal`) collects when it is told to and looks for references in memory alone, not
 * in the locals of functions that are under way: hot code needs no shadow stack, which cost a tenth of a request. So it
 * is told at the end of a tick, where nothing is under way.
 */
export class Garbage {
  private answers: i32 = 0;
  private collectedMs: f64 = 0;

  /** An answer was made of strings. Nothing else of a request allocates. */
  answered(): void {
    this.answers++;
  }

  /** Only from a callback that holds no reference of its own when this returns. */
  tick(nowMs: f64): void {
    if (nowMs - this.collectedMs < COLLECT_EVERY_MS && this.answers < COLLECT_AFTER_ANSWERS) return;
    this.collectedMs = nowMs;
    this.answers = 0;
    __collect();
  }
}
