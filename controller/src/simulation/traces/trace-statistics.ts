/** Figures by which traces are compared. */
import { PREFIX_BLOCK_TOKENS, type TraceRequest } from "./trace-request.ts";

export interface LengthStatistics {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface TraceStatistics {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly prompt: LengthStatistics;
  readonly output: LengthStatistics;
  /** Standard deviation of the gaps between arrivals over their mean. */
  readonly arrivalCv: number;
  /** Share of all 512-token blocks that an infinite cache would have held. NaN without block ids. */
  readonly prefixHitShare: number;
  /** Share of requests of which more than the first block was seen before. NaN without block ids. */
  readonly followUpShare: number;
}

/** Figures of one or more requests in the order of arrival; all of them are read into memory. */
export function traceStatistics(requests: Iterable<TraceRequest>): TraceStatistics {
  const prompts: number[] = [];
  const outputs: number[] = [];
  const arrivals: number[] = [];
  const seen = new Set<number>();
  let blocks = 0;
  let hits = 0;
  let followUps = 0;
  for (const request of requests) {
    prompts.push(request.promptTokens);
    outputs.push(request.outputTokens);
    arrivals.push(request.arrivalMs);
    const ids = request.prefixBlocks;
    if (ids === undefined) continue;
    let prefix = 0;
    while (prefix < ids.length && seen.has(ids[prefix]!)) prefix++;
    hits += prefix;
    blocks += ids.length;
    if (prefix * PREFIX_BLOCK_TOKENS > PREFIX_BLOCK_TOKENS) followUps++;
    for (const id of ids) seen.add(id);
  }
  const gaps = arrivals.slice(1).map((at, i) => at - arrivals[i]!);
  const meanGap = mean(gaps);
  const variance = mean(gaps.map((gap) => (gap - meanGap) ** 2));
  return {
    requests: prompts.length,
    requestsPerSecond: 1000 / meanGap,
    prompt: lengths(prompts),
    output: lengths(outputs),
    arrivalCv: Math.sqrt(variance) / meanGap,
    prefixHitShare: hits / blocks,
    followUpShare: blocks === 0 ? Number.NaN : followUps / prompts.length,
  };
}

function lengths(values: readonly number[]): LengthStatistics {
  const sorted = Float64Array.from(values).sort();
  const at = (p: number): number => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]!;
  return { mean: mean(values), p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
