import { grown } from "../columns";

/** An endpoint's estimate moves by at least this share of what an answer of weight 1 shows. */
const MIN_GAIN: f64 = 0.03;
/** Answers that the prior, a speed like the others', counts for. */
const PRIOR_WEIGHT: f64 = 6;
/** One answer pulls the estimate by e times slower or faster at most. */
const MAX_ERROR: f64 = 1;
/** e^±3: 20 times slower or faster. */
export const MAX_LOG: f64 = 3;

/**
 * How much slower than others each endpoint is, by account: a factor on all coefficients of its pool, learned in logarithms. Only
 * ratios mean something; the pool takes the mean of its endpoints out (`PoolLearning.scale`).
 */
export class EndpointSpeeds {
  logs: StaticArray<f64> = new StaticArray<f64>(0);
  /** e^log, > 0. */
  factors: StaticArray<f64> = new StaticArray<f64>(0);
  weights: StaticArray<f64> = new StaticArray<f64>(0);

  /** Accounts with columns. */
  count: i32 = 0;

  /** The account stands for an endpoint that nothing is known of. */
  reset(account: i32): void {
    this.logs = grown<f64>(this.logs, account + 1);
    this.factors = grown<f64>(this.factors, account + 1);
    this.weights = grown<f64>(this.weights, account + 1);
    this.count = max<i32>(this.count, account + 1);
    this.put(account, 0);
    this.weights[account] = 0;
  }

  /** An answer of weight `weight` in (0, 1] showed `error`, in logarithms, beyond what was expected of the endpoint. By how much its log moved. */
  learn(account: i32, error: f64, weight: f64): f64 {
    const gain = max<f64>(MIN_GAIN, 1 / (unchecked(this.weights[account]) + PRIOR_WEIGHT)) * weight;
    const before = unchecked(this.logs[account]);
    this.put(account, before + gain * max<f64>(-MAX_ERROR, min<f64>(MAX_ERROR, error)));
    unchecked((this.weights[account] += weight));
    return unchecked(this.logs[account]) - before;
  }

  /** Takes over what another knows of the endpoint, if it is more. */
  take(account: i32, log: f64, weight: f64): void {
    if (!(weight > unchecked(this.weights[account]))) return;
    this.put(account, log);
    unchecked((this.weights[account] = weight));
  }

  /** A new endpoint in a pool begins as its mean, not as an endpoint of factor 1. */
  put(account: i32, log: f64): void {
    const bounded = max<f64>(-MAX_LOG, min<f64>(MAX_LOG, log));
    unchecked((this.logs[account] = bounded));
    unchecked((this.factors[account] = Math.exp(bounded)));
  }
}
