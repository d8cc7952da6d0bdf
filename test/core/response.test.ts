import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../emulator/random.ts";
import { expected } from "./answer-oracle.ts";
import {
  captured,
  cut,
  dataEvent,
  MESSAGES_JSON,
  MESSAGES_STREAM,
  namedEvent,
  RESPONSES_JSON,
  RESPONSES_STREAM,
  singleBytes,
} from "./answers.ts";
import { Core } from "./core.ts";
import { type Answer, Answers } from "./response.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261126);
/** Raise it for a longer run: `FUZZ_ROUNDS=1000000 node --import tsx --test test/core/response.test.ts`. */
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 2000);

const answers = new Answers();

function stream(counts: Partial<Answer>): Answer {
  const unknown = { usageSeen: false, prompt: -1, completion: -1, cached: -1 };
  const base = { kind: "event stream", events: 0, contentEvents: 0, isError: false, done: true } as const;
  return { ...base, ...unknown, ...counts };
}

function json(counts: Partial<Answer>): Answer {
  return stream({ kind: "json", done: false, ...counts });
}

const CAPTURED: readonly (readonly [string, Answer])[] = [
  ["chat-nonstream-1-cold", json({ usageSeen: true, prompt: 298, completion: 12, cached: 0 })],
  ["chat-stream-nousage", stream({ events: 5, contentEvents: 4 })],
  [
    "chat-stream-usage",
    stream({ events: 10, contentEvents: 8, usageSeen: true, prompt: 296, completion: 8, cached: 288 }),
  ],
  [
    "chat-stream-usage-continuous",
    stream({ events: 6, contentEvents: 4, usageSeen: true, prompt: 13, completion: 4, cached: 0 }),
  ],
  ["completion-nonstream", json({ usageSeen: true, prompt: 276, completion: 6, cached: 0 })],
  [
    "completion-stream",
    stream({ events: 5, contentEvents: 4, usageSeen: true, prompt: 276, completion: 4, cached: 256 }),
  ],
  ["err-404-path", json({})],
  ["err-bad-json", json({ isError: true })],
  ["err-too-long-prompt", json({ isError: true })],
  ["err-unknown-model-stream", json({ isError: true })],
];

test("a vLLM's answers are read as they were captured, cut at any byte", () => {
  for (const [name, answer] of CAPTURED) {
    const bytes = captured(name);
    assert.deepEqual(expected(bytes.toString()), answer, `the oracle, ${name}`);
    assert.deepEqual(answers.read(bytes), answer, name);
    assert.deepEqual(answers.read(singleBytes(bytes)), answer, `${name} in single bytes`);
    for (let at = 1; at < bytes.length; at++)
      assert.deepEqual(
        answers.read([bytes.subarray(0, at), bytes.subarray(at)]),
        answer,
        `${name} cut at ${at}`,
      );
  }
});

const WRITTEN: readonly (readonly [string, string, Answer])[] = [
  ["responses as JSON", RESPONSES_JSON, json({ usageSeen: true, prompt: 75, completion: 3, cached: 32 })],
  [
    "responses as a stream",
    RESPONSES_STREAM,
    stream({ events: 10, contentEvents: 3, usageSeen: true, prompt: 75, completion: 3, cached: 32 }),
  ],
  ["messages as JSON", MESSAGES_JSON, json({ usageSeen: true, prompt: 16, completion: 6, cached: 4 })],
  [
    "messages as a stream",
    MESSAGES_STREAM,
    stream({ events: 12, contentEvents: 4, usageSeen: true, prompt: 125, completion: 89, cached: 100 }),
  ],
];

test("answers of OpenAI's responses and of Anthropic's messages are read, cut at any byte", () => {
  for (const [name, text, answer] of WRITTEN) {
    const bytes = Buffer.from(text);
    assert.deepEqual(expected(text), answer, `the oracle, ${name}`);
    assert.deepEqual(answers.read(singleBytes(bytes)), answer, `${name} in single bytes`);
    for (let at = 0; at < bytes.length; at++)
      assert.deepEqual(
        answers.read([bytes.subarray(0, at), bytes.subarray(at)]),
        answer,
        `${name} cut at ${at}`,
      );
  }
});

