/** vLLM's `/classify` and `/pooling`. */
import { openaiError } from "../refusal.ts";
import { type Json, stringField } from "../request-fields.ts";
import { type AnswerHead, type Api, JSON_TYPE, type Prompt, type Work } from "./api.ts";
import { encoding, pooledPrompts } from "./openai-embeddings.ts";
import { prefillUsage } from "./openai-usage.ts";
import { embedding, score } from "./vectors.ts";

const LABELS = ["LABEL_0", "LABEL_1"] as const;
const DIMENSIONS = 64;

export const vllmClassify: Api = {
  name: "vllm-classify",
  paths: ["/classify"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { input: "" },
  plan: ({ json }) => pooled(json, "classify", (prompt, index) => ({ index, ...classOf(prompt) })),
};

export const vllmPooling: Api = {
  name: "vllm-pooling",
  paths: ["/pooling"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { input: "" },
  plan: ({ json }) => {
    const write = encoding(json, "encoding_format");
    return pooled(json, "pool", (prompt, index) => ({
      index,
      object: "pooling",
      data: write(embedding(prompt, DIMENSIONS)),
    }));
  },
};

function classOf(prompt: Prompt): object {
  const first = score(prompt);
  const probs = [first, 1 - first];
  return { label: LABELS[first >= 0.5 ? 0 : 1], probs, num_classes: LABELS.length };
}

/** Prefill of each prompt, then one item for each. */
function pooled(json: Json, prefix: string, item: (prompt: Prompt, index: number) => object): Work {
  const prompts = pooledPrompts(json);
  return {
    kind: "work",
    model: stringField(json, "model"),
    cacheSalt: stringField(json, "cache_salt"),
    prompts,
    copies: 1,
    maxTokens: 0,
    answer: ({ id, created, model }: AnswerHead) => ({
      kind: "whole",
      contentType: JSON_TYPE,
      reports: "prompt",
      body: ({ usage }) =>
        JSON.stringify({
          id: `${prefix}-${id}`,
          object: "list",
          created,
          model,
          data: prompts.map(item),
          usage: prefillUsage(usage),
        }),
    }),
  };
}
