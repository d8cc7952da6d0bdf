/** The APIs that a simulated server speaks: one file for each, one line here. */
import { anthropicCountTokens, anthropicMessages } from "./anthropic-messages.ts";
import type { Api } from "./api.ts";
import { models, oneModel } from "./models.ts";
import { openaiSpeech, openaiTranscriptions, openaiTranslations } from "./openai-audio.ts";
import { openaiChat } from "./openai-chat.ts";
import { openaiCompletions } from "./openai-completions.ts";
import { openaiEmbeddings } from "./openai-embeddings.ts";
import { openaiImageEdits, openaiImages, openaiImageVariations } from "./openai-images.ts";
import { openaiResponses } from "./openai-responses.ts";
import { vllmClassify, vllmPooling } from "./vllm-pooling.ts";
import { vllmRerank, vllmScore } from "./vllm-scoring.ts";
import { vllmDetokenize, vllmTokenize } from "./vllm-tokens.ts";

export const APIS: readonly Api[] = [
  openaiChat,
  openaiCompletions,
  openaiResponses,
  openaiEmbeddings,
  openaiTranscriptions,
  openaiTranslations,
  openaiSpeech,
  openaiImages,
  openaiImageEdits,
  openaiImageVariations,
  anthropicMessages,
  anthropicCountTokens,
  vllmRerank,
  vllmScore,
  vllmClassify,
  vllmPooling,
  vllmTokenize,
  vllmDetokenize,
  models,
  oneModel,
];

export interface FoundApi {
  readonly api: Api;
  /** As it is registered; labels what is counted by path. */
  readonly path: string;
  /** What stands for `{id}`; empty where the path has none. */
  readonly id: string;
}

const ID = "/{id}";

/** The API of a path, its query cut off. */
export function apiOf(path: string): FoundApi | undefined {
  const whole = WHOLE.get(path);
  if (whole !== undefined) return { api: whole, path, id: "" };
  for (const [registered, api] of WITH_ID) {
    const start = registered.slice(0, -ID.length + 1);
    if (path.length > start.length && path.startsWith(start)) {
      return { api, path: registered, id: decoded(path.slice(start.length)) };
    }
  }
  return undefined;
}

const all = APIS.flatMap((api) => api.paths.map((path) => [path, api] as const));
const WHOLE = new Map(all.filter(([path]) => !path.endsWith(ID)));
const WITH_ID = all.filter(([path]) => path.endsWith(ID));

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