/** The counts of a JSON answer with this `usage`, or of a text with it. */
function usage(value: unknown): readonly (number | boolean)[] {
  const text = typeof value === "string" ? value : JSON.stringify({ id: "x", usage: value });
  const { usageSeen, prompt, completion, cached } = answers.read(text);
  const found = [usageSeen, prompt, completion, cached];
  const bytes = singleBytes(Buffer.from(text));
  const again = answers.read(bytes);
  assert.deepEqual([again.usageSeen, again.prompt, again.completion, again.cached], found, text);
  return found;
}

test("every API's usage is understood", () => {
  assert.deepEqual(usage({ prompt_tokens: 5, total_tokens: 5 }), [true, 5, 0, -1], "embeddings");
  assert.deepEqual(
    usage({ prompt_tokens: 5, total_tokens: 5, completion_tokens: 0, prompt_tokens_details: null }),
    [true, 5, 0, -1],
    "vLLM's pooling",
  );
  assert.deepEqual(usage({ total_tokens: 56 }), [true, 56, 0, -1], "ranking with a total only");
  assert.deepEqual(
    usage({
      type: "tokens",
      input_tokens: 14,
      input_token_details: { text_tokens: 0, audio_tokens: 14 },
      output_tokens: 45,
      total_tokens: 59,
    }),
    [true, 14, 45, -1],
    "transcription",
  );
  assert.deepEqual(usage({ type: "duration", seconds: 12 }), [false, -1, -1, -1], "transcription by time");
  assert.deepEqual(
    usage({
      total_tokens: 100,
      input_tokens: 50,
      output_tokens: 50,
      input_tokens_details: { text_tokens: 10 },
    }),
    [true, 50, 50, -1],
    "images",
  );
  assert.deepEqual(
    usage({ input_tokens: 3, cache_read_input_tokens: 40, output_tokens: 1 }),
    [true, 43, 1, 40],
    "messages without a write to the cache",
  );
  assert.deepEqual(
    usage({
      prompt_tokens: 9,
      completion_tokens: 2,
      prompt_tokens_details: { audio_tokens: 1, cached_tokens: 8 },
    }),
    [true, 9, 2, 8],
  );
});

test("what is no token count is unknown, and a usage without any is none", () => {
  assert.deepEqual(usage({ prompt_tokens: 2 ** 53, completion_tokens: 1 }), [true, 2 ** 53, 1, -1]);
  assert.deepEqual(usage('{"usage":{"prompt_tokens":9007199254740993,"completion_tokens":1}}'), [
    true,
    -1,
    1,
    -1,
  ]);
  assert.deepEqual(usage('{"usage":{"prompt_tokens":99999999999999999999999}}'), [false, -1, -1, -1]);
  assert.deepEqual(usage({ prompt_tokens: -5, completion_tokens: 7 }), [true, -1, 7, -1]);
  assert.deepEqual(usage({ prompt_tokens: 1.5, completion_tokens: 7 }), [true, -1, 7, -1]);
  assert.deepEqual(usage('{"usage":{"prompt_tokens":1e3,"output_tokens":2}}'), [true, -1, 2, -1]);
  for (const none of [
    null,
    {},
    [],
    12,
    "prompt_tokens",
    { prompt_tokens: "12" },
    { prompt_tokens: null, completion_tokens: null },
    { prompt_tokens: { type: "integer" }, total_tokens: [1] },
    { inner: { prompt_tokens: 5 } },
    { completion_tokens_details: { cached_tokens: 5 } },
    { prompt_tokens_details: { inner: { cached_tokens: 5 } } },
    { "prompt\ntokens": 1, PROMPT_TOKENS: 2 },
  ])
    assert.deepEqual(usage(none), [false, -1, -1, -1], JSON.stringify(none));
  const odd = '{"usage" :\r\n\t{ "a\\"":[{"prompt_tokens":1}], "prompt_tokens" : 7 , "b":"}" }}';
  assert.deepEqual(usage(odd), [true, 7, -1, -1]);
});

