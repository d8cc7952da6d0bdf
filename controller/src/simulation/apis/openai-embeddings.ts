/** OpenAI's embeddings, as vLLM serves them: of texts, token ids or a chat. */
import { badValue, openaiError } from "../refusal.ts";
import { integerField, type Json, stringField } from "../request-fields.ts";
import { type Api, JSON_TYPE, type Prompt, type Work } from "./api.ts";
import { prefillUsage } from "./openai-usage.ts";
import { chatPrompt, promptsField } from "./prompts.ts";
import { base64Of, embedding } from "./vectors.ts";

const DIMENSIONS = 256;
const MAX_DIMENSIONS = 4096;

export const openaiEmbeddings: Api = {
  name: "openai-embeddings",
  paths: ["/v1/embeddings"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { input: "" },
  plan: ({ json }): Work => {
    const prompts = pooledPrompts(json);
    const dimensions = integerField(json, "dimensions", 1, MAX_DIMENSIONS) ?? DIMENSIONS;
    const write = encoding(json, "encoding_format");
    return {
      kind: "work",
      model: stringField(json, "model"),
      cacheSalt: stringField(json, "cache_salt"),
      prompts,
      copies: 1,
      maxTokens: 0,
      answer: ({ id, created, model }) => ({
        kind: "whole",
        contentType: JSON_TYPE,
        reports: "prompt",
        body: ({ usage }) =>
          JSON.stringify({
            id: `embd-${id}`,
            object: "list",
            created,
            model,
            data: prompts.map((prompt, index) => ({
              index,
              object: "embedding",
              embedding: write(embedding(prompt, dimensions)),
            })),
            usage: prefillUsage(usage),
          }),
      }),
    };
  },
};

/** What a pooling API computes on: its `input`, or the chat of its `messages`. @throws Refusal */
export function pooledPrompts(json: Json): readonly Prompt[] {
  return json.input === undefined && json.messages !== undefined
    ? [chatPrompt(json)]
    : promptsField(json, "input");
}

/** How a vector is written. @throws Refusal */
export function encoding(json: Json, field: string): (vector: Float32Array) => readonly number[] | string {
  const format = stringField(json, field) ?? "float";
  if (format === "float") return (vector) => Array.from(vector);
  if (format === "base64") return base64Of;
  throw badValue(field, `${field} is ${format}, known are float and base64`);
}
