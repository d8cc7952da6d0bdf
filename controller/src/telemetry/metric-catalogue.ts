import {
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
} from "../../../assembly/wire/accounts.ts";

/** One metric as its page shows it, and as the documentation lists it. */
export interface Metric {
  /** As on the page; a counter of the filter as in `/stats`, where Envoy puts `wasmcustom.` before it. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Of its value; empty for a plain number. */
  readonly unit: string;
  readonly labels: readonly string[];
  /** What it says, as a phrase; it is the page's HELP too. */
  readonly what: string;
}

/** A histogram made of accounts. */
export interface AccountHistogram extends Metric {
  /** HISTOGRAM_* */
  readonly histogram: number;
  /** How many of the accounts' units make one of this metric's. */
  readonly divisor: number;
}

const US_PER_S = 1e6;
const POOL = ["namespace", "name"];
const ENDPOINT = [...POOL, "model_server_pod"];
const MODEL = ["model_name", "target_model_name", ...POOL];
/** On Envoy's page the pool is one label, `namespace/name`. */
const PAGE = ["model_name", "target_model_name", "pool"];

function counter(name: string, labels: readonly string[], what: string, unit = ""): Metric {
  return { name, type: "counter", unit, labels, what };
}

function gauge(name: string, labels: readonly string[], what: string, unit = ""): Metric {
  return { name, type: "gauge", unit, labels, what };
}

function pageHistogram(name: string, unit: string, what: string): Metric {
  return { name: `inference_objective_${name}`, type: "histogram", unit, labels: PAGE, what };
}

function seconds(name: string, histogram: number, what: string): AccountHistogram {
  return { name, type: "histogram", unit: "s", labels: MODEL, what, histogram, divisor: US_PER_S };
}

function plain(name: string, histogram: number, unit: string, what: string, divisor = 1): AccountHistogram {
  return { name, type: "histogram", unit, labels: MODEL, what, histogram, divisor };
}

const WHAT = {
  requests: "requests of [known APIs](requests.md), from the moment that their model is known",
  errors: "requests that failed, by how",
  running: "requests under way",
  attempts:
    "picks tried for requests of [known APIs](requests.md): `success`, or `failure` where no endpoint could be picked",
  rewrites: "requests sent under another model's name",
  duration: "whole requests, of answers that came whole",
  ttft: "from the request's headers to the first token of a streamed answer",
  tpot: "mean time between the tokens of a streamed answer",
  ntpot: "whole request over its output tokens",
  requestSizes: "bodies of requests",
  responseSizes: "bodies of answers that came whole",
  input: "prompt tokens, as usage says",
  output: "completion tokens, as usage says",
  cached: "prompt tokens that the endpoint had cached, as usage says",
} as const;

/** On Envoy's admin page: what the filter counts, all workers together. */
export const ENVOY_METRICS: readonly Metric[] = [
  counter("inference_objective_request_total", PAGE, WHAT.requests),
  counter("inference_objective_request_error_total", [...PAGE, "error_code"], WHAT.errors),
  gauge("inference_objective_running_requests", PAGE, `${WHAT.running}, set once a second`),
  pageHistogram("request_duration_ms", "ms", WHAT.duration),
  pageHistogram("request_ttft_ms", "ms", WHAT.ttft),
  pageHistogram("request_tpot_us", "µs", WHAT.tpot),
  pageHistogram(
    "normalized_time_per_output_token_us",
    "µs",
    `${WHAT.ntpot}, of answers that are not streamed`,
  ),
  pageHistogram("request_sizes", "bytes", WHAT.requestSizes),
  pageHistogram("response_sizes", "bytes", `${WHAT.responseSizes} and are not streamed`),
  pageHistogram("input_tokens", "tokens", WHAT.input),
  pageHistogram("output_tokens", "tokens", WHAT.output),
  pageHistogram("prompt_cached_tokens", "tokens", WHAT.cached),
  counter("inference_extension_scheduler_attempts_total", ["status"], WHAT.attempts),
  counter("inference_extension_model_rewrite_decisions_total", PAGE, WHAT.rewrites),
  counter("inference_picker.picks", [], "picks"),
  counter("inference_picker.answers", [], "[answers that the filter gave itself](responses.md)"),
  counter("inference_picker.fail_open", [], "requests of FailOpen pools that went on without a pick"),
  counter("inference_picker.feed.tables_accepted", [], "tables taken from a controller"),
  counter(
    "inference_picker.feed.tables_refused",
    [],
    "tables refused: broken, of an unknown version, or not newer",
  ),
  counter(
    "inference_picker.feed.tables_unreadable",
    [],
    "tables that another worker took and this one could not read",
  ),
  counter(
    "inference_picker.feed.tables_outranked",
    [],
    "tables of a controller that started earlier, left aside while a later one sends good ones",
  ),
  counter(
    "inference_picker.endpoint_restarts",
    [],
    "endpoints of which a VM heard that they [restarted](scraping.md#restarts): what they had cached is forgotten",
  ),
  counter(
    "inference_picker.exchange.prompts_sent",
    [],
    "prompts of which this Envoy [told the others](architecture.md#the-feed)",
  ),
  counter("inference_picker.exchange.prompts_received", [], "prompts of which it heard of the others"),
  counter(
    "inference_picker.exchange.prompts_dropped",
    [],
    "prompts that it could not tell of before newer ones took their room",
  ),
  counter(
    "inference_picker.exchange.items_refused",
    [],
    "what VMs of an Envoy send each other, or a controller tells of prompts, and could not be read",
  ),
  counter(
    "inference_picker.slots_exhausted",
    [],
    "times a VM found all 256 slots taken; it picks without sharing counts, its accounts stay its own, and it looks again every 0.5 s",
  ),
  counter(
    "inference_picker.memory_growth_bytes",
    [],
    "growth of the guests' memory; flat once load has been at its highest",
    "bytes",
  ),
];