test("a usage in a string, in a tool's input or in a schema does not count", () => {
  const real = { prompt_tokens: 5, completion_tokens: 6 };
  const fake = {
    prompt_tokens: 1,
    completion_tokens: 2,
    total_tokens: 3,
    prompt_tokens_details: { cached_tokens: 1 },
  };
  for (const text of [
    JSON.stringify(fake),
    `"usage":${JSON.stringify(fake)}`,
    '\\"usage":{"prompt_tokens":1}',
    "\\",
  ]) {
    const choices = [{ index: 0, message: { role: "assistant", content: text } }];
    assert.deepEqual(usage(JSON.stringify({ usage: real, choices })), [true, 5, 6, -1], text);
    assert.deepEqual(usage(JSON.stringify({ choices, [text]: { usage: "x" } })), [false, -1, -1, -1], text);
  }
  assert.deepEqual(usage(JSON.stringify({ a: { b: { usage: fake } } })), [false, -1, -1, -1]);
  assert.deepEqual(usage(JSON.stringify({ a: [{ usage: fake }] })), [false, -1, -1, -1]);
  assert.deepEqual(usage(JSON.stringify({ response: { usage: fake } })), [true, 1, 2, 1]);
  assert.deepEqual(usage(JSON.stringify({ x: "usage", prompt_tokens: 5 })), [false, -1, -1, -1]);
});

test("the last usage wins, count by count, and one that is cut off is none", () => {
  const of = (...usages: readonly unknown[]): string =>
    usages.map((each) => dataEvent({ usage: each })).join("");
  const first = { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 8 } };
  assert.deepEqual(usage(of(first, { prompt_tokens: 10, completion_tokens: 2 })), [true, 10, 2, 8]);
  assert.deepEqual(usage(of(first, null, { prompt_tokens: null, completion_tokens: 3 })), [true, 10, 3, 8]);
  assert.deepEqual(usage(of(first, { prompt_tokens: -1, completion_tokens: 3 })), [true, -1, 3, 8]);
  assert.deepEqual(usage('{"usage":{"prompt_tokens":10,"completion_tokens":3'), [false, -1, -1, -1]);
  assert.deepEqual(usage(`${of(first)}data: {"usage":{"prompt_tokens":99`), [true, 10, 1, 8]);
  assert.deepEqual(usage('data: {"usage":{"prompt_tokens":1}}'), [true, 1, -1, -1], "without its blank line");
});

function chat(delta: unknown, choice: Record<string, unknown> = {}): string {
  return dataEvent({ id: "x", object: "chat.completion.chunk", choices: [{ index: 0, delta, ...choice }] });
}

test("events that bring tokens are told from those that do not", () => {
  const withTokens = [
    chat({ content: "a" }),
    chat({ content: "" }),
    chat({ role: "assistant", content: "a" }),
    chat({ content: "a", role: "assistant" }),
    chat({ role: null, content: "a", reasoning_content: null, tool_calls: null }),
    chat({ reasoning_content: "hm" }),
    chat({ reasoning: "hm" }),
    chat({ refusal: "no" }),
    chat({ tool_calls: [{ index: 0, function: { arguments: '{"' } }] }),
    chat({ content: "a" }, { finish_reason: "stop" }),
    dataEvent({ choices: [{ text: "a", index: 0 }] }),
    dataEvent({ choices: [{ index: 0, text: "" }] }),
    dataEvent({ text: "a", meta_info: {} }),
    namedEvent({ type: "response.function_call_arguments.delta" }),
    namedEvent({ type: "response.code_interpreter_call_code.delta" }),
    dataEvent({ type: "response.output_text.delta", delta: "a" }),
    dataEvent({ delta: "a", type: "transcript.text.delta" }),
    'event: content_block_delta\ndata: {"delta":{}}\n\n',
    `event: message\n${chat({ content: "a" })}`,
  ];
  const without = [
    chat({ role: "assistant", content: "" }),
    chat({ content: "", role: "assistant", refusal: null }),
    chat({ role: "assistant", content: null }),
    chat({}, { finish_reason: "stop" }),
    chat({ role: null, content: null, reasoning_content: null, tool_calls: null }),
    dataEvent({ choices: [], usage: { prompt_tokens: 1 } }),
    dataEvent({ choices: [{ delta: {}, logprobs: { content: [{ token: "a" }], refusal: null } }] }),
    namedEvent({ type: "response.output_text.done" }),
    dataEvent({ type: "response.output_text.done", text: "all of it" }),
    namedEvent({ type: "ping" }),
    namedEvent({ type: `${"x".repeat(43)}.delta` }),
    `event: done\n${chat({ content: "a" })}`,
    "data: [DONE]\n\n",
    "data\n\n",
    "data: no JSON at all {[\n\n",
  ];
  for (const event of withTokens) {
    assert.equal(expected(event).contentEvents, 1, `the oracle, ${event}`);
    assert.equal(answers.read(event).contentEvents, 1, event);
  }
  for (const event of without) {
    assert.equal(expected(event).contentEvents, 0, `the oracle, ${event}`);
    assert.equal(answers.read(event).contentEvents, 0, event);
  }
  const all = answers.read(withTokens.concat(without).join(""));
  assert.equal(all.contentEvents, withTokens.length);
  assert.equal(all.events, withTokens.length + without.length - 1);
});

