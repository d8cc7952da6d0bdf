import { f32At, putF32, putU32, putU64, u32At, u64At } from "../../wire/bytes";
import { COEFFICIENTS } from "./step_model";

/** A first token came: `observedMs` is the time to it. */
export const FIRST_TOKEN: u32 = 1;
/** An answer ended: `observedMs` is the time of each token after the first, or 0 where it says nothing. */
export const ANSWER: u32 = 2;

/*  One row, as it goes from root to root.
 *   0        8           16      24     28         32         48          52       56       60
 *  | pool   | endpoint  | model | kind | observed | features | prefilled | output | prompt | prompt
 *  | id u64 | id u64    | u64   | u32  | ms f32   | 4 × f32  | tokens f32| tokens | bytes  | tokens f32
 */
export const OBSERVATION_BYTES: i32 = 64;
const ENDPOINT: usize = 8;
const MODEL: usize = 16;
const KIND: usize = 24;
const OBSERVED: usize = 28;
const FEATURES: usize = 32;
const PREFILLED: usize = 48;
const OUTPUT: usize = 52;
const PROMPT_BYTES: usize = 56;
const PROMPT_TOKENS: usize = 60;

/** No number of a row is larger, so that no sum over rows ever overflows. */
const MAX_NUMBER: f32 = 1e12;

/** What one request has shown of its pool and its endpoint. One object, reused. A number of -1 was not seen. */
export class Observation {
  pool: u64 = 0;
  endpoint: u64 = 0;
  /** `nameHash` of the model; 0: unknown. */
  model: u64 = 0;
  kind: u32 = 0;
  observedMs: f64 = 0;
  /** Those of `StepModel`. */
  readonly features: StaticArray<f64> = new StaticArray<f64>(COEFFICIENTS);
  /** Prompt tokens computed for it. */
  prefilledTokens: f64 = 0;
  outputTokens: f64 = -1;
  promptBytes: f64 = -1;
  promptTokens: f64 = -1;

  write(row: usize): void {
    putU64(row, this.pool);
    putU64(row + ENDPOINT, this.endpoint);
    putU64(row + MODEL, this.model);
    putU32(row + KIND, this.kind);
    putF32(row + OBSERVED, <f32>this.observedMs);
    for (let at = 0; at < COEFFICIENTS; at++) {
      putF32(row + FEATURES + <usize>at * 4, <f32>unchecked(this.features[at]));
    }
    putF32(row + PREFILLED, <f32>this.prefilledTokens);
    putF32(row + OUTPUT, <f32>this.outputTokens);
    putF32(row + PROMPT_BYTES, <f32>this.promptBytes);
    putF32(row + PROMPT_TOKENS, <f32>this.promptTokens);
  }

  /** False for a row that no root writes; what it says is not to be used then. */
  read(row: usize): bool {
    this.pool = u64At(row);
    this.endpoint = u64At(row + ENDPOINT);
    this.model = u64At(row + MODEL);
    this.kind = u32At(row + KIND);
    let sound = this.kind == FIRST_TOKEN || this.kind == ANSWER;
    this.observedMs = f32At(row + OBSERVED);
    sound = sound && isAmount(f32At(row + OBSERVED));
    for (let at = 0; at < COEFFICIENTS; at++) {
      const feature = f32At(row + FEATURES + <usize>at * 4);
      sound = sound && isAmount(feature);
      unchecked((this.features[at] = feature));
    }
    this.prefilledTokens = f32At(row + PREFILLED);
    sound = sound && isAmount(f32At(row + PREFILLED));
    this.outputTokens = f32At(row + OUTPUT);
    this.promptBytes = f32At(row + PROMPT_BYTES);
    this.promptTokens = f32At(row + PROMPT_TOKENS);
    for (let at = OUTPUT; at <= PROMPT_TOKENS; at += 4) {
      const number = f32At(row + at);
      sound = sound && (isAmount(number) || number == -1);
    }
    return sound;
  }
}

/** A number >= 0 that is no NaN and not absurd. */
function isAmount(number: f32): bool {
  return number >= 0 && number <= MAX_NUMBER;
}
