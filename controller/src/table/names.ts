import {
  API_ANTHROPIC_MESSAGES,
  API_JSON,
  API_NONE,
  API_OPENAI_AUDIO,
  API_OPENAI_CHAT,
  API_OPENAI_COMPLETIONS,
  API_OPENAI_EMBEDDINGS,
  API_OPENAI_IMAGES,
  API_OPENAI_RESPONSES,
  SCORER_IN_FLIGHT,
  SCORER_KV_CACHE_UTILIZATION,
  SCORER_LORA_AFFINITY,
  SCORER_PREFIX_AFFINITY,
  SCORER_QUEUE_DEPTH,
  SCORER_RUNNING_REQUESTS,
} from "../../../assembly/wire/layout.ts";
import { PROFILE_LIST } from "../../../assembly/wire/profiles.ts";
import type { ApiName, ProfileName } from "../model.ts";
import type { PoolRow } from "./rows.ts";

type ScorerRowName = PoolRow["scorers"][number]["name"];

export const SCORER_NUMBERS: Readonly<Record<ScorerRowName, number>> = {
  "queue-depth": SCORER_QUEUE_DEPTH,
  "kv-cache-utilization": SCORER_KV_CACHE_UTILIZATION,
  "running-requests": SCORER_RUNNING_REQUESTS,
  "in-flight": SCORER_IN_FLIGHT,
  "lora-affinity": SCORER_LORA_AFFINITY,
  "prefix-affinity": SCORER_PREFIX_AFFINITY,
};

export const API_NUMBERS: Readonly<Record<ApiName, number>> = {
  none: API_NONE,
  "openai-chat": API_OPENAI_CHAT,
  "openai-completions": API_OPENAI_COMPLETIONS,
  "openai-responses": API_OPENAI_RESPONSES,
  "openai-embeddings": API_OPENAI_EMBEDDINGS,
  "openai-audio": API_OPENAI_AUDIO,
  "openai-images": API_OPENAI_IMAGES,
  "anthropic-messages": API_ANTHROPIC_MESSAGES,
  json: API_JSON,
};

function inverse<Name extends string>(numbers: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  return new Map((Object.keys(numbers) as Name[]).map((name) => [numbers[name], name]));
}

/** By PROFILE_* number. */
export const PROFILE_NAMES: ReadonlyMap<number, ProfileName> = new Map(
  PROFILE_LIST.map((name, place) => [place + 1, name]),
);
export const SCORER_NAMES = inverse(SCORER_NUMBERS);
export const API_NAMES = inverse(API_NUMBERS);

/** What an item of a pick list may hold: the list's items are separated by commas in a header. */
export const ADDRESS = /^[\x21-\x2b\x2d-\x7e]+$/;

/** The name of a header that a class is read from, in lower case. */
export const CLASS_HEADER_NAME = /^[a-z0-9._-]+$/;

/** A path's end: segments of visible ASCII, one of which may be `{model}`, without query, fragment or last `/`. */
export const SUFFIX = /^(?!.*\{model\}.*\{model\})(?:\/(?:[!"$-.0->@-z|~]+|\{model\}))+$/;
