import { Buffer } from "node:buffer";
import type { ModelSpec } from "../model.ts";

/** Longest name that is taken, in bytes: what the table carries. */
export const MAX_MODEL_NAME_BYTES = 256;
/** Entries looked at in one list; the rest is left out unread. A server lists its base models first. */
export const MAX_LISTED_MODELS = 1024;

export interface ModelList {
  readonly models: readonly ModelSpec[];
  /** Entries without a name that a table can carry, or beyond the number that is looked at. */
  readonly dropped: number;
}

/** The page is no list of models. */
export class NotAModelList extends Error {}

/**
 * An answer to `GET /v1/models` (OpenAI API reference, "List models"; vLLM, SGLang and trtllm-serve alike): an
 * object whose `data` is a list of objects with an `id`. vLLM lists a LoRA adapter under the name of its base in
 * `parent`, which is null for a base model and absent elsewhere.
 * @throws NotAModelList
 */
export function readModelList(page: Buffer): ModelList {
  const entries = entriesOf(page);
  const models = new Map<string, ModelSpec>();
  let dropped = Math.max(0, entries.length - MAX_LISTED_MODELS);
  for (const entry of entries.slice(0, MAX_LISTED_MODELS)) {
    const { id, parent } = (entry ?? {}) as { readonly id?: unknown; readonly parent?: unknown };
    if (typeof id !== "string" || !isName(id)) dropped++;
    else if (!models.has(id)) models.set(id, { name: id, adapter: typeof parent === "string" });
  }
  return { models: [...models.values()], dropped };
}

function entriesOf(page: Buffer): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(page.toString("utf8"));
  } catch (cause) {
    // The parser's own message quotes the page.
    throw new NotAModelList("not JSON", { cause });
  }
  const { data } = (parsed ?? {}) as { readonly data?: unknown };
  if (!Array.isArray(data)) throw new NotAModelList("no list in data");
  return data;
}

/** Control characters would stand in logs, headers and metrics; half a surrogate pair has no UTF-8 to compare. */
function isName(id: string): boolean {
  return id !== "" && Buffer.byteLength(id) <= MAX_MODEL_NAME_BYTES && !/[\p{Cc}\p{Cs}]/u.test(id);
}
