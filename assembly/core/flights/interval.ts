import { EndpointLoads } from "./endpoint_loads";

/** What an endpoint has gone through since a moment: begun by one reading of its sums over time, asked at a later one. */
export class Interval {
  private startMs: f64 = 0;
  private prefilledTokens: f64 = 0;
  private decodingMs: f64 = 0;
  private contextMs: f64 = 0;
  private ownRequestsMs: f64 = 0;
  private totalRequestsMs: f64 = 0;

  begin(loads: EndpointLoads, account: i32, nowMs: f64): void {
    this.startMs = nowMs;
    this.prefilledTokens = unchecked(loads.prefilledTokens[account]);
    this.decodingMs = unchecked(loads.decodingMs[account]);
    this.contextMs = unchecked(loads.contextMs[account]);
    this.ownRequestsMs = unchecked(loads.ownRequestsMs[account]);
    this.totalRequestsMs = unchecked(loads.totalRequestsMs[account]);
  }

  /** The loads have been brought up to `nowMs` (`touch`) for this and what follows. */
  lengthMs(nowMs: f64): f64 {
    return nowMs - this.startMs;
  }

  /** Prompt tokens that the endpoint computed. */
  prefilled(loads: EndpointLoads, account: i32): f64 {
    return unchecked(loads.prefilledTokens[account]) - this.prefilledTokens;
  }

  /** Mean of the sequences that decoded. */
  sequences(loads: EndpointLoads, account: i32, nowMs: f64): f64 {
    return (
      ((unchecked(loads.decodingMs[account]) - this.decodingMs) * this.share(loads, account)) /
      this.lengthMs(nowMs)
    );
  }

  /** Mean of the tokens in their contexts. */
  context(loads: EndpointLoads, account: i32, nowMs: f64): f64 {
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
