/** How a request ended. */
export const CAUSE_COMPLETE: u32 = 0;
/** The client left before the answer was whole. */
export const CAUSE_CLIENT_GONE: u32 = 1;
/** The endpoint, or the way to it, broke the answer off or never began it. */
export const CAUSE_UPSTREAM_RESET: u32 = 2;
/** The filter answered in the endpoint's place. */
export const CAUSE_ANSWERED_HERE: u32 = 3;
export const CAUSE_UNKNOWN: u32 = 4;

/** Whether an endpoint was looked for, and whether one was found. */
export const ATTEMPT_NONE: u32 = 0;
export const ATTEMPT_FOUND: u32 = 1;
export const ATTEMPT_FAILED: u32 = 2;

/** What is known of a request once it is over. One object, filled anew for each; `reset` forgets the last one. */
export class Outcome {
  /** As `Accounts.rowOf` gave it. */
  row: i32 = -1;
  /** Bytes of the bodies as they passed through the filter. */
  requestBytes: u64 = 0;
  responseBytes: u64 = 0;
  /** Status of the answer that the client was sent; 0: none was. */
  status: u32 = 0;
  /** CAUSE_* */
  cause: u32 = CAUSE_UNKNOWN;
  /** ATTEMPT_* */
  attempt: u32 = ATTEMPT_NONE;
  /** The answer was a stream of events, so that first token and gaps mean something. */
  isEventStream: bool = false;
  /** From the request's headers to its end. */
  durationMs: f64 = 0;
  /** Since the request's headers, as is `lastTokenMs`; -1: there was none, or it is not known. */
  firstTokenMs: f64 = -1;
  lastTokenMs: f64 = -1;
  /** Longest wait between two tokens; -1: not known. */
  tokenGapMaxMs: f64 = -1;
  /** As the answer's usage says; -1: it does not. */
  promptTokens: i64 = -1;
  completionTokens: i64 = -1;
  cachedTokens: i64 = -1;
  /** Completion tokens as counted from the answer's events or bytes, beside exact ones too; -1: not counted. */
  estimatedCompletionTokens: i64 = -1;
  /** The completion tokens are an estimate: the answer had no usage. */
  estimated: bool = false;
  /** Index of the answer, where the filter gave it itself. */
  reason: u32 = 0;

  reset(): void {
    this.row = -1;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.status = 0;
    this.cause = CAUSE_UNKNOWN;
    this.attempt = ATTEMPT_NONE;
    this.isEventStream = false;
    this.durationMs = 0;
    this.firstTokenMs = -1;
    this.lastTokenMs = -1;
    this.tokenGapMaxMs = -1;
    this.promptTokens = -1;
    this.completionTokens = -1;
    this.cachedTokens = -1;
    this.estimatedCompletionTokens = -1;
    this.estimated = false;
    this.reason = 0;
  }
}