/** On the controller's page, of the accounts: histograms. */
export const ACCOUNT_HISTOGRAMS: readonly AccountHistogram[] = [
  seconds("inference_objective_request_duration_seconds", HISTOGRAM_DURATION, WHAT.duration),
  seconds("inference_objective_request_ttft_seconds", HISTOGRAM_FIRST_TOKEN, WHAT.ttft),
  seconds("inference_objective_request_tpot_seconds", HISTOGRAM_PER_TOKEN, WHAT.tpot),
  seconds("inference_objective_normalized_time_per_output_token_seconds", HISTOGRAM_NORMALIZED, WHAT.ntpot),
  plain("inference_objective_request_sizes", HISTOGRAM_REQUEST_SIZE, "bytes", WHAT.requestSizes),
  plain("inference_objective_response_sizes", HISTOGRAM_RESPONSE_SIZE, "bytes", WHAT.responseSizes),
  plain("inference_objective_input_tokens", HISTOGRAM_INPUT, "tokens", WHAT.input),
  plain("inference_objective_output_tokens", HISTOGRAM_OUTPUT, "tokens", WHAT.output),
  plain("inference_objective_prompt_cached_tokens", HISTOGRAM_CACHED, "tokens", WHAT.cached),
  seconds(
    "inference_picker_token_gap_max_seconds",
    HISTOGRAM_GAP,
    "longest wait between two tokens of a streamed answer",
  ),
  plain(
    "inference_picker_output_tokens_estimated",
    HISTOGRAM_OUTPUT_ESTIMATED,
    "tokens",
    "completion tokens of answers without usage, estimated",
  ),
  plain(
    "inference_picker_estimated_tokens_relative_error",
    HISTOGRAM_ESTIMATE_ERROR,
    "ratio",
    "how far the estimate is from the usage, where there are both",
    1000,
  ),
];

/** On the controller's page, of the accounts: all but the histograms. */
export const ACCOUNT_METRICS = {
  requests: counter("inference_objective_request_total", MODEL, WHAT.requests),
  errors: counter("inference_objective_request_error_total", [...MODEL, "error_code"], WHAT.errors),
  running: gauge("inference_objective_running_requests", MODEL, WHAT.running),
  attempts: counter("inference_extension_scheduler_attempts_total", ["status"], WHAT.attempts),
  rewrites: counter("inference_extension_model_rewrite_decisions_total", MODEL, WHAT.rewrites),
} as const;

