/** vLLM's `/classify` and `/pooling`. */
import { openaiError } from "../refusal.ts";
import type { Api } from "./api.ts";
import { encoding, inputPrompts, listWork } from "./prefill.ts";
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
  plan: ({ json }) =>
    listWork(json, "classify", inputPrompts(json), (prompt, index) => {
      const first = score(prompt);
      const label = LABELS[first >= 0.5 ? 0 : 1];
      return { index, label, probs: [first, 1 - first], num_classes: LABELS.length };
    }),
};

export const vllmPooling: Api = {
  name: "vllm-pooling",
  paths: ["/pooling"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { input: "" },
  plan: ({ json }) => {
    const write = encoding(json);
    return listWork(json, "pool", inputPrompts(json), (prompt, index) => ({
      index,
      object: "pooling",
      data: write(embedding(prompt, DIMENSIONS)),
    }));
  },
};
