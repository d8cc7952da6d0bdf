import { EndpointLoads } from "./endpoint_loads";

/** What an endpoint has gone through since a moment: begun by one reading of its sums over time, ended by a later one. */
export class Interval {
  private startMs: f64 = 0;
  private prefilledTokens: f64 = 0;
  private decodingMs: f64 = 0;
  private contextMs: f64 = 0;
  private ownRequestsMs: f64 = 0;
  private totalRequestsMs: f64 = 0;
  /** Once it has ended: what was asked of it then. */
  private hasEnded: bool = false;
  private endedMs: f64 = 0;
  private endedPrefilled: f64 = 0;
  private endedSequences: f64 = 0;
  private endedContext: f64 = 0;

  begin(loads: EndpointLoads, account: i32, nowMs: f64): void {
    this.startMs = nowMs;
    this.hasEnded = false;
    this.prefilledTokens = unchecked(loads.prefilledTokens[account]);
    this.decodingMs = unchecked(loads.decodingMs[account]);
    this.contextMs = unchecked(loads.contextMs[account]);
    this.ownRequestsMs = unchecked(loads.ownRequestsMs[account]);
    this.totalRequestsMs = unchecked(loads.totalRequestsMs[account]);
  }

  /** What follows is asked as of now, whenever that is. The loads have been brought up to `nowMs` (`touch`), here and for what follows. */
  end(loads: EndpointLoads, account: i32, nowMs: f64): void {
    if (this.hasEnded || !(this.lengthMs(nowMs) > 0)) return;
    this.endedPrefilled = this.prefilled(loads, account);
    this.endedSequences = this.sequences(loads, account, nowMs);
    this.endedContext = this.context(loads, account, nowMs);
    this.endedMs = nowMs;
    this.hasEnded = true;
  }

  lengthMs(nowMs: f64): f64 {
    return (this.hasEnded ? this.endedMs : nowMs) - this.startMs;
  }

  /** Prompt tokens that the endpoint computed. */
  prefilled(loads: EndpointLoads, account: i32): f64 {
    if (this.hasEnded) return this.endedPrefilled;
    return unchecked(loads.prefilledTokens[account]) - this.prefilledTokens;
  }

  /** Mean of the sequences that decoded. */
  sequences(loads: EndpointLoads, account: i32, nowMs: f64): f64 {
    if (this.hasEnded) return this.endedSequences;
    return (
      ((unchecked(loads.decodingMs[account]) - this.decodingMs) * this.share(loads, account)) /
      this.lengthMs(nowMs)
    );
  }

  /** Mean of the tokens in their contexts. */
  context(loads: EndpointLoads, account: i32, nowMs: f64): f64 {
    if (this.hasEnded) return this.endedContext;
    return (
      ((unchecked(loads.contextMs[account]) - this.contextMs) * this.share(loads, account)) /
      this.lengthMs(nowMs)
    );
  }

  /** How many requests there were for each own one: the others decode as the own do, as far as one can know. */
  private share(loads: EndpointLoads, account: i32): f64 {
    const own = unchecked(loads.ownRequestsMs[account]) - this.ownRequestsMs;
    const total = unchecked(loads.totalRequestsMs[account]) - this.totalRequestsMs;
    return own > 0 ? max<f64>(1, total / own) : 1;
  }
}