/** On the controller's page: everything else that is its own. */
const CONTROLLER: readonly Metric[] = [
  gauge("inference_pool_average_kv_cache_utilization", POOL, "mean KV-cache use, 0 to 1", "ratio"),
  gauge("inference_pool_average_queue_size", POOL, "mean of waiting requests"),
  gauge("inference_pool_average_running_requests", POOL, "mean of running requests"),
  gauge("inference_pool_ready_pods", POOL, "endpoints that may be picked"),
  gauge("inference_pool_per_pod_queue_size", ENDPOINT, "waiting requests of an endpoint"),
  gauge("inference_picker_endpoint_age_seconds", ENDPOINT, "age of an endpoint's measurements", "s"),
  counter("inference_picker_picks_total", ENDPOINT, "picks, over all Envoys"),
  counter(
    "inference_picker_scrapes_total",
    ["result"],
    "scrapes: `success` or a [failure](scraping.md#what-a-scrape-may-cost)",
  ),
  counter("inference_picker_scrape_seconds_total", [], "time in scrapes, failed ones too", "s"),
  gauge("inference_picker_scrape_targets", [], "endpoints that are scraped"),
  counter(
    "inference_picker_scrape_adapters_dropped_total",
    [],
    "LoRA adapters of metrics pages whose names were too long or that were too many",
  ),
  counter(
    "inference_picker_model_lists_total",
    ["result"],
    "lists of models: `success` or a [failure](scraping.md#which-models-an-endpoint-serves)",
  ),
  counter(
    "inference_picker_model_names_dropped_total",
    [],
    "names in lists of models that were too long, or in lists that were",
  ),
  counter(
    "inference_picker_table_errors_total",
    [],
    "tables that could not be encoded; Envoys keep the last one",
  ),
  gauge(
    "inference_picker_table_adapters_dropped",
    [],
    "LoRA adapters for which the newest table has no room",
  ),
  gauge("inference_picker_table_models_dropped", [], "listed models for which the newest table has no room"),
  gauge("inference_picker_table_sequence", [], "sequence of the newest table"),
  gauge("inference_picker_feed_streams", [], "open feed streams, one an Envoy"),
  counter(
    "inference_picker_feed_tables_total",
    ["outcome"],
    "tables: `sent`, or `skipped` because the receiver was slow and a newer one was there",
  ),
  counter("inference_picker_feed_reports_total", ["outcome"], "Envoys' reports: `accepted`, `refused`"),
  counter(
    "inference_picker_feed_accounts_total",
    ["outcome"],
    "accounts of Envoys' VMs: `accepted`, `refused`, or `no_room` where there are too many to remember",
  ),
  counter(
    "inference_picker_feed_prefixes_total",
    ["outcome"],
    "prompts that Envoys [tell each other of](architecture.md#the-feed): `accepted` from one, `sent` to another, `dropped` for lack of room or since nobody could use them; `refused` are messages that could not be read",
  ),
  gauge(
    "inference_picker_learned_time_seconds",
    [...POOL, "of"],
    "what the Envoys have learned that a `step` of the pool's servers takes, and more for each `context_token`, each `sequence` and each `prompt_token` in it",
    "s",
  ),
  gauge(
    "inference_picker_learned_output_tokens",
    POOL,
    "mean of an answer's tokens, as the Envoys have learned it",
    "tokens",
  ),
  gauge(
    "inference_picker_learned_tokens_per_byte",
    POOL,
    "tokens of a prompt for each of its bytes, as the Envoys have learned it",
  ),
  gauge(
    "inference_picker_learned_observations",
    POOL,
    "first tokens and answers that this was learned from, over all Envoys",
  ),
  gauge(
    "inference_picker_learned_slowness",
    ENDPOINT,
    "how many times as long as the mean endpoint of its pool an endpoint takes, as the Envoys have learned it",
    "ratio",
  ),
  gauge(
    "inference_picker_accounts_vms",
    [],
    "VMs whose accounts are known, ten minutes after their last word too",
  ),
  gauge("inference_picker_ads_streams", [], "open discovery streams"),
  counter("inference_picker_ads_nacks_total", [], "responses that an Envoy rejected"),
  counter(
    "inference_picker_config_errors_total",
    ["code"],
    "errors of the pools file and of name resolution",
  ),
  gauge(
    "inference_picker_pools_stranded",
    [],
    "pools none of whose names resolves, and which keep their earlier endpoints",
  ),
  gauge(
    "inference_picker_leading",
    [],
    "1 while this controller holds the Lease and writes statuses and Events, else 0; absent where there are none to write",
  ),
  counter(
    "inference_picker_status_writes_total",
    ["result"],
    "writes of InferencePools' statuses: `success`, `conflict` where somebody else had written in between and it was tried again, `failure`",
  ),
  counter(
    "inference_picker_events_total",
    ["result"],
    "Events: `success`, `failure`, or `dropped` where a finding was gone before it could be written or too many stand",
  ),
  gauge("inference_extension_info", ["build_ref"], "always 1; the controller's version"),
];

/** On the controller's page, beside `process_*` and `nodejs_*`. */
export const CONTROLLER_METRICS: readonly Metric[] = [
  ...Object.values(ACCOUNT_METRICS),
  ...ACCOUNT_HISTOGRAMS,
  ...CONTROLLER,
];

/** @throws RangeError for a name that the catalogue does not have. */
export function controllerMetric(name: string): Metric {
  const found = CONTROLLER_METRICS.find((metric) => metric.name === name);
  if (found === undefined) throw new RangeError(`the catalogue has no ${name}`);
  return found;
}

/** The description without the documentation's marks. */
export function helpOf(metric: Metric): string {
  return metric.what.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
}
