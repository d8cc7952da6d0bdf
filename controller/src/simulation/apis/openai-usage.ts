/** The `usage` of OpenAI's older APIs, in vLLM's order. */
import type { Usage } from "../usage.ts";

export const FINGERPRINT = "vllm-0.32.0-simulated";

export function counts(usage: Usage): Record<string, number> {
  return {
    prompt_tokens: usage.promptTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    completion_tokens: usage.completionTokens,
  };
}

/** Of a whole answer. @param createdCacheTokens null where the API does not tell them */
export function wholeUsage(usage: Usage, createdCacheTokens: number | null): object {
  return {
    ...counts(usage),
    prompt_tokens_details: {
      cached_tokens: usage.cachedTokens,
      created_cache_tokens: createdCacheTokens,
      multimodal_tokens: null,
    },
    completion_tokens_details: null,
  };
}
