import {
  HISTOGRAM_CACHED,
  HISTOGRAM_DURATION,
  HISTOGRAM_FIRST_TOKEN,
  HISTOGRAM_INPUT,
  HISTOGRAM_NORMALIZED,
  HISTOGRAM_OUTPUT,
  HISTOGRAM_PER_TOKEN,
  HISTOGRAM_REQUEST_SIZE,
  HISTOGRAM_RESPONSE_SIZE,
} from "../../wire/accounts";

/**
 * Names of the metrics on Envoy's page, for the filter, the bootstrap's tags and the documentation: constants
 * only, so that TypeScript reads them too. Envoy's metrics have a name and no labels: these go into the name,
 *
 *     inference_objective_request_total;model_name=llama;target_model_name=llama;pool=default/chat;
 *
 * from where `stats_config.stats_tags` of the bootstrap take them out again. A value is percent-encoded
 * beyond what names mostly consist of, so that it holds neither `;` nor `=` and no two values look the same.
 *
 * The unit is in the name: the host's histograms take whole numbers.
 */

/** Labels of every `inference_objective_*`, in this order. */
export const TAG_MODEL: string = "model_name";
export const TAG_TARGET: string = "target_model_name";
export const TAG_POOL: string = "pool";
/** Label of errors, behind those of the row. */
export const TAG_ERROR: string = "error_code";
/** Label of attempts, their only one. */
export const TAG_STATUS: string = "status";

export const STAT_REQUESTS: string = "inference_objective_request_total";
export const STAT_ERRORS: string = "inference_objective_request_error_total";
export const STAT_RUNNING: string = "inference_objective_running_requests";
export const STAT_ATTEMPTS: string = "inference_extension_scheduler_attempts_total";
export const STAT_REWRITES: string = "inference_extension_model_rewrite_decisions_total";

/** Histograms by place. */
export const PAGE_HISTOGRAMS: StaticArray<string> = [
  "inference_objective_request_duration_ms",
  "inference_objective_request_sizes",
  "inference_objective_input_tokens",
  "inference_objective_output_tokens",
  "inference_objective_prompt_cached_tokens",
  "inference_objective_request_ttft_ms",
  "inference_objective_request_tpot_us",
  "inference_objective_response_sizes",
  "inference_objective_normalized_time_per_output_token_us",
];
/**
 * The first COMMON_PLACES are every request's, the next STREAM_PLACES are for streams of events alone, the rest
 * for other answers alone: a record costs 0.12 us, and so a request takes six of them, seven with cached tokens.
 */
export const COMMON_PLACES: i32 = 5;
export const STREAM_PLACES: i32 = 2;
/** What each holds, by place. */
export const PAGE_FIGURES: StaticArray<u32> = [
  HISTOGRAM_DURATION,
  HISTOGRAM_REQUEST_SIZE,
  HISTOGRAM_INPUT,
  HISTOGRAM_OUTPUT,
  HISTOGRAM_CACHED,
  HISTOGRAM_FIRST_TOKEN,
  HISTOGRAM_PER_TOKEN,
  HISTOGRAM_RESPONSE_SIZE,
  HISTOGRAM_NORMALIZED,
];
/** How many of the figure's units make one of the page's, by place: 1000 us are 1 ms. */
export const PAGE_DIVISORS: StaticArray<u32> = [1000, 1, 1, 1, 1, 1000, 1, 1, 1];
