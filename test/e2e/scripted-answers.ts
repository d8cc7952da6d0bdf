/** Answers of model servers in their APIs' forms, with the model's name written as the caller says. */

/** A prompt, a short completion. */
const COUNTS =
  '{"prompt_tokens":7,"total_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}';
/** Text with what could be taken for a model: in a string, in another member, as another model's name. */
const DECOYS = String.raw`"content":"say \"model\":\"chat-blue\", {\"usage\":{\"prompt_tokens\":1}} 模型 \ud83d\ude00\\","name":"chat-blue","usage_note":"usage","base":{"model":"chat-blue-2","input":{"model":"chat-blue"}}`;
const WORDS = [
  "The",
  " model",
  ' \\"model\\":',
  ' \\"chat-blue\\"',
  " é模\\n",
  ", \\\\",
  "\\u0022usage\\u0022:{}",
  " end.",
];

export interface AnswerForm {
  readonly contentType: string;
  /** `usage` is what the request asked for; `written` a JSON string, quotes included. */
  readonly text: (written: string, usage: boolean) => string;
}

const JSON_TYPE = "application/json";
const STREAM_TYPE = "text/event-stream; charset=utf-8";

export const WHOLE: Readonly<Record<string, AnswerForm>> = {
  chat: {
    contentType: JSON_TYPE,
    text: (written) =>
      `{"id":"c-1","object":"chat.completion","model":${written},"choices":[{"index":0,"message":{"role":"assistant",${DECOYS}},"finish_reason":"stop"}],"usage":${COUNTS}}`,
  },
  "chat, model last, spaced as Python's json does": {
    contentType: JSON_TYPE,
    text: (written) => `{"choices": [{"message": {${DECOYS}}}], "usage": ${COUNTS}, "model": ${written}}\n`,
  },
  responses: {
    contentType: JSON_TYPE,
    text: (written) =>
      `{"id":"r-1","object":"response","output":[{"type":"message","content":[{${DECOYS}}]}],"model":${written},"usage":{"input_tokens":7,"output_tokens":5}}`,
  },
};

export const STREAMED: Readonly<Record<string, AnswerForm>> = {
  chat: {
    contentType: STREAM_TYPE,
    text: (written, usage) => {
      const opening = `{"id":"c-1","object":"chat.completion.chunk","created":1795542374,"model":${written},"choices":`;
      const last = `${opening}[],"usage":${COUNTS},"system_fingerprint":"f"}`;
      return events([
        `${opening}[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
        ...WORDS.map((word) => `${opening}[{"index":0,"delta":{"content":"${word}"},"finish_reason":null}]}`),
        `${opening}[{"index":0,"delta":{"content":""},"finish_reason":"stop"}]}`,
        ...(usage ? [last] : []),
        "[DONE]",
      ]);
    },
  },
  completions: {
    contentType: STREAM_TYPE,
    text: (written, usage) => {
      const opening = (word: string) =>
        `{"id":"t-1","choices":[${word}],"object":"text_completion","model":${written}`;
      return events([
        ...WORDS.map((word) => `${opening(`{"index":0,"text":"${word}"}`)}}`),
        ...(usage ? [`${opening("")},"usage":${COUNTS}}`] : []),
        "[DONE]",
      ]);
    },
  },
};

/** Streams of APIs that tell their usage unasked. */
export const TYPED: Readonly<Record<string, AnswerForm>> = {
  responses: {
    contentType: STREAM_TYPE,
    text: (written) =>
      [
        `event: response.created\r\ndata: {"type":"response.created","response":{"id":"r","model":${written},"usage":null}}\r\n\r\n`,
        ...WORDS.map((word) => `event: response.output_text.delta\ndata: {"delta":"${word}"}\n\n`),
        `event: response.completed\ndata: {"response":{"id":"r","model": ${written} ,"usage":{"input_tokens":7,"output_tokens":5}}}\n\n`,
      ].join(""),
  },
  messages: {
    contentType: STREAM_TYPE,
    text: (written) =>
      [
        `event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":${written},"usage":{"input_tokens":7}}}\n\n`,
        ": ping\n\n",
        ...WORDS.map((word) => `event: content_block_delta\ndata: {"delta":{"text":"${word}"}}\n\n`),
        'event: message_stop\ndata: {"type":"message_stop"}\n\n',
      ].join(""),
  },
};

function events(lines: readonly string[]): string {
  return lines.map((line) => `data: ${line}\n\n`).join("");
}
