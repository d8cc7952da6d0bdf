import type { SetTimer } from "../timer.ts";
import { Slots } from "./slots.ts";

/** Each wait between two polls differs from the interval by at most this share, so that phases drift apart. */
const JITTER = 0.1;
/** Pause after a poll that took longer than its interval. */
const MIN_PAUSE_MS = 10;

export interface PollTarget {
  readonly key: string;
  /** What is asked for; a change starts the target anew. */
  readonly signature: string;
  readonly intervalMs: number;
}

export interface PollOptions<Target extends PollTarget> {
  /**
   * Polls once and tells whether it worked; never rejects. `signal` is aborted when the target goes: what comes
   * of the poll then is nobody's.
   */
  readonly poll: (target: Target, signal: AbortSignal) => Promise<boolean>;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
  /** Polls at once of targets whose last one worked; the others share a quarter of it more. */
  readonly concurrency: number;
  /** New targets are spread over this time; default: each over its interval. */
  readonly spreadMs?: number;
  /** Wait after a first failure, doubling with each further one up to the interval; default: the interval. */
  readonly retryMs?: number;
}

interface Known<Target> {
  target: Target;
  readonly abort: AbortController;
  dueMs: number;
  /** In a row, up to now. */
  failures: number;
  cancelTimer: () => void;
}

/**
 * Polls targets on a schedule of their own each, spread by chance. A target has at most one poll under way; one
 * that hangs costs its own slot until its timeout, and only among those that failed from then on.
 */
export class PollSchedule<Target extends PollTarget> {
  readonly #options: PollOptions<Target>;
  readonly #known = new Map<string, Known<Target>>();
  readonly #trusted: Slots;
  readonly #suspects: Slots;

  constructor(options: PollOptions<Target>) {
    this.#options = options;
    this.#trusted = new Slots(options.concurrency);
    this.#suspects = new Slots(Math.max(1, Math.ceil(options.concurrency / 4)));
  }

  get targets(): readonly Target[] {
    return [...this.#known.values()].map(({ target }) => target);
  }

  get running(): number {
    return this.#trusted.taken + this.#suspects.taken;
  }

  /** Polls these from now on: the kept ones on their schedule. Of several with one key the first counts. */
  setTargets(targets: readonly Target[]): void {
    const wanted = new Map<string, Target>();
    for (const target of targets) if (!wanted.has(target.key)) wanted.set(target.key, target);
    for (const [key, known] of this.#known) {
      if (wanted.get(key)?.signature !== known.target.signature) this.#drop(key, known);
    }
    const nowMs = this.#options.nowMs();
    for (const [key, target] of wanted) {
      const present = this.#known.get(key);
      if (present !== undefined) {
        present.target = target;
        continue;
      }
      const spreadMs = this.#options.spreadMs ?? target.intervalMs;
      const known: Known<Target> = {
        target,
        abort: new AbortController(),
        dueMs: nowMs + this.#options.random() * spreadMs,
        failures: 0,
        cancelTimer: () => {},
      };
      this.#known.set(key, known);
      this.#schedule(known);
    }
  }

  close(): void {
    for (const [key, known] of this.#known) this.#drop(key, known);
  }

  #drop(key: string, known: Known<Target>): void {
    this.#known.delete(key);
    known.cancelTimer();
    known.abort.abort();
  }

  #schedule(known: Known<Target>): void {
    const delayMs = Math.max(0, known.dueMs - this.#options.nowMs());
    known.cancelTimer = this.#options.setTimer(() => {
      const slots = known.failures > 0 ? this.#suspects : this.#trusted;
      known.cancelTimer = slots.take((release) => {
        known.cancelTimer = () => {};
        void this.#poll(known).finally(release);
      });
    }, delayMs);
  }

  async #poll(known: Known<Target>): Promise<void> {
    const worked = await this.#options.poll(known.target, known.abort.signal);
    if (known.abort.signal.aborted) return;
    known.failures = worked ? 0 : known.failures + 1;
    const waitMs = this.#pauseMs(known) * (1 + JITTER * (2 * this.#options.random() - 1));
    known.dueMs = Math.max(known.dueMs + waitMs, this.#options.nowMs() + MIN_PAUSE_MS);
    this.#schedule(known);
  }

  #pauseMs({ target, failures }: Known<Target>): number {
    const { retryMs } = this.#options;
    if (failures === 0 || retryMs === undefined) return target.intervalMs;
    return Math.min(target.intervalMs, retryMs * 2 ** (failures - 1));
  }
}