test("an event counts as soon as its blank line has come", () => {
  answers.reset();
  answers.feed(chat({ role: "assistant", content: "" }));
  assert.deepEqual([answers.answer.events, answers.answer.contentEvents], [1, 0]);
  answers.feed(chat({ content: "a" }).slice(0, -1));
  assert.deepEqual([answers.answer.events, answers.answer.contentEvents], [1, 0]);
  answers.feed("\n");
  assert.deepEqual([answers.answer.events, answers.answer.contentEvents], [2, 1]);
  answers.feed(chat({ content: "b" }) + chat({ content: "c" }));
  assert.deepEqual([answers.answer.events, answers.answer.contentEvents], [4, 3]);
});

test("lines end as the standard allows, and other fields and comments are passed over", () => {
  const lines = [
    "",
    ": a comment with data: {}",
    "id: 7",
    "retry: 10",
    "event: ping",
    "",
    'data: {"usage":',
    "data:  {",
    'data:"prompt_tokens": 3,',
    "id",
    'data: "completion_tokens": 4}',
    "data:}",
    "",
    "data:",
    "",
    'database: {"usage":{"prompt_tokens":9}}',
    'data : {"usage":{"prompt_tokens":9}}',
    "event: error",
    "",
    'data: {"choices":[{"text":"a"}]}',
    "",
    "data: [DONE] and more",
    "",
  ];
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = lines.join(end) + end;
    const answer = stream({ events: 3, contentEvents: 1, usageSeen: true, prompt: 3, completion: 4 });
    assert.deepEqual(answers.read(text), answer, JSON.stringify(end));
    assert.deepEqual(answers.read(singleBytes(Buffer.from(text))), answer, `${JSON.stringify(end)} in bytes`);
  }
});

test("the mark of the end is the whole data's beginning", () => {
  const said = (text: string): readonly unknown[] => {
    const { events, done } = answers.read(singleBytes(Buffer.from(text)));
    assert.deepEqual([expected(text).events, expected(text).done], [events, done], `the oracle, ${text}`);
    return [events, done];
  };
  assert.deepEqual(said("data:[DONE]\n\n"), [0, true]);
  assert.deepEqual(said("data: [DONE] \ndata: {}\n\n"), [0, true]);
  for (const text of [
    "data:\ndata:[DONE]",
    "data:[DO\ndata:NE]",
    "data:  [DONE]",
    "data:[done]",
    "data:[DONE",
  ])
    assert.deepEqual(said(`${text}\n\n`), [1, false], text);
});

test("the kind of an answer shows in its first bytes", () => {
  const kind = (text: string): string => answers.read(text).kind;
  for (const text of ["{", " \r\n\t[", '{"a":1}']) assert.equal(kind(text), "json", text);
  for (const text of ["data: x", "event:x", ":", "id:", "\n\nretry: 1"])
    assert.equal(kind(text), "event stream", text);
  for (const text of ["", " ", "dat", "dataset: {", "event", "idx", "OK", '"a"', "\u001f\u008b", "-->"])
    assert.equal(kind(text), "other", text);
  assert.equal(answers.read('WEBVTT {"usage":{"prompt_tokens":1}}').usageSeen, false);
});

test("a byte order mark before an answer is no part of it, cut at any byte", () => {
  for (const name of ["chat-stream-usage", "chat-nonstream-1-cold"]) {
    const bytes = captured(name);
    const marked = Buffer.concat([Buffer.from("\ufeff"), bytes]);
    const answer = expected(bytes.toString());
    assert.deepEqual(answers.read(marked), answer, name);
    assert.deepEqual(answers.read(singleBytes(marked)), answer, `${name} in single bytes`);
  }
  for (const text of ["\ufeff\ufeffdata: {}\n\n", " \ufeffdata: {}\n\n", "\ufeff"])
    assert.equal(answers.read(text).kind, "other");
  assert.equal(answers.read(Buffer.from([0xef, 0xbb, 0x7b, 0x7d])).kind, "other", "half a mark");
});

