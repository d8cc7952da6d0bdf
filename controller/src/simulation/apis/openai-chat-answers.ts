/** The JSON of chats, field for field and in the order that vLLM 0.32 writes them. */
import type { Usage } from "../usage.ts";
import {
  type AnswerHead,
  type Choice,
  DONE_EVENT,
  event,
  EVENT_STREAM_TYPE,
  JSON_TYPE,
  type Piece,
  type StreamAnswer,
  type WholeAnswer,
} from "./api.ts";
import { counts, FINGERPRINT, wholeUsage } from "./openai-usage.ts";
import type { StreamOptions } from "./stream-options.ts";
import { argumentsPiece, callArguments, type ForcedCall } from "./tools.ts";

export interface ChatShape extends StreamOptions {
  /** The tool that every choice calls. */
  readonly call: ForcedCall | undefined;
  /** The model chose the tool: then the answer ends with `tool_calls`, else with `stop`. */
  readonly callsByChoice: boolean;
}

export function wholeChat(head: AnswerHead, shape: ChatShape): WholeAnswer {
  const { call } = shape;
  const message = (text: string, index: number): object => ({
    role: "assistant",
    content: call === undefined ? text : null,
    refusal: null,
    annotations: null,
    audio: null,
    function_call: null,
    ...(call === undefined ? {} : { tool_calls: [wholeCall(head, index, call, text)] }),
    reasoning: null,
  });
  return {
    kind: "whole",
    contentType: JSON_TYPE,
    reports: "all",
    body: ({ choices, usage }) =>
      JSON.stringify({
        ...opening(head, "chat.completion"),
        choices: choices.map(({ text, finish }, index) => ({
          index,
          message: message(text, index),
          logprobs: null,
          finish_reason: reason(finish, shape),
          stop_reason: null,
          token_ids: null,
          routed_experts: null,
        })),
        service_tier: null,
        system_fingerprint: FINGERPRINT,
        usage: wholeUsage(usage, usage.createdCacheTokens),
        prompt_logprobs: null,
        prompt_token_ids: null,
        prompt_text: null,
        kv_transfer_params: null,
        ec_transfer_params: null,
        metrics: null,
      }),
  };
}

export function chatStream(head: AnswerHead, shape: ChatShape): StreamAnswer {
  const { includeUsage, continuousUsage } = shape;
  return {
    kind: "stream",
    contentType: EVENT_STREAM_TYPE,
    reports: includeUsage ? "all" : "none",
    piece: (piece) => {
      const usage = continuousUsage ? piece.usage : undefined;
      const start = piece.isFirst ? roleEvent(head, piece.choice, usage) : "";
      return start + deltaEvents(head, shape, piece, usage);
    },
    close: ({ usage }) => (includeUsage ? usageEvent(head, usage) : "") + DONE_EVENT,
  };
}

/** The first event of each choice. */
function roleEvent(head: AnswerHead, index: number, usage: Usage | undefined): string {
  return event({
    ...opening(head, "chat.completion.chunk"),
    choices: [{ index, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }],
    ...continuous(usage && { ...usage, completionTokens: 0 }),
    prompt_token_ids: null,
    prompt_text: null,
  });
}

function deltaEvents(head: AnswerHead, shape: ChatShape, piece: Piece, usage: Usage | undefined): string {
  const { call, includeUsage } = shape;
  const { choice: index, finish } = piece;
  const one = (delta: object, isEnd: boolean): string =>
    event({
      ...opening(head, "chat.completion.chunk"),
      choices: [
        {
          index,
          delta,
          logprobs: null,
          finish_reason: isEnd && finish !== null ? reason(finish, shape) : null,
          ...(isEnd && finish !== null ? { stop_reason: null } : {}),
          token_ids: null,
        },
      ],
      ...continuous(usage),
      ...(isEnd && piece.isLast && !includeUsage ? { system_fingerprint: FINGERPRINT } : {}),
    });
  if (call === undefined) return one({ content: piece.text }, true);
  const start = piece.isFirst ? one({ tool_calls: [callStart(head, index, call)] }, false) : "";
  const next = { index: 0, function: { arguments: argumentsPiece(call, piece) } };
  return start + one({ tool_calls: [next] }, true);
}

function usageEvent(head: AnswerHead, usage: Usage): string {
  const details = { cached_tokens: usage.cachedTokens, created_cache_tokens: usage.createdCacheTokens };
  return event({
    ...opening(head, "chat.completion.chunk"),
    choices: [],
    usage: { ...counts(usage), prompt_tokens_details: details },
    system_fingerprint: FINGERPRINT,
  });
}

function wholeCall(head: AnswerHead, choice: number, call: ForcedCall, text: string): object {
  const called = { name: call.name, arguments: callArguments(call, text) };
  return { id: callId(head, choice), type: "function", function: called };
}

function callStart(head: AnswerHead, choice: number, call: ForcedCall): object {
  return {
    id: callId(head, choice),
    type: "function",
    index: 0,
    function: { name: call.name, arguments: "" },
  };
}

function callId({ id }: AnswerHead, choice: number): string {
  return `chatcmpl-tool-${id}${choice.toString(16)}`;
}

function reason(finish: Choice["finish"], { callsByChoice }: ChatShape): string {
  return callsByChoice && finish === "stop" ? "tool_calls" : finish;
}

function opening(head: AnswerHead, object: string): Record<string, unknown> {
  return { id: `chatcmpl-${head.id}`, object, created: head.created, model: head.model };
}

function continuous(usage: Usage | undefined): Record<string, unknown> {
  return usage === undefined ? {} : { usage: { ...counts(usage), completion_tokens_details: null } };
}
