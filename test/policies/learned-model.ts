/**
 * What a pool's step costs, learned from answers by recursive least squares:
 * time per token = θ · [1, context tokens, requests, prompt tokens computed per token of the answer].
 */

/** ms: fixed part, per token of context, per request, per prompt token computed. */
export type Coefficients = readonly [w0: number, ckv: number, cb: number, ctok: number];

/** Share of its prior that a coefficient's deviation is renewed by at each row, and how little of it. */
const RENEWED = 0.3;
const RENEWAL = 0.0005;
/** A coefficient stays within this factor of its prior. */
const FARTHEST = 10;
/** Residuals beyond so many deviations count as so many. */
const HUBER = 3;
/** A speed moves by at least this share of a row's surprise, and its first rows by at most a seventh. */
const LEAST_SPEED_STEP = 0.03;
const SPEED_INERTIA = 6;

export class LearnedModel {
  readonly theta: number[];
  /** Log of how much slower than the pool each endpoint is. */
  readonly logSpeed: Float64Array;
  readonly #prior: Coefficients;
  readonly #covariance: number[][];
  readonly #speedWeight: Float64Array;

  constructor(prior: Coefficients, endpoints: number) {
    this.#prior = prior;
    this.theta = [...prior];
    this.#covariance = prior.map((value, i) => prior.map((_, j) => (i === j ? value * value : 0)));
    this.logSpeed = new Float64Array(endpoints);
    this.#speedWeight = new Float64Array(endpoints);
  }

  /**
   * @param row features; @param ms what was measured; @param deviationMs its noise
   * @param weight of the row for the endpoint's speed, 0 to 1
   */
  learn(endpoint: number, row: Coefficients, ms: number, deviationMs: number, weight: number): void {
    const expectedMs = dot(this.theta, row);
    if (!(ms > 0 && expectedMs > 0)) return;
    const surprise = Math.log(ms / expectedMs) - this.logSpeed[endpoint]!;
    const step = Math.max(LEAST_SPEED_STEP, 1 / (this.#speedWeight[endpoint]! + SPEED_INERTIA));
    this.#speedWeight[endpoint]! += weight;
    this.logSpeed[endpoint]! += step * weight * Math.min(1, Math.max(-1, surprise));
    const mean = this.logSpeed.reduce((sum, value) => sum + value, 0) / this.logSpeed.length;
    for (let i = 0; i < this.logSpeed.length; i++) this.logSpeed[i]! -= mean;
    const factor = Math.exp(this.logSpeed[endpoint]!);
    this.#fit(row, ms / factor, deviationMs / factor);
  }

  #fit(row: Coefficients, ms: number, deviationMs: number): void {
    const { theta } = this;
    const covariance = this.#covariance;
    const pulled = covariance.map((line) => dot(line, row));
    const variance = dot(pulled, row) + deviationMs * deviationMs;
    const most = HUBER * Math.sqrt(variance);
    const error = Math.min(most, Math.max(-most, ms - dot(theta, row)));
    for (let i = 0; i < 4; i++) {
      const prior = this.#prior[i]!;
      const gain = pulled[i]! / variance;
      theta[i] = Math.min(prior * FARTHEST, Math.max(prior / FARTHEST, theta[i]! + gain * error));
      for (let j = 0; j < 4; j++) covariance[i]![j]! -= (pulled[i]! * pulled[j]!) / variance;
      covariance[i]![i]! += RENEWAL * (RENEWED * prior) ** 2;
    }
  }
}

function dot(left: ArrayLike<number>, right: ArrayLike<number>): number {
  return left[0]! * right[0]! + left[1]! * right[1]! + left[2]! * right[2]! + left[3]! * right[3]!;
}

/** Answers so far, for how long one will be: the newest, and an exponential prior. */
export class AnswerLengths {
  readonly #newest: number[] = [];
  #sorted: number[] = [];
  #suffixSums: number[] = [0];
  #next = 0;

  add(tokens: number): void {
    this.#newest[this.#next] = tokens;
    this.#next = (this.#next + 1) % AnswerLengths.KEPT;
    this.#sorted = [];
  }

  /** Tokens expected beyond `soFar` of an answer that has come so far. */
  remaining(soFar: number): number {
    if (this.#sorted.length === 0 && this.#newest.length > 0) this.#sort();
    const sorted = this.#sorted;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! > soFar) high = middle;
      else low = middle + 1;
    }
    const longer = sorted.length - low;
    const priorWeight = AnswerLengths.PRIOR_WEIGHT * Math.exp(-soFar / AnswerLengths.PRIOR_MEAN);
    const beyond = this.#suffixSums[low]! - longer * soFar;
    return (beyond + priorWeight * AnswerLengths.PRIOR_MEAN) / (longer + priorWeight);
  }

  #sort(): void {
    this.#sorted = [...this.#newest].sort((a, b) => a - b);
    const sums = new Array<number>(this.#sorted.length + 1).fill(0);
    for (let i = this.#sorted.length - 1; i >= 0; i--) sums[i] = sums[i + 1]! + this.#sorted[i]!;
    this.#suffixSums = sums;
  }

  static readonly KEPT = 600;
  static readonly PRIOR_MEAN = 256;
  static readonly PRIOR_WEIGHT = 20;
}
