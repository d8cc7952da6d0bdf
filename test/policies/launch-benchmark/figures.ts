import type { ProfileName } from "../../../controller/src/model.ts";
import { PERCENTILES } from "../../../controller/src/simulation/replay/outcomes.ts";
import type { RunResult } from "../../../controller/src/simulation/runs/run.ts";
import type { RunSpec } from "../../../controller/src/simulation/runs/run-spec.ts";

/** Of one policy at one rate. */
export interface Figures {
  readonly policy: ProfileName;
  /** Requests that arrive, a second. */
  readonly rate: number;
  /** From the first arrival to the last end, as the article's generator has it. */
  readonly outputTokensPerSecond: number;
  /** End-to-end latency over output tokens, the wait for the first one included. */
  readonly perTokenP90Ms: number;
  readonly latencyP90S: number;
  readonly ttftP99S: number;
  /** Requests within both objectives, in percent. */
  readonly goodPercent: number;
}

export function figuresOf({ policy, window }: RunSpec, { figures, summary }: RunResult): Figures {
  const { outputTokens, e2ePerTokenMs, durationMs, finished } = summary;
  return {
    policy,
    rate: window.qps ?? Number.NaN,
    outputTokensPerSecond: ((outputTokens?.mean ?? 0) * finished * 1000) / durationMs,
    perTokenP90Ms: e2ePerTokenMs?.percentiles[PERCENTILES.indexOf(90)] ?? Number.NaN,
    latencyP90S: figures.e2eP90Ms / 1000,
    ttftP99S: figures.ttftP99Ms / 1000,
    goodPercent: 100 * figures.goodputRatio,
  };
}
