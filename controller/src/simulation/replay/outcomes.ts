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

/** Percentiles of a distribution: those that inference-perf reports. */
export const PERCENTILES = [0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9] as const;

export interface Distribution {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** At {@link PERCENTILES}, in their order. */
  readonly percentiles: readonly number[];
}

/** Of a run, what tools report besides the figures. Null: no request gave one. */
export interface RunSummary {
  readonly arrived: number;
  readonly rejected: number;
  /** Prompt tokens of the rejected ones. */
  readonly rejectedPromptTokens: Distribution | null;
  readonly finished: number;
  /** Finished within both objectives, and their tokens of prompt and answer. */
  readonly good: number;
  readonly goodTokens: number;
  /** Finished within one of the objectives, whatever the other. */
  readonly ttftKept: number;
  readonly tpotKept: number;
  /** From the first arrival to the last one, and to the last end (NaN: none finished). */
  readonly arrivalSpanMs: number;
  readonly durationMs: number;
  readonly promptTokens: Distribution | null;
  readonly cachedTokens: number;
  readonly outputTokens: Distribution | null;
  readonly ttftMs: Distribution | null;
  readonly tpotMs: Distribution | null;
  readonly e2eMs: Distribution | null;
  /** From arrival to end over the tokens of the answer. */
  readonly e2ePerTokenMs: Distribution | null;
}

/** A column of numbers that grows; 8 bytes each, at most 16. */
class Column {
  #values = new Float64Array(1024);
  #count = 0;
  #sum = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
    this.#sum += value;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  at(index: number): number {
    return this.#values[index]!;
  }

  get mean(): number {
    return this.#count === 0 ? Number.NaN : this.#sum / this.#count;
  }

  sorted(): Float64Array {
    return this.#values.slice(0, this.#count).sort();
  }

  distribution(): Distribution | null {
    const sorted = this.sorted();
    if (sorted.length === 0) return null;
    return {
      mean: this.mean,
      min: sorted[0]!,
      max: sorted.at(-1)!,
      percentiles: PERCENTILES.map((percent) => percentile(sorted, percent / 100)),
    };
  }
}

/** Counts the requests of one run; 40 bytes each, at most 80. */
export class Outcomes {
  readonly #objectives: Objectives;
  readonly #ttft = new Column();
  readonly #tpot = new Column();
  readonly #e2e = new Column();
  readonly #promptColumn = new Column();
  readonly #outputColumn = new Column();
  readonly #rejectedColumn = new Column();
  arrived = 0;
  rejected = 0;
  finished = 0;
  #good = 0;
  #goodTokens = 0;
  #ttftKept = 0;
  #tpotKept = 0;
  #cachedTokens = 0;
  #preemptions = 0;
  #firstArrivalMs = Number.NaN;
  #lastArrivalMs = Number.NaN;
  #lastEndMs = Number.NaN;

  constructor(objectives: Objectives) {
    this.#objectives = objectives;
  }

  arrive(atMs: number): void {
    if (this.arrived === 0) this.#firstArrivalMs = atMs;
    this.#lastArrivalMs = atMs;
    this.arrived++;
  }

  reject(promptTokens: number): void {
    this.rejected++;
    this.#rejectedColumn.add(promptTokens);
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
    const keepsTtft = ttftMs <= ttftBoundMs(ttft, request.promptTokens);
    const keepsTpot = tpotMs <= tpotBoundMs;
    if (keepsTtft) this.#ttftKept++;
    if (keepsTpot) this.#tpotKept++;
    if (keepsTtft && keepsTpot) {
      this.#good++;
      this.#goodTokens += request.promptTokens + request.outputTokens;
    }
    this.#promptColumn.add(request.promptTokens);
    this.#outputColumn.add(request.outputTokens);
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
      cacheHitRatio: this.#cachedTokens / this.#promptColumn.sum,
      preemptions: this.#preemptions,
      goodputRatio: this.#good / this.arrived,
      requestsPerSecond: (1000 * this.finished) / (this.#lastEndMs - this.#firstArrivalMs),
      rejectedRatio: this.rejected / this.arrived,
    };
  }

  summary(): RunSummary {
    const perToken = new Column();
    for (let i = 0; i < this.#e2e.count; i++) perToken.add(this.#e2e.at(i) / this.#outputColumn.at(i));
    return {
      arrived: this.arrived,
      rejected: this.rejected,
      rejectedPromptTokens: this.#rejectedColumn.distribution(),
      finished: this.finished,
      good: this.#good,
      goodTokens: this.#goodTokens,
      ttftKept: this.#ttftKept,
      tpotKept: this.#tpotKept,
      arrivalSpanMs: this.#lastArrivalMs - this.#firstArrivalMs,
      durationMs: this.#lastEndMs - this.#firstArrivalMs,
      promptTokens: this.#promptColumn.distribution(),
      cachedTokens: this.#cachedTokens,
      outputTokens: this.#outputColumn.distribution(),
      ttftMs: this.#ttft.distribution(),
      tpotMs: this.#tpot.distribution(),
      e2eMs: this.#e2e.distribution(),
      e2ePerTokenMs: perToken.distribution(),
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
