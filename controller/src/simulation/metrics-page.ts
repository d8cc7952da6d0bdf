/**
 * The `/metrics` page of a simulated server: vLLM's families, names, types, labels and their order.
 * Families that the simulation has nothing to say about are there with zeros, so that a reader meets a
 * page of the real size.
 */
import { Histogram } from "./histogram.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import { labelValue, MetricsText } from "./metrics-text.ts";
import type { ServerModel } from "./server-model.ts";

export interface MetricsPageInput {
  readonly model: ServerModel;
  readonly http: HttpMetrics;
  readonly modelName: string;
  /** Unix seconds at which the server started. */
  readonly startedS: number;
  /** Unix seconds of the model's time zero. */
  readonly modelEpochS: number;
  /** Adapters are enabled, so that the adapter family is exported (without a sample before the first step). */
  readonly adaptersEnabled: boolean;
}

const ZEROS = new Histogram([1, 2, 5, 10, 20]);

export function metricsPage(input: MetricsPageInput): string {
  const { model, startedS } = input;
  const text = new MetricsText();
  const m = model.metrics;
  const base = `engine="0",model_name="${labelValue(input.modelName)}"`;
  const [before, after] = ['engine="0",', `model_name="${labelValue(input.modelName)}"`];
  const with_ = (name: string, value: string): string => `${base},${name}="${value}"`;
  const gauge = (name: string, help: string, series: readonly (readonly [string, number])[]): void => {
    text.family(name, "gauge", help);
    for (const [labels, value] of series) text.sample(name, labels, value);
  };
  const counter = (name: string, help: string, ...series: (readonly [string, number])[]): void =>
    text.counter(name, help, series, startedS);
  const histogram = (name: string, help: string, values: Histogram): void => {
    text.family(name, "histogram", help);
    text.histogramSeries(name, before, after, values);
    text.created(name, help, [base], startedS);
  };

  writeProcess(text, startedS);
  for (const what of ["flops", "read_bytes", "write_bytes"]) {
    counter(`vllm:estimated_${what}_per_gpu`, "Estimate per GPU, not made by this server.", [base, 0]);
  }
  const waiting = model.publishedWaiting;
  gauge("vllm:num_requests_running", "Requests in the batch.", [[base, model.publishedRunning]]);
  gauge("vllm:num_requests_waiting", "Requests in the queue.", [[base, waiting]]);
  gauge("vllm:num_requests_waiting_by_reason", "Requests in the queue by what they wait for.", [
    [with_("reason", "capacity"), waiting],
    [with_("reason", "deferred"), 0],
  ]);
  gauge("vllm:engine_sleep_state", "1 for the state that the engine is in.", [
    [with_("sleep_state", "awake"), 1],
    [with_("sleep_state", "weights_offloaded"), 0],
    [with_("sleep_state", "discard_all"), 0],
  ]);
  gauge("vllm:kv_cache_usage_perc", "Share of KV-cache blocks in use, 1 is all.", [
    [base, model.publishedKvUsedRatio],
  ]);
  counter("vllm:prefix_cache_queries", "Tokens looked up in the prefix cache.", [base, model.prefixQueries]);
  counter("vllm:prefix_cache_hits", "Tokens found in the prefix cache.", [base, model.prefixHits]);
  for (const name of ["external_prefix_cache_queries", "external_prefix_cache_hits", "mm_cache_queries"]) {
    counter(`vllm:${name}`, "Of a cache that this server lacks.", [base, 0]);
  }
  counter("vllm:mm_cache_hits", "Of a cache that this server lacks.", [base, 0]);
  counter("vllm:num_preemptions", "Requests put back from the batch into the queue.", [
    base,
    model.preemptions,
  ]);
  counter("vllm:prompt_tokens", "Prompt tokens processed.", [base, m.promptTokens]);
  counter(
    "vllm:prompt_tokens_by_source",
    "Prompt tokens by where their state came from.",
    [with_("source", "local_compute"), m.promptTokens - m.promptTokensCached],
    [with_("source", "local_cache_hit"), m.promptTokensCached],
    [with_("source", "external_kv_transfer"), 0],
  );
  counter("vllm:prompt_tokens_cached", "Prompt tokens not computed again.", [base, m.promptTokensCached]);
  counter(
    "vllm:prompt_tokens_cached_by_source",
    "Prompt tokens not computed again, by the tier that held them.",
    [with_("source", "device"), m.promptTokensCached],
    ...["host", "p2p", "disk", "external_unspecified"].map((s) => [with_("source", s), 0] as const),
  );
  counter("vllm:generation_tokens", "Answer tokens sampled.", [base, m.generationTokens]);
  const finished = (reason: string): string => `engine="0",finished_reason="${reason}",${after}`;
  counter(
    "vllm:request_success",
    "Requests that ended, by reason.",
    [finished("stop"), m.finishedStop],
    [finished("length"), m.finishedLength],
    [finished("abort"), m.finishedAbort],
    [finished("error"), 0],
    [finished("repetition"), 0],
  );
  counter(
    "vllm:admission_rejections",
    "Requests refused by a queue limit.",
    [`${after},reason="max_num_queued_reqs"`, 0],
    [`${after},reason="max_num_queued_tokens"`, 0],
  );
  histogram("vllm:request_prompt_tokens", "Prompt tokens per request.", m.requestPromptTokens);
  histogram("vllm:request_generation_tokens", "Answer tokens per request.", m.requestGenerationTokens);
  histogram("vllm:iteration_tokens_total", "Tokens computed per step.", m.iterationTokens);
  histogram("vllm:request_max_num_generation_tokens", "Longest answer asked for.", m.requestGenerationTokens);
  histogram("vllm:request_params_n", "Parameter n of requests.", ZEROS);
  histogram("vllm:request_params_max_tokens", "Parameter max_tokens.", m.requestGenerationTokens);
  histogram("vllm:time_to_first_token_seconds", "Arrival to first token.", m.timeToFirstToken);
  histogram("vllm:inter_token_latency_seconds", "Between two tokens.", m.interTokenLatency);
  histogram("vllm:request_time_per_output_token_seconds", "Per token after the first.", m.timePerOutputToken);
  histogram("vllm:e2e_request_latency_seconds", "Arrival to last token.", m.e2eLatency);
  histogram("vllm:request_queue_time_seconds", "Spent in the queue.", m.queueTime);
  histogram("vllm:request_inference_time_seconds", "Spent in the batch.", m.inferenceTime);
  histogram("vllm:request_prefill_time_seconds", "Admission to first token.", m.prefillTime);
  histogram("vllm:request_decode_time_seconds", "First to last token.", m.decodeTime);
  histogram("vllm:request_num_preemptions", "Pre-emptions per request.", m.requestPreemptions);
  histogram("vllm:request_prefill_kv_computed_tokens", "Prompt tokens computed.", m.requestComputedTokens);
  if (input.adaptersEnabled) writeAdapters(text, input);
  gauge("vllm:cache_config_info", "Configuration of the KV cache.", [[cacheConfig(model), 1]]);
  input.http.write(text, startedS);
  return text.toString();
}

