/** What became of the requests of one run, and the figures made of it. */
import type { ModelRequest } from "../model-request.ts";
import { type Objectives, ttftBoundMs } from "./objectives.ts";

/** Figures of one policy, in the order in which they are printed. NaN: no request gave one. */
export interface PolicyFigures {
  readonly policy: string;
  readonly ttftMeanMs: number;
  readonly ttftP50Ms: number;
  readonly ttftP90Ms: number;
  readonly ttftP99Ms: number;
  /** From the first token to the last over the tokens after the first; answers of one token have none. */
  readonly tpotMeanMs: number;
  readonly tpotP90Ms: number;
  readonly e2eP90Ms: number;
  /** Prompt tokens found in the prefix cache over all prompt tokens of requests that ended. */
  readonly cacheHitRatio: number;
  readonly preemptions: number;
  /** Requests within both objectives over all requests, the rejected ones included. */
  readonly goodputRatio: number;
  /** Requests that ended over the time from the first arrival to the last end. */
  readonly requestsPerSecond: number;
  readonly rejectedRatio: number;
}

/** A column of times that grows; 8 bytes each. */
class Times {
  #values = new Float64Array(1024);
  #count = 0;
  #sum = 0;

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = ms;
    this.#sum += ms;
  }

  get mean(): number {
    return this.#count === 0 ? Number.NaN : this.#sum / this.#count;
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.#count).sort();
  }
}

/** Counts the requests of one run. */
export class Outcomes {
  readonly #objectives: Objectives;
  readonly #ttft = new Times();
  readonly #tpot = new Times();
  readonly #e2e = new Times();
  arrived = 0;
  rejected = 0;
  finished = 0;
  #good = 0;
  #promptTokens = 0;
  #cachedTokens = 0;
  #preemptions = 0;
  #firstArrivalMs = Number.NaN;
  #lastEndMs = Number.NaN;

  constructor(objectives: Objectives) {
    this.#objectives = objectives;
  }

  arrive(atMs: number): void {
    if (this.arrived === 0) this.#firstArrivalMs = atMs;
    this.arrived++;
  }

  reject(): void {
    this.rejected++;
  }

  finish(request: ModelRequest): void {
    const ttftMs = request.firstTokenMs - request.arrivalMs;
    const later = request.outputTokens - 1;
    const tpotMs = later > 0 ? (request.finishedMs - request.firstTokenMs) / later : 0;
    this.finished++;
    this.#ttft.add(ttftMs);
    this.#e2e.add(request.finishedMs - request.arrivalMs);
    if (later > 0) this.#tpot.add(tpotMs);
    const { ttft, tpotMs: tpotBoundMs } = this.#objectives;
    if (ttftMs <= ttftBoundMs(ttft, request.promptTokens) && tpotMs <= tpotBoundMs) this.#good++;
    this.#promptTokens += request.promptTokens;
    this.#cachedTokens += request.cachedTokens;
    this.#preemptions += request.preemptions;
    this.#lastEndMs = request.finishedMs;
  }

  figures(policy: string): PolicyFigures {
    const [ttft, tpot, e2e] = [this.#ttft.sorted(), this.#tpot.sorted(), this.#e2e.sorted()];
    return {
      policy,
      ttftMeanMs: this.#ttft.mean,
      ttftP50Ms: percentile(ttft, 0.5),
      ttftP90Ms: percentile(ttft, 0.9),
      ttftP99Ms: percentile(ttft, 0.99),
      tpotMeanMs: this.#tpot.mean,
      tpotP90Ms: percentile(tpot, 0.9),
      e2eP90Ms: percentile(e2e, 0.9),
      cacheHitRatio: this.#cachedTokens / this.#promptTokens,
      preemptions: this.#preemptions,
      goodputRatio: this.#good / this.arrived,
      requestsPerSecond: (1000 * this.finished) / (this.#lastEndMs - this.#firstArrivalMs),
      rejectedRatio: this.rejected / this.arrived,
    };
  }
}

/**
 * Linear between the two nearest values, as inference-perf (numpy's default) has it; NaN without a value.
 * @param sorted ascending; @param share 0 to 1
 */
export function percentile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (at - below);
}
