import type { SetTimer } from "../timer.ts";

/** Time that passes only when a test lets it, with the timers that fall due in it. */
export class TestClock {
  nowMs = 0;
  /** A clock of another machine need not agree: tests set it. */
  wallOffsetMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  readonly now = (): number => this.nowMs;
  readonly wall = (): number => this.wallOffsetMs + this.nowMs;
  readonly setTimer: SetTimer = (callback, delayMs) => {
    const timer = { atMs: this.nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Runs what falls due within `forMs`, in order, and everything that it sets off at once. */
  async pass(forMs: number): Promise<void> {
    const untilMs = this.nowMs + forMs;
    await settled();
    for (;;) {
      const [first] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (first === undefined || first.atMs > untilMs) break;
      this.#timers.delete(first);
      this.nowMs = Math.max(this.nowMs, first.atMs);
      first.callback();
      await settled();
    }
    this.nowMs = untilMs;
  }
}

/** After every promise that needs no timer. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