test("an error is told where the APIs say so", () => {
  const errors = [
    '{"error":{"message":"m"}}',
    '{"message":"m","error" : "x"}',
    '{"object":"error","message":"m","code":400}',
    '{"message":"m","object": "error"}',
    '{"type":"error","error":{"type":"overloaded_error","message":"m"}}',
    '{"object":"response","status":"failed","error":{"code":"server_error","message":"m"}}',
    dataEvent({ error: { message: "m", code: 500 } }),
    namedEvent({ type: "error" }),
    "event: error\ndata: overloaded\n\n",
    chat({ content: "a" }) + dataEvent({ error: { message: "m" } }) + chat({ content: "b" }),
    namedEvent({ type: "response.failed", response: { error: { code: "c" } } }),
  ];
  const others = [
    '{"error":null,"object":"response","metadata":{"error":"none"}}',
    '{"object":"list","errors":{"error":1}}',
    '{"choices":[{"message":{"content":"\\"error\\":{}","error":{}}}]}',
    chat({ content: '{"error":{}}' }),
    dataEvent({ id: "x", object: "errors", title: "error" }),
    RESPONSES_STREAM,
    MESSAGES_STREAM,
  ];
  for (const text of errors) {
    assert.equal(expected(text).isError, true, `the oracle, ${text}`);
    assert.equal(answers.read(text).isError, true, text);
  }
  for (const text of others) {
    assert.equal(expected(text).isError, false, `the oracle, ${text}`);
    assert.equal(answers.read(text).isError, false, text);
  }
});

test("a reset forgets everything", () => {
  const all = `${chat({ content: "a" })}${dataEvent({ error: {}, usage: { prompt_tokens: 5, output_tokens: 1 } })}data: [DONE]\n\n`;
  const seen = answers.read(all);
  assert.deepEqual([seen.isError, seen.done, seen.usageSeen], [true, true, true]);
  assert.deepEqual(answers.read(""), { ...json({}), kind: "other" });
  answers.reset();
  answers.feed('data: {"usage":{"prompt_tokens":');
  assert.deepEqual(answers.read("\n"), { ...json({}), kind: "other" });
});

// Words that the reader looks for, and what may stand around them.
const KEYS = [
  "usage",
  "error",
  "type",
  "object",
  "text",
  "content",
  "role",
  "tool_calls",
  "reasoning",
  "choices",
];
const COUNT_KEYS = [
  ...["prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"],
  ...["cache_read_input_tokens", "cache_creation_input_tokens", "cached_tokens"],
  ...["prompt_tokens_details", "input_tokens_details", "usage", "type"],
];
const STRINGS = [
  "",
  "a",
  "error",
  "message_stop",
  "x.delta",
  '"',
  "\\",
  '\\"usage":{',
  "é🙂",
  "\n",
  "}".repeat(70),
];

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.below(list.length)]!;
}

function someValue(random: SeededRandom, depth: number): unknown {
  const kind = random.below(depth > 4 ? 5 : 8);
  if (kind === 0) return null;
  if (kind === 1) return random.below(2) === 0;
  if (kind <= 3) return pick(random, STRINGS);
  if (kind === 4) return someNumber(random);
  if (kind === 5) return Array.from({ length: random.below(4) }, () => someValue(random, depth + 1));
  return someObject(random, depth + 1);
}

function someNumber(random: SeededRandom): number {
  return pick(random, [0, 1, 12, 250, 4096, 70_000, -3, 1.5, 2 ** 53 - 1, 2 ** 60]);
}

function someObject(random: SeededRandom, depth: number): Record<string, unknown> {
  const entries = Array.from({ length: random.below(5) }, () => {
    const key = pick(random, random.below(4) === 0 ? STRINGS : KEYS);
    return [key, key === "usage" ? someUsage(random) : someValue(random, depth)] as const;
  });
  return Object.fromEntries(entries);
}

function someUsage(random: SeededRandom, depth = 0): unknown {
  if (random.below(8) === 0) return someValue(random, 3);
  const inner = (): unknown => {
    const kind = random.below(6);
    if (kind < 4) return someNumber(random);
    return kind === 4 && depth < 3 ? someUsage(random, depth + 1) : someValue(random, 4);
  };
  return Object.fromEntries(
    Array.from({ length: random.below(6) }, () => [pick(random, COUNT_KEYS), inner()]),
  );
}

