/** The JSON and the events of Anthropic's messages. */
import type { Usage } from "../usage.ts";
import {
  type AnswerHead,
  event,
  EVENT_STREAM_TYPE,
  type FinishReason,
  JSON_TYPE,
  type Piece,
  type StreamAnswer,
  type WholeAnswer,
} from "./api.ts";
import { argumentsPiece, callArguments, type ForcedCall } from "./tools.ts";

/** @param call the tool that the answer calls in the place of text */
export function wholeMessage(head: AnswerHead, call: ForcedCall | undefined): WholeAnswer {
  return {
    kind: "whole",
    contentType: JSON_TYPE,
    reports: "all",
    body: ({ choices, usage }) => {
      const { text, finish } = choices[0]!;
      const block =
        call === undefined
          ? { type: "text", text }
          : { ...toolUse(head, call), input: JSON.parse(callArguments(call, text)) as unknown };
      return JSON.stringify(message(head, [block], stopReason(finish, call), messageUsage(usage)));
    },
  };
}

export function messageStream(head: AnswerHead, call: ForcedCall | undefined): StreamAnswer {
  return {
    kind: "stream",
    contentType: EVENT_STREAM_TYPE,
    reports: "all",
    piece: (piece) => (piece.isFirst ? startEvents(head, call, piece) : "") + deltaEvent(call, piece),
    close: ({ choices, usage }) =>
      next("content_block_stop", { index: 0 }) +
      next("message_delta", {
        delta: { stop_reason: stopReason(choices[0]!.finish, call), stop_sequence: null },
        usage: messageUsage(usage),
      }) +
      next("message_stop", {}),
  };
}

function next(type: string, fields: object): string {
  return event({ type, ...fields }, type);
}

function startEvents(head: AnswerHead, call: ForcedCall | undefined, { usage }: Piece): string {
  const begun = message(head, [], null, messageUsage({ ...usage, completionTokens: 0 }));
  const block = call === undefined ? { type: "text", text: "" } : { ...toolUse(head, call), input: {} };
  return (
    next("message_start", { message: begun }) +
    next("content_block_start", { index: 0, content_block: block }) +
    next("ping", {})
  );
}

function deltaEvent(call: ForcedCall | undefined, piece: Piece): string {
  const delta =
    call === undefined
      ? { type: "text_delta", text: piece.text }
      : { type: "input_json_delta", partial_json: argumentsPiece(call, piece) };
  return next("content_block_delta", { index: 0, delta });
}

function message(
  head: AnswerHead,
  content: readonly object[],
  stop: string | null,
  usage: object,
): Record<string, unknown> {
  return {
    id: `msg_${head.id}`,
    type: "message",
    role: "assistant",
    content,
    model: head.model,
    stop_reason: stop,
    stop_sequence: null,
    usage,
  };
}

function toolUse({ id }: AnswerHead, { name }: ForcedCall): object {
  return { type: "tool_use", id: `toolu_${id}`, name };
}

function stopReason(finish: FinishReason, call: ForcedCall | undefined): string {
  if (call !== undefined) return "tool_use";
  return finish === "stop" ? "end_turn" : "max_tokens";
}

/** The prompt is told in three parts: read from the cache, put into it, and neither. */
function messageUsage({ promptTokens, completionTokens, cachedTokens, createdCacheTokens }: Usage): object {
  return {
    input_tokens: promptTokens - cachedTokens - createdCacheTokens,
    cache_creation_input_tokens: createdCacheTokens,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  };
}
