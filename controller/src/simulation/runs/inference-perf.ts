/**
 * A run in the form of inference-perf 0.7's `summary_lifecycle_metrics.json` (its `summarize_requests`), so that
 * its figures stand beside those of a real run. Times are seconds.
 *
 * Of what it reports, these have no counterpart here and are what inference-perf writes where nothing was
 * measured: gaps between single tokens, sizes of requests in bytes, pictures, films and sounds. Goodput is over
 * the requests that ended, as there, and against an objective of each request's own; an answer of one token
 * keeps the objective per token, while inference-perf counts it as missed.
 */
import { type Distribution, PERCENTILES, type RunSummary } from "../replay/outcomes.ts";

export function summaryLifecycleMetrics(run: RunSummary): object {
  // Without an end there is still the time over which requests came.
  const totalS =
    (Number.isFinite(run.durationMs) ? Math.max(run.durationMs, run.arrivalSpanMs) : run.arrivalSpanMs) /
    1000;
  const perSecond = (count: number): number => (totalS > 0 ? count / totalS : 0);
  const promptTokens = tokensOf(run.promptTokens, run.finished);
  const outputTokens = tokensOf(run.outputTokens, run.finished);
  const percentOfFinished = (count: number): number =>
    run.finished === 0 ? 0 : (100 * count) / run.finished;
  return {
    benchmark_time_seconds: totalS,
    load_summary: { count: run.arrived, schedule_delay: constant(0, run.arrived) },
    successes: {
      count: run.finished,
      latency: {
        request_latency: summarized(run.e2eMs, 1000),
        normalized_time_per_output_token: summarized(run.e2ePerTokenMs, 1000),
        time_per_output_token: summarized(run.tpotMs, 1000),
        time_to_first_token: summarized(run.ttftMs, 1000),
        inter_token_latency: null,
      },
      throughput: {
        input_tokens_per_sec: perSecond(promptTokens),
        output_tokens_per_sec: perSecond(outputTokens),
        total_tokens_per_sec: perSecond(promptTokens + outputTokens),
        requests_per_sec: perSecond(run.finished),
        images_per_sec: 0,
        videos_per_sec: 0,
        audios_per_sec: 0,
      },
      request_size_bytes: null,
      image: { count: constant(0, run.finished), pixels: null, bytes: null, aspect_ratio: null },
      video: {
        count: constant(0, run.finished),
        frames: null,
        pixels: null,
        bytes: null,
        aspect_ratio: null,
      },
      audio: { count: constant(0, run.finished), seconds: null, bytes: null },
      prompt_tokens: {
        total: promptTokens,
        cached: run.cachedTokens,
        uncached: promptTokens - run.cachedTokens,
        ...summarized(run.promptTokens),
      },
      output_len: summarized(run.outputTokens),
      output_tokens: { total: outputTokens, ...summarized(run.outputTokens) },
      token_count_mismatches: 0,
      client_fallback_requests: { prompt: 0, output: 0 },
      goodput_metrics: {
        goodput_percentage: percentOfFinished(run.good),
        request_goodput: perSecond(run.good),
        token_goodput: perSecond(run.goodTokens),
        good_requests: run.good,
        total_requests: run.finished,
        ttft_attainment_percentage: percentOfFinished(run.ttftKept),
        tpot_attainment_percentage: percentOfFinished(run.tpotKept),
      },
    },
    failures: failuresOf(run),
  };
}

/** Requests that their server refuses at once: longer than it can hold. */
function failuresOf({ rejected, rejectedPromptTokens }: RunSummary): object {
  const total = tokensOf(rejectedPromptTokens, rejected);
  return {
    count: rejected,
    request_latency: constant(0, rejected),
    prompt_tokens: { total, cached: 0, uncached: total, ...summarized(rejectedPromptTokens) },
    by_label: rejected === 0 ? {} : { "400 - Context Window": { count: rejected, messages: [] } },
  };
}

/** Sum of a distribution of whole numbers. */
function tokensOf(of: Distribution | null, count: number): number {
  return of === null ? 0 : Math.round(of.mean * count);
}

/** @param divisor of every value */
function summarized(of: Distribution | null, divisor = 1): Readonly<Record<string, number>> | null {
  if (of === null) return null;
  const percentiles = PERCENTILES.map((percent, index) => [
    percent === 50 ? "median" : `p${percent}`,
    of.percentiles[index]! / divisor,
  ]);
  return {
    mean: of.mean / divisor,
    min: of.min / divisor,
    max: of.max / divisor,
    ...(Object.fromEntries(percentiles) as Readonly<Record<string, number>>),
  };
}

function constant(value: number, count: number): Readonly<Record<string, number>> | null {
  if (count === 0) return null;
  return summarized({ mean: value, min: value, max: value, percentiles: PERCENTILES.map(() => value) });
}
