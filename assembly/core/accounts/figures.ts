import {
  HISTOGRAMS,
  HISTOGRAM_CACHED,
  HISTOGRAM_DURATION,
  HISTOGRAM_ESTIMATE_ERROR,
  HISTOGRAM_FIRST_TOKEN,
  HISTOGRAM_GAP,
  HISTOGRAM_INPUT,
  HISTOGRAM_NORMALIZED,
  HISTOGRAM_OUTPUT,
  HISTOGRAM_OUTPUT_ESTIMATED,
  HISTOGRAM_PER_TOKEN,
  HISTOGRAM_REQUEST_SIZE,
  HISTOGRAM_RESPONSE_SIZE,
} from "../../wire/accounts";
import {
  ERROR_BAD_REQUEST,
  ERROR_CLIENT_GONE,
  ERROR_EXHAUSTED,
  ERROR_INTERNAL,
  ERROR_MODEL_SERVER,
  ERROR_MODEL_SERVER_REFUSED,
  ERROR_UNAVAILABLE,
  ERROR_UNKNOWN,
  ERROR_UPSTREAM_RESET,
} from "../../wire/layout";
import {
  CAUSE_ANSWERED_HERE,
  CAUSE_CLIENT_GONE,
  CAUSE_COMPLETE,
  CAUSE_UPSTREAM_RESET,
  Outcome,
} from "./outcome";

export const NO_ERROR: i32 = -1;
/** A figure that is not known. Missing is not zero: it counts in no histogram. */
export const NOT_KNOWN: i64 = -1;
/** No figure is above this: 2^40 us are twelve days, 2^40 bytes a terabyte. */
const MOST: f64 = 1099511627776;
const US_PER_MS: f64 = 1000;
/** The estimate's error is in thousandths. */
const ERROR_UNIT: i64 = 1000;

/** What an outcome adds to the accounts, worked out once for all who count it. */
export class Figures {
  /** ERROR_*, or NO_ERROR. */
  error: i32 = NO_ERROR;
  /** By HISTOGRAM_*, in its unit; NOT_KNOWN: the outcome has none. */
  readonly values: StaticArray<i64> = new StaticArray<i64>(HISTOGRAMS);

  /** Works out everything from `outcome`; a time that is no number, or negative, is not known. */
  take(outcome: Outcome): void {
    this.error = errorOf(outcome);
    const whole = outcome.cause == CAUSE_COMPLETE;
    const stated = outcome.estimated ? NOT_KNOWN : outcome.completionTokens;
    const guessed =
      outcome.estimatedCompletionTokens >= 0 || !outcome.estimated
        ? outcome.estimatedCompletionTokens
        : outcome.completionTokens;
    const tokens = stated >= 0 ? stated : guessed;
    const durationUs = whole ? micros(outcome.durationMs) : NOT_KNOWN;
    this.set(HISTOGRAM_DURATION, durationUs);
    this.set(HISTOGRAM_FIRST_TOKEN, outcome.isEventStream ? micros(outcome.firstTokenMs) : NOT_KNOWN);
    this.set(HISTOGRAM_PER_TOKEN, whole ? perToken(outcome, tokens) : NOT_KNOWN);
    this.set(HISTOGRAM_NORMALIZED, tokens > 0 && durationUs >= 0 ? durationUs / tokens : NOT_KNOWN);
    this.set(HISTOGRAM_GAP, outcome.isEventStream ? micros(outcome.tokenGapMaxMs) : NOT_KNOWN);
    this.set(HISTOGRAM_REQUEST_SIZE, bounded(<f64>outcome.requestBytes));
    this.set(HISTOGRAM_RESPONSE_SIZE, whole ? bounded(<f64>outcome.responseBytes) : NOT_KNOWN);
    this.set(HISTOGRAM_INPUT, bounded(<f64>outcome.promptTokens));
    this.set(HISTOGRAM_OUTPUT, bounded(<f64>stated));
    this.set(HISTOGRAM_CACHED, bounded(<f64>outcome.cachedTokens));
    this.set(HISTOGRAM_OUTPUT_ESTIMATED, stated >= 0 ? NOT_KNOWN : bounded(<f64>guessed));
    const isChecked = stated > 0 && guessed >= 0;
    this.set(HISTOGRAM_ESTIMATE_ERROR, isChecked ? relativeError(guessed, stated) : NOT_KNOWN);
  }

  private set(histogram: u32, value: i64): void {
    unchecked((this.values[histogram] = value));
  }
}

function errorOf(outcome: Outcome): i32 {
  const status = outcome.status;
  switch (outcome.cause) {
    case CAUSE_CLIENT_GONE:
      return <i32>ERROR_CLIENT_GONE;
    case CAUSE_UPSTREAM_RESET:
      return <i32>ERROR_UPSTREAM_RESET;
    case CAUSE_ANSWERED_HERE:
      if (status < 400) return NO_ERROR;
      if (status == 429) return <i32>ERROR_EXHAUSTED;
      if (status == 503) return <i32>ERROR_UNAVAILABLE;
      return <i32>(status < 500 ? ERROR_BAD_REQUEST : ERROR_INTERNAL);
    default:
      if (status >= 500) return <i32>ERROR_MODEL_SERVER;
      if (status >= 400) return <i32>ERROR_MODEL_SERVER_REFUSED;
      return status == 0 ? <i32>ERROR_UNKNOWN : NO_ERROR;
  }
}

/** Of the tokens after the first one; a stream of one token has none. */
function perToken(outcome: Outcome, tokens: i64): i64 {
  if (!outcome.isEventStream || tokens < 2 || !(outcome.firstTokenMs >= 0)) return NOT_KNOWN;
  const spanUs = micros(outcome.lastTokenMs - outcome.firstTokenMs);
  return spanUs < 0 ? NOT_KNOWN : spanUs / (tokens - 1);
}

function relativeError(guessed: i64, stated: i64): i64 {
  const distance = guessed > stated ? guessed - stated : stated - guessed;
  return bounded((<f64>distance / <f64>stated) * <f64>ERROR_UNIT);
}

function micros(ms: f64): i64 {
  return bounded(ms * US_PER_MS);
}

function bounded(value: f64): i64 {
  return value >= 0 ? <i64>min<f64>(value, MOST) : NOT_KNOWN;
}
