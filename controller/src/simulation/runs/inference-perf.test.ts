import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ModelRequest } from "../model-request.ts";
import { Outcomes } from "../replay/outcomes.ts";
import { summaryLifecycleMetrics } from "./inference-perf.ts";

type Json = Readonly<Record<string, unknown>>;

/** Keys of inference-perf 0.7's summary, all of them, in its order; leaves are null here. */
const DISTRIBUTION = [
  "mean",
  "min",
  "max",
  "p0.1",
  "p1",
  "p5",
  "p10",
  "p25",
  "median",
  "p75",
  "p90",
  "p95",
  "p99",
  "p99.9",
];
const KEYS: Json = {
  benchmark_time_seconds: null,
  load_summary: ["count", "schedule_delay"],
  successes: [
    "count",
    "latency",
    "throughput",
    "request_size_bytes",
    "image",
    "video",
    "audio",
    "prompt_tokens",
    "output_len",
    "output_tokens",
    "token_count_mismatches",
    "client_fallback_requests",
    "goodput_metrics",
  ],
  failures: ["count", "request_latency", "prompt_tokens", "by_label"],
};

function outcomes(): Outcomes {
  const of = new Outcomes({ ttft: { baseMs: 1000, perThousandMs: 0 }, tpotMs: 50 });
  for (const [arrivalMs, firstTokenMs, finishedMs] of [
    [0, 500, 900],
    [1000, 2500, 2900],
  ] as const) {
    const request = new ModelRequest({ promptTokens: 1000, outputTokens: 11, blockHashes: [] });
    Object.assign(request, { arrivalMs, firstTokenMs, finishedMs, cachedTokens: 250 });
    of.arrive(arrivalMs);
    of.finish(request);
  }
  of.arrive(4000);
  of.reject(9000);
  return of;
}

describe("a run in inference-perf's form", () => {
  const report = summaryLifecycleMetrics(outcomes().summary()) as Record<string, Record<string, Json>>;

  it("has the keys of its summary", () => {
    assert.deepEqual(Object.keys(report), Object.keys(KEYS));
    for (const name of ["load_summary", "successes", "failures"]) {
      assert.deepEqual(Object.keys(report[name]!), KEYS[name], name);
    }
    const { latency, throughput, goodput_metrics: goodput, prompt_tokens: prompt } = report.successes!;
    assert.deepEqual(Object.keys(latency!), [
      "request_latency",
      "normalized_time_per_output_token",
      "time_per_output_token",
      "time_to_first_token",
      "inter_token_latency",
    ]);
    assert.deepEqual(Object.keys(latency!.time_to_first_token as Json), DISTRIBUTION);
    assert.deepEqual(Object.keys(prompt!), ["total", "cached", "uncached", ...DISTRIBUTION]);
    assert.deepEqual(Object.keys(throughput!).slice(0, 4), [
      "input_tokens_per_sec",
      "output_tokens_per_sec",
      "total_tokens_per_sec",
      "requests_per_sec",
    ]);
    assert.deepEqual(Object.keys(goodput!).slice(0, 3), [
      "goodput_percentage",
      "request_goodput",
      "token_goodput",
    ]);
  });

  it("counts in seconds, over the time from the first request to the last end", () => {
    const { latency, throughput, goodput_metrics: goodput, prompt_tokens: prompt } = report.successes!;
    const median = (name: string) => (latency![name] as Json).median;
    assert.equal(report.benchmark_time_seconds, 4);
    assert.equal(median("time_to_first_token"), 1);
    assert.equal(median("time_per_output_token"), 0.04);
    assert.equal(median("request_latency"), 1.4);
    assert.equal(latency!.inter_token_latency, null);
    assert.deepEqual(
      [throughput!.requests_per_sec, throughput!.input_tokens_per_sec, throughput!.output_tokens_per_sec],
      [0.5, 500, 5.5],
    );
    assert.deepEqual([prompt!.total, prompt!.cached, prompt!.uncached], [2000, 500, 1500]);
    assert.deepEqual(goodput, {
      goodput_percentage: 50,
      request_goodput: 0.25,
      token_goodput: 1011 / 4,
      good_requests: 1,
      total_requests: 2,
      ttft_attainment_percentage: 50,
      tpot_attainment_percentage: 100,
    });
  });

  it("counts what a server cannot hold as failures", () => {
    const { count, request_latency: latency, by_label: labels } = report.failures!;
    assert.equal(count, 1);
    assert.equal((latency as Json).max, 0);
    assert.deepEqual(labels, { "400 - Context Window": { count: 1, messages: [] } });
  });

  it("is null where nothing was measured, and valid JSON throughout", () => {
    const of = new Outcomes({ ttft: { baseMs: 1, perThousandMs: 0 }, tpotMs: 1 });
    of.arrive(0);
    of.reject(1);
    const none = summaryLifecycleMetrics(of.summary()) as typeof report;
    assert.equal(none.successes!.latency!.time_to_first_token, null);
    assert.deepEqual(JSON.parse(JSON.stringify(none)), none);
  });
});
