/** OpenAI's completions, as vLLM serves them. */
import { openaiError } from "../refusal.ts";
import { flagField, integerField, stringField } from "../request-fields.ts";
import type { Usage } from "../usage.ts";
import {
  type AnswerHead,
  type Api,
  DONE_EVENT,
  event,
  EVENT_STREAM_TYPE,
  JSON_TYPE,
  type StreamAnswer,
  type WholeAnswer,
  type Work,
} from "./api.ts";
import { MAX_COPIES } from "./openai-chat.ts";
import { counts, FINGERPRINT, wholeUsage } from "./openai-usage.ts";
import { promptsField } from "./prompts.ts";
import { type StreamOptions, streamOptions } from "./stream-options.ts";

export const openaiCompletions: Api = {
  name: "openai-completions",
  paths: ["/v1/completions"],
  method: "POST",
  body: "json",
  errorForm: openaiError,
  least: { prompt: "" },
  plan: ({ json }): Work => {
    const prompts = promptsField(json, "prompt");
    const options = streamOptions(json);
    return {
      kind: "work",
      model: stringField(json, "model"),
      cacheSalt: stringField(json, "cache_salt"),
      prompts,
      copies: integerField(json, "n", 1, MAX_COPIES) ?? 1,
      maxTokens: integerField(json, "max_tokens", 1),
      answer: (head) => (flagField(json, "stream") ? stream(head, options) : whole(head)),
    };
  },
};

function whole(head: AnswerHead): WholeAnswer {
  return {
    kind: "whole",
    contentType: JSON_TYPE,
    reports: "all",
    body: ({ choices, usage }) =>
      JSON.stringify({
        ...opening(head),
        choices: choices.map(({ text, finish }, index) => ({
          index,
          text,
          logprobs: null,
          finish_reason: finish,
          stop_reason: null,
          token_ids: null,
          prompt_logprobs: null,
          prompt_token_ids: null,
          routed_experts: null,
        })),
        service_tier: null,
        system_fingerprint: FINGERPRINT,
        usage: wholeUsage(usage, null),
        kv_transfer_params: null,
        ec_transfer_params: null,
        metrics: null,
      }),
  };
}

function stream(head: AnswerHead, { includeUsage, continuousUsage }: StreamOptions): StreamAnswer {
  return {
    kind: "stream",
    contentType: EVENT_STREAM_TYPE,
    reports: includeUsage ? "all" : "none",
    piece: ({ choice: index, text, finish, isLast, usage }) =>
      event({
        ...opening(head),
        choices: [
          {
            index,
            text,
            logprobs: null,
            finish_reason: finish,
            stop_reason: null,
            prompt_token_ids: null,
            token_ids: null,
          },
        ],
        ...(continuousUsage ? { usage: { ...counts(usage), completion_tokens_details: null } } : {}),
        ...(isLast && !includeUsage ? { system_fingerprint: FINGERPRINT } : {}),
      }),
    close: ({ usage }) => (includeUsage ? usageEvent(head, usage) : "") + DONE_EVENT,
  };
}

function usageEvent(head: AnswerHead, usage: Usage): string {
  return event({
    ...opening(head),
    choices: [],
    usage: { ...counts(usage), prompt_tokens_details: { cached_tokens: usage.cachedTokens } },
    system_fingerprint: FINGERPRINT,
  });
}

function opening({ id, created, model }: AnswerHead): Record<string, unknown> {
  return { id: `cmpl-${id}`, object: "text_completion", created, model };
}
