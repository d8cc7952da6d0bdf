import { DecayedRate } from "./decayed_rate";
import { OutputLengths } from "./output_lengths";
import { RunningMedian } from "./running_median";
import { StepModel } from "./step_model";
import { TokenRatios } from "./token_ratios";

/** What a pool's requests have taught. */
export class PoolLearning {
  readonly id: u64;
  readonly steps: StepModel = new StepModel();
  readonly lengths: OutputLengths = new OutputLengths();
  /** ms of each token after the first. */
  readonly pace: RunningMedian = new RunningMedian();
  /** Prompt tokens to compute, of all endpoints. */
  readonly prompts: DecayedRate = new DecayedRate();
  readonly ratios: TokenRatios = new TokenRatios();
  /** Endpoints of the pool in the last table. */
  endpoints: i32 = 0;
  /** What an endpoint's factor (`EndpointSpeeds`) is to be multiplied by, so that the pool's mean in logarithms is 0. */
  scale: f64 = 1;
  meanLog: f64 = 0;

  constructor(id: u64) {
    this.id = id;
  }

  /** The mean of the logs of the pool's endpoints. */
  setMeanLog(mean: f64): void {
    this.meanLog = mean;
    this.scale = Math.exp(-mean);
  }

  /** One endpoint's log moved. */
  moveLog(by: f64): void {
    if (this.endpoints > 0) this.setMeanLog(this.meanLog + by / <f64>this.endpoints);
  }
}
