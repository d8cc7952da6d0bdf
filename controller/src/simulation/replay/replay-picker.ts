/** Who picks in a replay, and what it hears of the requests that it picked for. */
import type { ServerModel } from "../server-model.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import type { Explanation } from "./explanation.ts";

/** What an answer's `usage` says. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
}

/**
 * Hears what a gateway sees: arrivals, first tokens, tokens so far, usage. Flights are numbers of its own.
 * Times never go back.
 */
export interface ReplayPicker {
  /** Whether `progress` is to be called at each scrape, for each request that has more than its first token. */
  readonly wantsProgress: boolean;
  /** The servers' metrics may be read now. */
  scrape(nowMs: number): void;
  /** Index of a server for the request. */
  pick(asked: TraceRequest, nowMs: number): number;
  /** The request that was picked for last goes to this server; its flight. */
  open(asked: TraceRequest, server: number, nowMs: number): number;
  firstToken(flight: number, nowMs: number): void;
  /** @param tokens of the answer so far */
  progress(flight: number, tokens: number, nowMs: number): void;
  finish(flight: number, usage: Usage, nowMs: number): void;
  /** Of the last pick, before it is opened. */
  explain?(asked: TraceRequest, nowMs: number): Explanation;
}

/** Makes the picker of a run over its servers. */
export type PickerOf = (servers: readonly ServerModel[]) => ReplayPicker;
