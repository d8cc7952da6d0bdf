import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { SeededRandom } from "../emulator/random.ts";

/** Answers of model servers: captured ones, and others in the shapes that the official clients parse. */

/** An answer of a real vLLM, see test/fixtures/vllm-0.32/README.md. */
export function captured(name: string): Buffer {
  return readFileSync(fileURLToPath(new URL(`../fixtures/vllm-0.32/${name}.json`, import.meta.url)));
}

export function dataEvent(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** An event of a stream whose events have names. */
export function namedEvent(data: { readonly type: string; readonly [key: string]: unknown }): string {
  return `event: ${data.type}\n${dataEvent(data)}`;
}

/** The bytes in pieces of one to `most`. */
export function cut(random: SeededRandom, bytes: Uint8Array, most: number): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(most);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

export function singleBytes(bytes: Uint8Array): readonly Uint8Array[] {
  return [...bytes].map((byte) => Uint8Array.of(byte));
}

export const RESPONSES_USAGE = {
  input_tokens: 75,
  input_tokens_details: { cached_tokens: 32, cache_write_tokens: 0 },
  output_tokens: 3,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 78,
};

function openAiResponse(status: string, usage: unknown): Record<string, unknown> {
  const text = { type: "output_text", text: "In a land", annotations: [], logprobs: [] };
  const message = { id: "msg_1", type: "message", status, role: "assistant", content: [text] };
  return {
    id: "resp_1",
    object: "response",
    created_at: 1795542373,
    status,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    model: "target",
    output: status === "completed" ? [message] : [],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    // A schema with the name of what is looked for.
    tools: [
      {
        type: "function",
        name: "report",
        strict: true,
        parameters: {
          type: "object",
          properties: { usage: { type: "object", properties: { input_tokens: { type: "integer" } } } },
          default: { usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } },
        },
      },
    ],
    top_p: 1,
    usage,
    metadata: { model: "target of the user's", error: "none" },
  };
}

/** An answer of OpenAI's responses. */
export const RESPONSES_JSON = JSON.stringify(openAiResponse("completed", RESPONSES_USAGE));

const PLACE = { item_id: "msg_1", output_index: 0, content_index: 0 };

/** A stream of OpenAI's responses: three deltas. */
export const RESPONSES_STREAM = [
  { type: "response.created", response: openAiResponse("in_progress", null) },
  { type: "response.in_progress", response: openAiResponse("in_progress", null) },
  {
    type: "response.output_item.added",
    output_index: 0,
    item: { id: "msg_1", type: "message", status: "in_progress", role: "assistant", content: [] },
  },
  {
    type: "response.content_part.added",
    ...PLACE,
    part: { type: "output_text", text: "", annotations: [], logprobs: [] },
  },
  { type: "response.output_text.delta", ...PLACE, delta: "In", logprobs: [] },
  { type: "response.output_text.delta", ...PLACE, delta: " a", logprobs: [] },
  { type: "response.output_text.delta", ...PLACE, delta: ' "usage":{"input_tokens":9}', logprobs: [] },
  { type: "response.output_text.done", ...PLACE, text: "In a land", logprobs: [] },
  {
    type: "response.content_part.done",
    ...PLACE,
    part: { type: "output_text", text: "In a land", annotations: [], logprobs: [] },
  },
  { type: "response.completed", response: openAiResponse("completed", RESPONSES_USAGE) },
]
  .map((event, sequence_number) => namedEvent({ ...event, sequence_number }))
  .join("");

/** A stream of Anthropic's messages: two deltas of text, two of a tool's input. */
export const MESSAGES_STREAM = [
  {
    type: "message_start",
    message: {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "target",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: {
        input_tokens: 5,
        cache_creation_input_tokens: 20,
        cache_read_input_tokens: 100,
        cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 0 },
        output_tokens: 1,
        service_tier: "standard",
      },
    },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "ping" },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Okay" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: ", \u2028 let's see" } },
  { type: "content_block_stop", index: 0 },
  {
    type: "content_block_start",
    index: 1,
    content_block: { type: "tool_use", id: "toolu_1", name: "get_usage", input: {} },
  },
  { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: "" } },
  {
    type: "content_block_delta",
    index: 1,
    delta: { type: "input_json_delta", partial_json: '{"usage": {"input_tokens": 7, "model":"target"}}' },
  },
  { type: "content_block_stop", index: 1 },
  {
    type: "message_delta",
    delta: { stop_reason: "tool_use", stop_sequence: null },
    usage: { output_tokens: 89, input_tokens: null, cache_read_input_tokens: null },
  },
  { type: "message_stop" },
]
  .map(namedEvent)
  .join("");

/** An answer of Anthropic's messages in which a tool's input is a JSON object with a `usage` of its own. */
export const MESSAGES_JSON = JSON.stringify({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "target",
  usage: { input_tokens: 12, cache_read_input_tokens: 4, cache_creation_input_tokens: 0, output_tokens: 6 },
  content: [
    { type: "text", text: 'a "usage" of {"input_tokens": 1}' },
    { type: "tool_use", id: "toolu_1", name: "report", input: { usage: { input_tokens: 999 } } },
  ],
  stop_reason: "tool_use",
  stop_sequence: null,
});
