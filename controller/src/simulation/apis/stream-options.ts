import { badValue } from "../refusal.ts";
import { flagField, isObject, type Json } from "../request-fields.ts";

export interface StreamOptions {
  /** A last event with the usage of the whole answer. */
  readonly includeUsage: boolean;
  /** The usage so far in every event. */
  readonly continuousUsage: boolean;
}

/** @throws Refusal where there are options and no stream, as vLLM does */
export function streamOptions(json: Json): StreamOptions {
  const { stream_options: options } = json;
  if (!isObject(options)) return { includeUsage: false, continuousUsage: false };
  if (!flagField(json, "stream")) {
    throw badValue("stream_options", "Stream options can only be defined when `stream=True`.");
  }
  const includeUsage = flagField(options, "include_usage");
  return { includeUsage, continuousUsage: includeUsage && flagField(options, "continuous_usage_stats") };
}
