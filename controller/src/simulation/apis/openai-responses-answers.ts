/** The JSON and the typed events of responses, in the order in which vLLM sends them. */
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

export interface ResponseShape {
  /** The tool that the answer calls in the place of text. */
  readonly call: ForcedCall | undefined;
  readonly instructions: string | null;
  readonly maxOutputTokens: number;
  /** As in the request. */
  readonly tools: unknown;
  readonly toolChoice: unknown;
  readonly metadata: unknown;
}

export function wholeResponse(head: AnswerHead, shape: ResponseShape): WholeAnswer {
  return {
    kind: "whole",
    contentType: JSON_TYPE,
    reports: "all",
    body: ({ choices, usage }) => {
      const { text, finish } = choices[0]!;
      return JSON.stringify(response(head, shape, [outputItem(head, shape, text)], finish, usage));
    },
  };
}

export function responseStream(head: AnswerHead, shape: ResponseShape): StreamAnswer {
  let sequence = 0;
  const next = (type: string, fields: object): string =>
    event({ type, sequence_number: sequence++, ...fields }, type);
  return {
    kind: "stream",
    contentType: EVENT_STREAM_TYPE,
    reports: "all",
    piece: (piece) =>
      (piece.isFirst ? startEvents(head, shape, next) : "") + deltaEvent(head, shape, piece, next),
    close: ({ choices, usage }) => {
      const { text, finish } = choices[0]!;
      const item = outputItem(head, shape, text);
      const completed = response(head, shape, [item], finish, usage);
      return doneEvents(head, shape, text, item, next) + next("response.completed", { response: completed });
    },
  };
}

type Next = (type: string, fields: object) => string;

function startEvents(head: AnswerHead, shape: ResponseShape, next: Next): string {
  const begun = response(head, shape, [], undefined, undefined);
  const item =
    shape.call === undefined ? messageItem(head, undefined) : callItem(head, shape.call, undefined);
  const part = { type: "output_text", text: "", annotations: [], logprobs: [] };
  return (
    next("response.created", { response: begun }) +
    next("response.in_progress", { response: begun }) +
    next("response.output_item.added", { output_index: 0, item }) +
    (shape.call === undefined
      ? next("response.content_part.added", { ...place(head, shape), content_index: 0, part })
      : "")
  );
}

function deltaEvent(head: AnswerHead, shape: ResponseShape, piece: Piece, next: Next): string {
  const at = place(head, shape);
  if (shape.call === undefined) {
    const text = { ...at, content_index: 0, delta: piece.text, logprobs: [] };
    return next("response.output_text.delta", text);
  }
  const delta = argumentsPiece(shape.call, piece);
  return next("response.function_call_arguments.delta", { ...at, delta });
}

function doneEvents(head: AnswerHead, shape: ResponseShape, text: string, item: object, next: Next): string {
  const at = place(head, shape);
  // Events are numbered as they are made.
  const end = (): string => next("response.output_item.done", { output_index: 0, item });
  if (shape.call !== undefined) {
    const { name } = shape.call;
    const done = { ...at, name, arguments: callArguments(shape.call, text) };
    return next("response.function_call_arguments.done", done) + end();
  }
  const part = { type: "output_text", text, annotations: [], logprobs: null };
  return (
    next("response.output_text.done", { ...at, content_index: 0, text, logprobs: [] }) +
    next("response.content_part.done", { ...at, content_index: 0, part }) +
    end()
  );
}

function place(head: AnswerHead, shape: ResponseShape): object {
  return { item_id: itemId(head, shape.call), output_index: 0 };
}

/** @param text undefined while it is being written */
function outputItem(head: AnswerHead, { call }: ResponseShape, text: string): object {
  return call === undefined ? messageItem(head, text) : callItem(head, call, text);
}

function messageItem(head: AnswerHead, text: string | undefined): object {
  return {
    id: itemId(head, undefined),
    content: text === undefined ? [] : [{ annotations: [], text, type: "output_text", logprobs: null }],
    role: "assistant",
    status: text === undefined ? "in_progress" : "completed",
    type: "message",
  };
}

function callItem(head: AnswerHead, call: ForcedCall, text: string | undefined): object {
  return {
    arguments: text === undefined ? "" : callArguments(call, text),
    call_id: `call_${head.id}`,
    name: call.name,
    type: "function_call",
    id: itemId(head, call),
    status: text === undefined ? "in_progress" : "completed",
  };
}

function itemId({ id }: AnswerHead, call: ForcedCall | undefined): string {
  return `${call === undefined ? "msg" : "fc"}_${id}`;
}

/** @param finish undefined while it is being written */
function response(
  head: AnswerHead,
  shape: ResponseShape,
  output: readonly object[],
  finish: FinishReason | undefined,
  usage: Usage | undefined,
): object {
  const isCutOff = finish === "length";
  return {
    id: `resp_${head.id}`,
    created_at: head.created,
    error: null,
    incomplete_details: isCutOff ? { reason: "max_output_tokens" } : null,
    instructions: shape.instructions,
    metadata: shape.metadata,
    model: head.model,
    object: "response",
    output,
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: shape.toolChoice,
    tools: shape.tools,
    top_p: 1,
    background: false,
    max_output_tokens: shape.maxOutputTokens,
    max_tool_calls: null,
    previous_response_id: null,
    prompt: null,
    reasoning: null,
    service_tier: "auto",
    status: finish === undefined ? "in_progress" : isCutOff ? "incomplete" : "completed",
    text: null,
    top_logprobs: null,
    truncation: "disabled",
    usage: usage === undefined ? null : responseUsage(usage),
    user: null,
  };
}

function responseUsage({ promptTokens, completionTokens, cachedTokens }: Usage): object {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}
