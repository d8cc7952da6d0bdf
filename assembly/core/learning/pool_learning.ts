import { Tolerances } from "../flights/tolerances";
import { DecayedRate } from "./decayed_rate";
import { OutputLengths } from "./output_lengths";
import { RunningMedian } from "./running_median";
import { StateBytes } from "./state_bytes";
import { StepModel } from "./step_model";
import { TokenRatios } from "./token_ratios";

const MAX_PACE_MS: f64 = 1e6;
/** What one request counts for in the mean length of prompts. */
const PROMPT_SHARE: f64 = 1 / 64;

/** What a pool's requests have taught. */
export class PoolLearning {
  readonly id: u64;
  readonly steps: StepModel = new StepModel();
  readonly lengths: OutputLengths = new OutputLengths();
  /** ms of each token after the first. */
  readonly pace: RunningMedian = new RunningMedian();
  /** Prompt tokens to compute, of all endpoints. */
  readonly prompts: DecayedRate = new DecayedRate();
  /** Mean length of a prompt, in tokens. */
  promptTokens: f64 = 1000;
  readonly ratios: TokenRatios = new TokenRatios();
  /** What its flights can bear, in row 0: all together, wherever they are. */
  readonly tolerances: Tolerances = new Tolerances();
  /** Objectives of the pool in the last table: time to the first token, for a prompt of no tokens and for each 1,000, and of each later one. */
  ttftBaseMs: f64 = 1000;
  ttftPer1kTokensMs: f64 = 62.5;
  tpotMs: f64 = 40;
  /** When a table named it last, by its `receivedMs`. */
  namedMs: f64 = 0;
  /** Endpoints of the pool in the last table. */
  endpoints: i32 = 0;
  /** What an endpoint's factor (`EndpointSpeeds`) is to be multiplied by, so that the pool's mean in logarithms is 0. */
  scale: f64 = 1;
  meanLog: f64 = 0;

  constructor(id: u64) {
    this.id = id;
    this.tolerances.reserve(1);
    this.tolerances.clear(0, this.tpotMs);
  }

  /** A prompt of so many tokens went out. */
  sent(promptTokens: f64): void {
    this.promptTokens += PROMPT_SHARE * (promptTokens - this.promptTokens);
  }

  /** How long the first token of a prompt of so many tokens may take. */
  ttftObjectiveMs(promptTokens: f64): f64 {
    return this.ttftBaseMs + (this.ttftPer1kTokensMs * promptTokens) / 1000;
  }

  /** The pace that answers are held to: the objective, or what is usual where that is out of reach. */
  targetMs(objectiveMs: f64): f64 {
    return max<f64>(objectiveMs, this.pace.value);
  }

  /** The mean of the logs of the pool's endpoints. */
  setMeanLog(mean: f64): void {
    this.meanLog = mean;
    this.scale = Math.exp(-mean);
  }

  write(bytes: StateBytes): void {
    this.steps.write(bytes);
    this.lengths.write(bytes);
    bytes.putNumber(min<f64>(this.pace.value, MAX_PACE_MS));
    this.ratios.write(bytes);
  }

  /** Takes over what another has written, where it knows more; what is broken is left, and `failed` says so. */
  read(bytes: StateBytes): void {
    this.steps.read(bytes);
    this.lengths.read(bytes);
    const paceMs = bytes.number(0, MAX_PACE_MS);
    if (this.pace.value == 0 && !bytes.failed) this.pace.value = paceMs;
    this.ratios.read(bytes);
  }

  /** One endpoint's log moved. */
  moveLog(by: f64): void {
    if (this.endpoints > 0) this.setMeanLog(this.meanLog + by / <f64>this.endpoints);
  }
}
