/** Work of the pooling APIs: each prompt is computed, nothing is sampled, and one JSON answers all. */
import { badValue } from "../refusal.ts";
import { type Json, stringField } from "../request-fields.ts";
import type { Usage } from "../usage.ts";
import { type AnswerHead, JSON_TYPE, type Prompt, type Work } from "./api.ts";
import { chatPrompt, promptsField } from "./prompts.ts";
import { base64Of } from "./vectors.ts";

export function prefillWork(
  json: Json,
  prompts: readonly Prompt[],
  write: (head: AnswerHead, usage: Usage) => object,
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
      body: ({ usage }) => JSON.stringify(write(head, usage)),
    }),
  };
}

/** The same, answered with a list of one item for each prompt. @param prefix of the answer's id */
export function listWork(
  json: Json,
  prefix: string,
  prompts: readonly Prompt[],
  item: (prompt: Prompt, index: number) => object,
): Work {
  return prefillWork(json, prompts, ({ id, created, model }, usage) => ({
    id: `${prefix}-${id}`,
    object: "list",
    created,
    model,
    data: prompts.map(item),
    usage: prefillUsage(usage),
  }));
}

function prefillUsage({ promptTokens }: Usage): object {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens,
    completion_tokens: 0,
    prompt_tokens_details: null,
  };
}

/** What is computed on: the `input`, or the chat of the `messages`. @throws Refusal */
export function inputPrompts(json: Json): readonly Prompt[] {
  return json.input === undefined && json.messages !== undefined
    ? [chatPrompt(json)]
    : promptsField(json, "input");
}

/** How `encoding_format` wants vectors written. @throws Refusal */
export function encoding(json: Json): (vector: Float32Array) => readonly number[] | string {
  const format = stringField(json, "encoding_format") ?? "float";
  if (format === "float") return (vector) => Array.from(vector);
  if (format === "base64") return base64Of;
  throw badValue("encoding_format", `encoding_format is ${format}, known are float and base64`);
}
