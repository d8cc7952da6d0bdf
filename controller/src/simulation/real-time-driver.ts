/**
 * Runs a server model in real time with one timer, for the next event. When the timer is late, all that is
 * over by then happens at once, with the times at which it was due: lateness does not add up.
 */
import type { Clock } from "./clock.ts";
import type { Hardware } from "./hardware.ts";
import type { ModelRequest, RequestSpec } from "./model-request.ts";
import { ServerModel } from "./server-model.ts";

/** Tokens that a request got since it was last told, and whether it is over. */
export type Progress = (request: ModelRequest, tokens: number, finished: boolean) => void;

export class RealTimeDriver {
  readonly model: ServerModel;
  readonly #clock: Clock;
  readonly #progress: Progress;
  readonly #pending = new Map<ModelRequest, number>();
  #cancelTimer: (() => void) | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(hw: Hardware, clock: Clock, progress: Progress) {
    this.#clock = clock;
    this.#progress = progress;
    this.model = new ServerModel(hw, {
      onToken: (request) => this.#pending.set(request, (this.#pending.get(request) ?? 0) + 1),
    });
  }

  /** @throws SimulationError as `ServerModel.submit` does */
  submit(spec: RequestSpec): ModelRequest {
    try {
      return this.model.submit(spec, this.#clock.nowMs());
    } finally {
      this.#settle();
    }
  }

  cancel(request: ModelRequest): boolean {
    this.#pending.delete(request);
    const cancelled = this.model.cancel(request, this.#clock.nowMs());
    this.#settle();
    return cancelled;
  }

  /** Brings the model to the present, so that what it publishes is what a scrape would find now. */
  catchUp(): void {
    this.model.advanceTo(this.#clock.nowMs());
    this.#settle();
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #settle(): void {
    if (this.#pending.size > 0) {
      const told = [...this.#pending];
      this.#pending.clear();
      for (const [request, tokens] of told) this.#progress(request, tokens, request.state === "finished");
    }
    this.#arm();
  }

  #arm(): void {
    const dueMs = this.model.nextEventMs;
    if (this.#closed || dueMs === this.#timerDueMs) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerDueMs = dueMs;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()), () => {
      this.#timerDueMs = Number.NaN;
      this.catchUp();
    });
  }
}
