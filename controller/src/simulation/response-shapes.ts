/** The JSON of answers, field for field and in the order that vLLM 0.32 writes them. */
import type { ApiKind } from "./request-body.ts";

const FINGERPRINT = "vllm-0.32.0-simulated";

export interface AnswerHead {
  readonly kind: ApiKind;
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** Prompt tokens newly put into the prefix cache. */
  readonly createdCacheTokens: number;
}

export type FinishReason = "stop" | "length";

export function wholeAnswer(head: AnswerHead, text: string, finish: FinishReason, usage: Usage): string {
  const usageJson = {
    ...counts(usage),
    prompt_tokens_details: {
      cached_tokens: usage.cachedTokens,
      created_cache_tokens: head.kind === "chat" ? usage.createdCacheTokens : null,
      multimodal_tokens: null,
    },
    completion_tokens_details: null,
  };
  const envelope = { service_tier: null, system_fingerprint: FINGERPRINT, usage: usageJson };
  const last = { kv_transfer_params: null, ec_transfer_params: null, metrics: null };
  if (head.kind === "completion") {
    const choice = {
      index: 0,
      text,
      logprobs: null,
      finish_reason: finish,
      stop_reason: null,
      token_ids: null,
      prompt_logprobs: null,
      prompt_token_ids: null,
      routed_experts: null,
    };
    return JSON.stringify({ ...opening(head, "text_completion"), choices: [choice], ...envelope, ...last });
  }
  const choice = {
    index: 0,
    message: {
      role: "assistant",
      content: text,
      refusal: null,
      annotations: null,
      audio: null,
      function_call: null,
      reasoning: null,
    },
    logprobs: null,
    finish_reason: finish,
    stop_reason: null,
    token_ids: null,
    routed_experts: null,
  };
  return JSON.stringify({
    ...opening(head, "chat.completion"),
    choices: [choice],
    ...envelope,
    prompt_logprobs: null,
    prompt_token_ids: null,
    prompt_text: null,
    ...last,
  });
}

/** The first event of a chat stream. */
export function roleChunk(head: AnswerHead, usage: Usage | undefined): string {
  return event({
    ...chunkOpening(head),
    choices: [{ index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }],
    ...continuous(usage),
    prompt_token_ids: null,
    prompt_text: null,
  });
}

/** @param finish set on the last event with text; @param closing it is the last event before `[DONE]` */
export function textChunk(
  head: AnswerHead,
  text: string,
  finish: FinishReason | null,
  usage: Usage | undefined,
  closing: boolean,
): string {
  const tail = { ...continuous(usage), ...(closing ? { system_fingerprint: FINGERPRINT } : {}) };
  if (head.kind === "completion") {
    const choice = {
      index: 0,
      text,
      logprobs: null,
      finish_reason: finish,
      stop_reason: null,
      prompt_token_ids: null,
      token_ids: null,
    };
    return event({ ...chunkOpening(head), choices: [choice], ...tail });
  }
  const choice = {
    index: 0,
    delta: { content: text },
    logprobs: null,
    finish_reason: finish,
    ...(finish === null ? {} : { stop_reason: null }),
    token_ids: null,
  };
  return event({ ...chunkOpening(head), choices: [choice], ...tail });
}

export function usageChunk(head: AnswerHead, usage: Usage): string {
  const details =
    head.kind === "chat"
      ? { cached_tokens: usage.cachedTokens, created_cache_tokens: usage.createdCacheTokens }
      : { cached_tokens: usage.cachedTokens };
  return event({
    ...chunkOpening(head),
    choices: [],
    usage: { ...counts(usage), prompt_tokens_details: details },
    system_fingerprint: FINGERPRINT,
  });
}

export const DONE_EVENT = "data: [DONE]\n\n";

export interface ServedModel {
  readonly id: string;
  /** Absent for the base model. */
  readonly parent?: string;
}

export function modelList(models: readonly ServedModel[], createdS: number, maxModelTokens: number): string {
  return JSON.stringify({
    object: "list",
    data: models.map(({ id, parent }, i) => ({
      id,
      object: "model",
      created: createdS,
      owned_by: "vllm",
      root: id,
      parent: parent ?? null,
      max_model_len: parent === undefined ? maxModelTokens : null,
      permission: [
        {
          id: `modelperm-${(i + 1).toString(16).padStart(16, "0")}`,
          object: "model_permission",
          created: createdS,
          allow_create_engine: false,
          allow_sampling: true,
          allow_logprobs: true,
          allow_search_indices: false,
          allow_view: true,
          allow_fine_tuning: false,
          organization: "*",
          group: null,
          is_blocking: false,
        },
      ],
    })),
  });
}

function opening(head: AnswerHead, object: string): Record<string, unknown> {
  return { id: head.id, object, created: head.created, model: head.model };
}

function chunkOpening(head: AnswerHead): Record<string, unknown> {
  return opening(head, head.kind === "chat" ? "chat.completion.chunk" : "text_completion");
}

function counts(usage: Usage): Record<string, number> {
  return {
    prompt_tokens: usage.promptTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    completion_tokens: usage.completionTokens,
  };
}

function continuous(usage: Usage | undefined): Record<string, unknown> {
  return usage === undefined ? {} : { usage: { ...counts(usage), completion_tokens_details: null } };
}

function event(json: unknown): string {
  return `data: ${JSON.stringify(json)}\n\n`;
}
