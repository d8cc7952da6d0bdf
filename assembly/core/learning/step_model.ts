import { StateBytes } from "./state_bytes";

/** Coefficients: a step's fixed time; for each resident token; for each sequence that decodes; for each prompt token computed. */
export const COEFFICIENTS: i32 = 4;
export const BASE: i32 = 0;
export const CONTEXT: i32 = 1;
export const SEQUENCE: i32 = 2;
export const PROMPT: i32 = 3;

/** ms; Llama-3.1-8B on an H100: 5.6 ms a step at least, 40 ns, 34 + 20.3 µs, 20.3 µs. */
const PRIOR_BASE_MS: f64 = 5.6;
const PRIOR_CONTEXT_MS: f64 = 0.00004;
const PRIOR_SEQUENCE_MS: f64 = 0.0543;
const PRIOR_PROMPT_MS: f64 = 0.0203;
/** A coefficient stays within so many times its prior, either way. */
const MAX_FACTOR: f64 = 10;
/** An error counts for at most so many times its expected size: one stall teaches no more than that (Huber). */
const MAX_SIGMAS: f64 = 3;
/** Every row adds this share of (0.3 × prior)² to a coefficient's variance, so that what was learned long ago can change. */
const DRIFT: f64 = 0.0005 * 0.09;

const MAX_ROWS: f64 = 1e15;
const MAX_NUMBER: f64 = 1e12;

/**
 * How long a step takes on an endpoint of mean speed: coefficients · features, fitted by recursive least squares (Ljung, System
 * Identification, 11.2). Features are [steps, steps × resident tokens, steps × sequences, prompt tokens computed].
 */
export class StepModel {
  /** ms per unit of each feature; always > 0. */
  readonly theta: StaticArray<f64> = new StaticArray<f64>(COEFFICIENTS);
  /** Rows learned from. */
  rows: f64 = 0;
  private readonly prior: StaticArray<f64> = new StaticArray<f64>(COEFFICIENTS);
  /** Covariance, row by row. */
  private readonly covariance: StaticArray<f64> = new StaticArray<f64>(COEFFICIENTS * COEFFICIENTS);
  private readonly gain: StaticArray<f64> = new StaticArray<f64>(COEFFICIENTS);

  constructor() {
    this.reset(1);
  }

  /** Back to the prior, times `factor`. */
  reset(factor: f64): void {
    this.prior[BASE] = PRIOR_BASE_MS * factor;
    this.prior[CONTEXT] = PRIOR_CONTEXT_MS * factor;
    this.prior[SEQUENCE] = PRIOR_SEQUENCE_MS * factor;
    this.prior[PROMPT] = PRIOR_PROMPT_MS * factor;
    this.rows = 0;
    this.forget();
  }

  /** ms that the features are expected to take. */
  expected(features: StaticArray<f64>): f64 {
    let sum: f64 = 0;
    for (let at = 0; at < COEFFICIENTS; at++) sum += unchecked(this.theta[at] * features[at]);
    return sum;
  }

  /** ms that the features take at least: no coefficients within their bounds expect less. */
  least(features: StaticArray<f64>): f64 {
    let sum: f64 = 0;
    for (let at = 0; at < COEFFICIENTS; at++) sum += unchecked(this.prior[at] * features[at]);
    return sum / MAX_FACTOR;
  }

  /** Standard deviation of a coefficient, as far as the fit knows. */
  deviation(coefficient: i32): f64 {
    return Math.sqrt(max<f64>(0, this.covariance[coefficient * COEFFICIENTS + coefficient]));
  }

  /** It took `observedMs`, within `noiseMs` > 0 of what the features explain. */
  learn(features: StaticArray<f64>, observedMs: f64, noiseMs: f64): void {
    const covariance = this.covariance;
    const gain = this.gain;
    let spread: f64 = noiseMs * noiseMs;
    for (let row = 0; row < COEFFICIENTS; row++) {
      let sum: f64 = 0;
      for (let at = 0; at < COEFFICIENTS; at++) {
        sum += unchecked(covariance[row * COEFFICIENTS + at] * features[at]);
      }
      unchecked((gain[row] = sum));
      spread += sum * unchecked(features[row]);
    }
    const bound = MAX_SIGMAS * Math.sqrt(spread);
    const error = max<f64>(-bound, min<f64>(bound, observedMs - this.expected(features)));
    for (let row = 0; row < COEFFICIENTS; row++) {
      unchecked((this.theta[row] += (gain[row] * error) / spread));
      for (let at = 0; at < COEFFICIENTS; at++) {
        unchecked((covariance[row * COEFFICIENTS + at] -= (gain[row] * gain[at]) / spread));
      }
    }
    this.rows++;
    this.bound();
  }

  write(bytes: StateBytes): void {
    bytes.putNumber(this.rows);
    for (let at = 0; at < COEFFICIENTS; at++) bytes.putNumber(this.theta[at]);
    for (let at = 0; at < this.covariance.length; at++) bytes.putNumber(this.covariance[at]);
  }

  /** Takes over what another has written, if it knows more; what does not fit the prior's bounds is brought within them. */
  read(bytes: StateBytes): void {
    const rows = bytes.number(0, MAX_ROWS);
    const isBetter = rows > this.rows;
    for (let at = 0; at < COEFFICIENTS; at++) {
      const theta = bytes.number(0, MAX_NUMBER);
      if (isBetter) this.theta[at] = theta;
    }
    for (let at = 0; at < this.covariance.length; at++) {
      const value = bytes.number(-MAX_NUMBER, MAX_NUMBER);
      if (isBetter) this.covariance[at] = value;
    }
    if (!isBetter) return;
    this.rows = rows;
    if (bytes.failed) this.forget();
    else this.bound();
  }

  /** Keeps coefficients and their variances where they can be; starts anew if rounding has spoilt them. */
  private bound(): void {
    let sound = true;
    for (let at = 0; at < COEFFICIENTS; at++) {
      const prior = unchecked(this.prior[at]);
      const diagonal = at * COEFFICIENTS + at;
      unchecked((this.covariance[diagonal] += DRIFT * prior * prior));
      const theta = unchecked(this.theta[at]);
      if (!isFinite(theta) || !(unchecked(this.covariance[diagonal]) > 0)) sound = false;
      unchecked((this.theta[at] = max<f64>(prior / MAX_FACTOR, min<f64>(prior * MAX_FACTOR, theta))));
    }
    if (!sound) this.forget();
  }

  private forget(): void {
    this.covariance.fill(0);
    for (let at = 0; at < COEFFICIENTS; at++) {
      const prior = this.prior[at];
      this.theta[at] = prior;
      this.covariance[at * COEFFICIENTS + at] = prior * prior;
    }
  }
}
