/**
 * What accounts count in histograms: what each holds, its unit, and its bounds, for both languages. A bucket
 * counts the values up to and with its bound; one more counts what is above all bounds. Filter and
 * controller may differ in age: bounds of a number never change, other bounds are another histogram.
 *
 * Bounds are those that the reference endpoint picker publishes under the same name
 * (gateway-api-inference-extension, pkg/epp/metrics/metrics.go, with its 32778), so that quantiles of
 * the two compare.
 */

/** What stands for a model that its pool does not list, and for whatever has no row of its own. */
export const OTHER_NAME: string = "other";

/** Word for each ERROR_* of layout.ts; the reference's words where they mean the same. */
export const ERROR_CODES: StaticArray<string> = [
  "BadRequest",
  "InferencePoolResourceExhausted",
  "ServiceUnavailable",
  "Internal",
  "ModelServerError",
  "ModelServerRefused",
  "UpstreamReset",
  "ClientGone",
  "Unknown",
];

/** The whole request, of answers that came whole; us. */
export const HISTOGRAM_DURATION: u32 = 0;
/** From the request's headers to the first token, of streamed answers; us. */
export const HISTOGRAM_FIRST_TOKEN: u32 = 1;
/** (last token - first token) / (tokens - 1), of streamed answers; us. */
export const HISTOGRAM_PER_TOKEN: u32 = 2;
/** Duration / output tokens; us. */
export const HISTOGRAM_NORMALIZED: u32 = 3;
/** Longest wait between two tokens of a streamed answer; us. */
export const HISTOGRAM_GAP: u32 = 4;
/** Bytes of requests' bodies. */
export const HISTOGRAM_REQUEST_SIZE: u32 = 5;
/** Bytes of the bodies of answers that came whole. */
export const HISTOGRAM_RESPONSE_SIZE: u32 = 6;
/** Prompt tokens, as usage says. */
export const HISTOGRAM_INPUT: u32 = 7;
/** Completion tokens, as usage says. */
export const HISTOGRAM_OUTPUT: u32 = 8;
/** Prompt tokens that the endpoint had cached, as usage says. */
export const HISTOGRAM_CACHED: u32 = 9;
/** Completion tokens, estimated, of answers without usage. */
export const HISTOGRAM_OUTPUT_ESTIMATED: u32 = 10;
/** |estimate - exact| / exact of the completion tokens, where both are known; thousandths. */
export const HISTOGRAM_ESTIMATE_ERROR: u32 = 11;
export const HISTOGRAMS: u32 = 12;

/** 5 ms to an hour. */
const LATENCY_US: StaticArray<u32> = [
  5000, 25000, 50000, 100000, 200000, 400000, 600000, 800000, 1000000, 1250000, 1500000, 2000000, 3000000,
  4000000, 5000000, 6000000, 8000000, 10000000, 15000000, 20000000, 30000000, 45000000, 60000000, 120000000,
  180000000, 240000000, 300000000, 360000000, 480000000, 600000000, 900000000, 1200000000, 1800000000,
  2700000000, 3600000000,
];
const PER_TOKEN_US: StaticArray<u32> = [
  500, 2050, 5000, 10000, 20000, 40000, 60000, 80000, 100000, 125000, 150000, 200000, 300000, 400000, 500000,
  600000, 800000, 1000000, 1500000, 2000000, 3000000, 4500000, 6000000, 12000000, 18000000, 24000000,
  30000000, 36000000, 48000000, 60000000, 90000000, 120000000, 180000000, 270000000, 360000000,
];
const NORMALIZED_US: StaticArray<u32> = [
  1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000,
];
const REQUEST_BYTES: StaticArray<u32> = [
  64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288, 1048576, 2097152,
  4194304, 8388608, 16777216, 33554432, 67108864, 134217728, 268435456, 536870912, 1073741824,
];
const RESPONSE_BYTES: StaticArray<u32> = [
  1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32778, 65536,
];
const PROMPT_TOKENS: StaticArray<u32> = [
  1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32778, 65536, 131072, 262144, 524288,
  1048576,
];
const OUTPUT_TOKENS: StaticArray<u32> = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
/** Not the reference's, which has no estimates: 1 % to twice as many. */
const RELATIVE_ERROR: StaticArray<u32> = [10, 20, 50, 100, 200, 300, 500, 1000];

/** By HISTOGRAM_*. */
export const HISTOGRAM_BOUNDS: StaticArray<StaticArray<u32>> = [
  LATENCY_US,
  LATENCY_US,
  PER_TOKEN_US,
  NORMALIZED_US,
  LATENCY_US,
  REQUEST_BYTES,
  RESPONSE_BYTES,
  PROMPT_TOKENS,
  OUTPUT_TOKENS,
  PROMPT_TOKENS,
  OUTPUT_TOKENS,
  RELATIVE_ERROR,
];
