/** OpenAI's embeddings, as vLLM serves them: of texts, token ids or a chat. */
import { openaiError } from "../refusal.ts";
import { integerField } from "../request-fields.ts";
import type { Api } from "./api.ts";
import { encoding, inputPrompts, listWork } from "./prefill.ts";
import { embedding } from "./vectors.ts";

const DIMENSIONS = 256;
const MAX_DIMENSIONS = 4096;

export const openaiEmbeddings: Api = {
  name: "openai-embeddings",
  paths: ["/v1/embeddings"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { input: "" },
  plan: ({ json }) => {
    const dimensions = integerField(json, "dimensions", 1, MAX_DIMENSIONS) ?? DIMENSIONS;
    const write = encoding(json);
    return listWork(json, "embd", inputPrompts(json), (prompt, index) => ({
      index,
      object: "embedding",
      embedding: write(embedding(prompt, dimensions)),
    }));
  },
};
