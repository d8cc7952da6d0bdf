import { KubernetesError } from "../kubernetes/kubernetes-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { SetTimer } from "../timer.ts";
import { describe, isLasting, NO_ANSWER, statusOf } from "./api.ts";
import type { TokenBucket } from "./token-bucket.ts";

export interface WorkQueueOptions {
  /** Does what is due for a key: true if it wrote, false if there was nothing to write. A throw means later again. */
  readonly run: (key: string) => Promise<boolean>;
  /** Ms for which the key has to wait besides, 0: none. It takes nothing from the bucket meanwhile. */
  readonly waitMs?: ((key: string) => number) | undefined;
  /** While false nothing runs and nothing is lost; `kick` when it turns true. */
  readonly isOpen: () => boolean;
  /** Each run takes one. */
  readonly bucket: TokenBucket;
  /** Begins the log's messages: `status` gives "status: cannot be written". */
  readonly what: string;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly setTimer: SetTimer;
}

/** The first wait after a failure; it doubles with each further one, less up to half by chance. */
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;
/** After a refusal that lasts until somebody changes roles or objects. */
const LASTING_RETRY_MS = 60_000;

/**
 * Keys that have work, one run at a time. A key that is added twice runs once; one that is added during its
 * own run runs again. A key whose run fails waits longer each time, and being added does not shorten that.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  /** When each is due, in the order of adding. */
  readonly #dueMs = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  /** No answer came since the last write: said once, not for every key. */
  #isAway = false;
  #running: Promise<void> | undefined;
  #cancelTimer: () => void = () => undefined;
  #isClosed = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys that wait; the one that runs is not among them. */
  get size(): number {
    return this.#dueMs.size;
  }

  /** Runs the key in `delayMs`, or earlier if it is due earlier already. */
  add(key: string, delayMs = 0): void {
    const dueMs = this.#options.nowMs() + delayMs;
    const earlier = this.#dueMs.get(key);
    if (earlier !== undefined && (earlier <= dueMs || this.#failures.has(key))) return;
    this.#dueMs.set(key, dueMs);
    this.kick();
  }

  /** Forgets what the key waits for; a run that has begun goes on. */
  delete(key: string): void {
    this.#dueMs.delete(key);
    this.#failures.delete(key);
  }

  /** Looks for what is due: call it when `isOpen` has become true. */
  kick(): void {
    this.#cancelTimer();
    this.#cancelTimer = () => undefined;
    if (this.#isClosed || this.#running !== undefined || !this.#options.isOpen()) return;
    const next = this.#next();
    if (next === undefined) return;
    const waitMs = Math.max(next.dueMs - this.#options.nowMs(), this.#options.bucket.waitMs());
    if (waitMs > 0) {
      this.#cancelTimer = this.#options.setTimer(() => this.kick(), waitMs);
      return;
    }
    this.#running = this.#run(next.key).finally(() => {
      this.#running = undefined;
      this.kick();
    });
  }

  /** Nothing begins after this; waits for the run that has begun. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer();
    await this.#running;
  }

  #next(): { key: string; dueMs: number } | undefined {
    const { nowMs, waitMs } = this.#options;
    let first: { key: string; dueMs: number } | undefined;
    for (const [key, plannedMs] of this.#dueMs) {
      const ownMs = waitMs?.(key) ?? 0;
      const dueMs = ownMs > 0 ? Math.max(plannedMs, nowMs() + ownMs) : plannedMs;
      if (first === undefined || dueMs < first.dueMs) first = { key, dueMs };
    }
    return first;
  }

  async #run(key: string): Promise<void> {
    const { bucket, run, isOpen, nowMs } = this.#options;
    bucket.take();
    this.#dueMs.delete(key);
    try {
      if (await run(key)) this.#worked(key);
      else this.#failures.delete(key);
    } catch (error) {
      if (!isOpen()) {
        this.#dueMs.set(key, nowMs());
        return;
      }
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      this.#dueMs.set(key, nowMs() + this.#retryMs(error, failures));
      this.#failed(key, error, failures);
    }
  }

  #failed(key: string, error: unknown, failures: number): void {
    const { logger, what } = this.#options;
    if (statusOf(error) === NO_ANSWER) {
      if (!this.#isAway) logger.warn(describe(error), `${what}: no answer, tried again`);
      this.#isAway = true;
    } else if (failures === 1) {
      logger.warn({ object: key, ...describe(error) }, `${what}: cannot be written, tried again`);
    }
  }

  #worked(key: string): void {
    const { logger, what } = this.#options;
    if (this.#isAway) logger.info(`${what}: answered again`);
    else if (this.#failures.has(key)) logger.info({ object: key }, `${what}: written again`);
    this.#isAway = false;
    this.#failures.delete(key);
  }

  #retryMs(error: unknown, failures: number): number {
    const mostMs = isLasting(error)
      ? LASTING_RETRY_MS
      : Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 16));
    const askedMs = error instanceof KubernetesError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(askedMs, mostMs * (1 - this.#options.random() / 2));
  }
}