function someEvent(random: SeededRandom): unknown {
  const kind = random.below(4);
  if (kind === 0) return someObject(random, 0);
  const delta = someObject(random, 3);
  const choices = Array.from({ length: random.below(3) }, () => ({
    index: 0,
    delta,
    text: someValue(random, 4),
  }));
  return {
    id: "x",
    choices: kind === 1 ? [] : choices,
    ...(random.below(2) === 0 ? someObject(random, 1) : {}),
  };
}

function someAnswer(random: SeededRandom): string {
  const space = random.below(3);
  if (random.below(3) === 0) return JSON.stringify(someObject(random, 0), null, space);
  const end = pick(random, ["\n", "\n", "\r\n", "\r"]);
  const events = Array.from({ length: 1 + random.below(5) }, () => {
    const name =
      random.below(4) === 0 ? `event: ${pick(random, ["error", "message", "a.delta", "ping"])}${end}` : "";
    const text = random.below(9) === 0 ? "[DONE]" : JSON.stringify(someEvent(random), null, space);
    const lines = text.split("\n").map((line) => `data:${random.below(4) === 0 ? "" : " "}${line}${end}`);
    return `${name}${lines.join("")}`;
  });
  // The last event's blank line may be missing.
  return events.join(end) + (random.below(4) === 0 ? "" : end);
}

test(`random answers in random pieces say what a plain parser finds (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  let seen = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const text = someAnswer(random);
    const bytes = Buffer.from(text);
    const answer = expected(text);
    if (answer.usageSeen) seen++;
    assert.deepEqual(answers.read(bytes), answer, text);
    assert.deepEqual(answers.read(cut(random, bytes, 1 + random.below(100))), answer, `in pieces: ${text}`);
  }
  assert.ok(seen > ROUNDS / 10, `${seen} with usage`);
});

test(`damaged answers never trap, and the pieces do not matter (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED ^ 0x55);
  const sources = [
    ...CAPTURED.map(([name]) => captured(name)),
    ...WRITTEN.map(([, text]) => Buffer.from(text)),
  ];
  const hostile = Buffer.from('"\\{}[]:, \r\n0-9.e');
  for (let round = 0; round < ROUNDS; round++) {
    const damaged = Buffer.from(pick(random, sources));
    for (let hit = 0; hit <= random.below(20); hit++)
      damaged[random.below(damaged.length)] =
        random.below(2) === 0 ? random.below(256) : pick(random, [...hostile]);
    const whole = answers.read(damaged);
    assert.deepEqual(
      answers.read(cut(random, damaged, 1 + random.below(60))),
      whole,
      damaged.toString("latin1"),
    );
    if (round % 20 === 0)
      assert.deepEqual(answers.read(singleBytes(damaged)), whole, damaged.toString("latin1"));
  }
});

test("white space before a value is followed for a while, and the pieces do not matter", () => {
  for (let spaces = 60; spaces < 130; spaces++) {
    const text = `{"usage":${" ".repeat(spaces)}{"prompt_tokens":1}}`;
    const bytes = Buffer.from(text);
    const whole = answers.read(bytes);
    assert.equal(whole.usageSeen, spaces <= 87, `${spaces} spaces`);
    assert.deepEqual(answers.read(singleBytes(bytes)), whole);
    for (const at of [5, 12, 80, 90, 100])
      assert.deepEqual(
        answers.read([bytes.subarray(0, at), bytes.subarray(at)]),
        whole,
        `${spaces} cut at ${at}`,
      );
  }
});

test("reading allocates nothing, and the last bytes of memory can be read", () => {
  const core = new Core();
  const own = new Answers(core);
  const bytes = Buffer.from(RESPONSES_STREAM + MESSAGES_STREAM);
  own.read(singleBytes(bytes.subarray(0, 300)));
  core.exports.collect();
  const probe = (): number => {
    const block = core.exports.allocate(40);
    core.exports.release(block);
    return block;
  };
  const ptr = core.put(bytes);
  const before = probe();
  for (const piece of [1, 7, 64, 1000, bytes.length]) own.exports.benchResponse(ptr, bytes.length, piece, 50);
  assert.equal(probe(), before);
  const memory = core.exports.memory;
  // The block that follows the heap's end is the reader's to look at, and nobody else's.
  const end = memory.buffer.byteLength;
  const tail = Buffer.from('data: {"usage":{"prompt_tokens":5}}\n\n');
  new Uint8Array(memory.buffer).set(tail, end - tail.length);
  own.reset();
  own.exports.responseFeed(end - tail.length, tail.length);
  assert.equal(own.answer.prompt, 5);
});
