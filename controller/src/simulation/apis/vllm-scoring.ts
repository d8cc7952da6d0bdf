/** vLLM's `/rerank` and `/score`: one prefill for each pair of texts. */
import { badValue, missing, openaiError } from "../refusal.ts";
import { integerField, isObject, type Json, stringField } from "../request-fields.ts";
import { type AnswerHead, type Api, JSON_TYPE, type Prompt, type Work } from "./api.ts";
import { prefillUsage } from "./openai-usage.ts";
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
    return work(json, pairs, ({ id, model }, usage) => {
      const results = pairs.map((pair, index) => ({
        index,
        document: { text: documents[index]!, multi_modal: null },
        relevance_score: score(pair),
      }));
      results.sort((a, b) => b.relevance_score - a.relevance_score);
      const { prompt_tokens, total_tokens } = usage as Record<string, number>;
      return {
        id: `rerank-${id}`,
        model,
        usage: { prompt_tokens, total_tokens },
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
    return work(json, pairs, ({ id, created, model }, usage) => ({
      id: `score-${id}`,
      object: "list",
      created,
      model,
      data: pairs.map((pair, index) => ({ index, object: "score", score: score(pair) })),
      usage,
    }));
  },
};

function work(
  json: Json,
  prompts: readonly Prompt[],
  write: (head: AnswerHead, usage: object) => object,
): Work {
  return {
    kind: "work",
    model: stringField(json, "model"),
    cacheSalt: stringField(json, "cache_salt"),
    prompts,
    copies: 1,
    maxTokens: 0,
    answer: (head) => ({
      kind: "whole",
      contentType: JSON_TYPE,
      reports: "prompt",
      body: ({ usage }) => JSON.stringify(write(head, prefillUsage(usage))),
    }),
  };
}

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
