/** vLLM's `/rerank` and `/score`: one prefill for each pair of texts. */
import { badValue, missing, openaiError } from "../refusal.ts";
import { integerField, isObject, type Json } from "../request-fields.ts";
import type { Api, Prompt } from "./api.ts";
import { listWork, prefillWork } from "./prefill.ts";
import { textPrompt } from "./prompts.ts";
import { score } from "./vectors.ts";

const MAX_PAIRS = 2048;
/** Names of the two sides of a score, newest first. */
const SIDES = [
  ["queries", "documents"],
  ["queries", "items"],
  ["data_1", "data_2"],
  ["text_1", "text_2"],
] as const;

export const vllmRerank: Api = {
  name: "vllm-rerank",
  paths: ["/rerank", "/v1/rerank", "/v2/rerank"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { query: "", documents: [""] },
  plan: ({ json }) => {
    const query = textsField(json, "query");
    const documents = textsField(json, "documents");
    const pairs = pairsOf(query, documents, "documents");
    const count = integerField(json, "top_n", 0) || documents.length;
    return prefillWork(json, pairs, ({ id, model }, { promptTokens }) => {
      const results = pairs.map((pair, index) => ({
        index,
        document: { text: documents[index]!, multi_modal: null },
        relevance_score: score(pair),
      }));
      results.sort((a, b) => b.relevance_score - a.relevance_score);
      return {
        id: `rerank-${id}`,
        model,
        usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
        results: results.slice(0, count),
      };
    });
  },
};

export const vllmScore: Api = {
  name: "vllm-score",
  paths: ["/score", "/v1/score"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { text_1: "", text_2: "" },
  plan: ({ json }) => {
    const [first, second] = SIDES.find((names) => names.every((name) => json[name] !== undefined)) ?? [];
    if (first === undefined || second === undefined) throw missing("data_1", json);
    const pairs = pairsOf(textsField(json, first), textsField(json, second), second);
    return listWork(json, "score", pairs, (pair, index) => ({ index, object: "score", score: score(pair) }));
  },
};

/** Texts, of objects their `text` or else their JSON; one stands for a list of one. */
function textsField(json: Json, name: string): readonly string[] {
  const value = json[name];
  if (value === undefined || value === null) throw missing(name, json);
  return (Array.isArray(value) ? value : [value]).map((each: unknown) => {
    if (typeof each === "string") return each;
    return isObject(each) && typeof each.text === "string" ? each.text : JSON.stringify(each);
  });
}

/** Each with each of equal lists, or the one of the first with all of the second. */
function pairsOf(first: readonly string[], second: readonly string[], field: string): readonly Prompt[] {
  if (second.length === 0 || second.length > MAX_PAIRS) {
    throw badValue(field, `${field} has ${second.length} items, from 1 to ${MAX_PAIRS} are taken`);
  }
  if (first.length !== 1 && first.length !== second.length) {
    throw badValue(
      field,
      `Input lengths must be either 1:1, 1:N or N:N, got ${first.length}:${second.length}`,
    );
  }
  return second.map((text, i) => textPrompt((first.length === 1 ? first[0]! : first[i]!) + text));
}