/**
 * Every set of adapters ever seen stays exported; its value is the Unix time at which it was last seen,
 * so the newest is the present one. An active adapter is named as running and as waiting.
 */
function writeAdapters(text: MetricsText, input: MetricsPageInput): void {
  text.family("vllm:lora_requests_info", "gauge", "Adapters of the requests in batch and queue.");
  for (const [names, atMs] of input.model.adapterSets) {
    const set = labelValue(names);
    text.sample(
      "vllm:lora_requests_info",
      `max_lora="${input.model.hw.maxAdapters}",running_lora_adapters="${set}",waiting_lora_adapters="${set}"`,
      input.modelEpochS + atMs / 1000,
    );
  }
}

function cacheConfig(model: ServerModel): string {
  const { blockTokens, kvBlocks, maxModelTokens } = model.hw;
  const tokens = blockTokens * kvBlocks;
  const fields: Record<string, string> = {
    _block_size_resolved: "True",
    block_size: String(blockTokens),
    cache_dtype: "auto",
    effective_attention_block_size: String(blockTokens),
    enable_prefix_caching: "True",
    engine: "0",
    gpu_memory_utilization: "0.92",
    is_attention_free: "False",
    kv_cache_max_concurrency: String(tokens / maxModelTokens),
    kv_cache_size_tokens: String(tokens),
    num_cpu_blocks: "None",
    num_gpu_blocks: String(kvBlocks),
    num_gpu_blocks_override: "None",
    prefix_caching_hash_algo: "sha256",
    sliding_window: "None",
    user_specified_block_size: "False",
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",");
}

function writeProcess(text: MetricsText, startedS: number): void {
  for (const what of ["objects_collected", "objects_uncollectable", "collections"]) {
    const name = `python_gc_${what}_total`;
    text.family(name, "counter", "Of the garbage collector, by generation.");
    for (const generation of ["0", "1", "2"]) text.sample(name, `generation="${generation}"`, 0);
  }
  const python = 'implementation="CPython",major="3",minor="11",patchlevel="7",version="3.11.7"';
  const gauges: [string, string, number][] = [
    ["python_info", python, 1],
    ["process_virtual_memory_bytes", "", 4.6e9],
    ["process_resident_memory_bytes", "", 1e9],
    ["process_start_time_seconds", "", startedS],
    ["process_cpu_seconds_total", "", 0],
    ["process_open_fds", "", 34],
    ["process_max_fds", "", 20000],
  ];
  for (const [name, labels, value] of gauges) {
    text.family(name, name.endsWith("_total") ? "counter" : "gauge", "Of the process.");
    text.sample(name, labels, value);
  }
}
