import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Fleet, startFleet } from "../fleet.ts";
import type { ModelServer } from "../model-server.ts";
import { HEADER_TOKENS, MEDIA_TOKENS } from "../prompt-tokens.ts";
import { call, events, json, namedEvents, type ParsedJson } from "../test-client.ts";

const TOOLS = ["weather", "clock"].map((name) => ({
  type: "function",
  function: {
    name,
    parameters: { type: "object", properties: { days: { type: "integer" }, city: { type: "string" } } },
  },
}));
const FLAT_TOOLS = TOOLS.map(({ type, function: tool }) => ({ type, ...tool }));
const MESSAGES = [{ role: "user", content: "What is it like outside?" }];

describe("OpenAI's APIs on a simulated server", () => {
  let fleet: Fleet;
  let server: ModelServer;
  before(async () => {
    fleet = await startFleet({ count: 1, models: ["base"], speed: 50 });
    server = fleet.servers[0]!;
  });
  after(() => fleet.close());

  test("a chat with n choices tells its prompt once and all their tokens", async () => {
    const one = await json(server, "/v1/chat/completions", { messages: MESSAGES, max_tokens: 5 });
    const three = await json(server, "/v1/chat/completions", { messages: MESSAGES, max_tokens: 5, n: 3 });
    assert.deepEqual(
      three.choices.map(({ index }: ParsedJson) => index),
      [0, 1, 2],
    );
    assert.equal(three.usage.prompt_tokens, one.usage.prompt_tokens);
    assert.equal(three.usage.completion_tokens, 15);
    assert.equal(new Set(three.choices.map(({ message }: ParsedJson) => message.content)).size, 3);
    assert.equal(three.choices[0].message.content, one.choices[0].message.content);
  });

  test("a streamed chat with n choices has the same texts, each with a role and an end", async () => {
    const asked = { messages: MESSAGES, max_tokens: 5, n: 2 };
    const whole = await json(server, "/v1/chat/completions", asked);
    const stream = { ...asked, stream: true, stream_options: { include_usage: true } };
    const sent = events((await call(server, "/v1/chat/completions", stream)).text);
    for (const { index, message } of whole.choices) {
      const own = sent
        .flatMap(({ choices = [] }) => choices)
        .filter((each: ParsedJson) => each.index === index);
      assert.equal(own.map(({ delta }: ParsedJson) => delta.content).join(""), message.content);
      assert.equal(own[0].delta.role, "assistant");
      assert.equal(own.filter((each: ParsedJson) => each.finish_reason === "length").length, 1);
    }
    assert.equal(sent.at(-2).usage.completion_tokens, 10);
  });

  test("a list of prompts is answered one by one, and its usage is their sum", async () => {
    const prompt = ["four", "eight tokens and a bit more text"];
    const answer = await json(server, "/v1/completions", { prompt, max_tokens: 2, n: 2 });
    assert.equal(answer.choices.length, 4);
    assert.equal(answer.usage.prompt_tokens, 1 + 8);
    assert.equal(answer.usage.completion_tokens, 8);
    const alone = await json(server, "/v1/completions", { prompt: prompt[1], max_tokens: 2 });
    assert.equal(alone.choices[0].text, answer.choices[2].text);
  });

  test("a prompt of token ids is the text of these tokens", async () => {
    const { tokens } = await json(server, "/tokenize", { prompt: "a text of some tokens" });
    const [byText, byIds, listed] = await Promise.all(
      ["a text of some tokens", tokens, [tokens]].map((prompt) =>
        json(server, "/v1/completions", { prompt, max_tokens: 3 }),
      ),
    );
    assert.equal(byIds.usage.prompt_tokens, byText.usage.prompt_tokens);
    assert.equal(byIds.choices[0].text, listed.choices[0].text);
  });

  test("an image costs a fixed number of tokens, and the same one is found in the cache", async () => {
    const chat = (url: string): object => ({
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this" },
            { type: "image_url", image_url: { url } },
          ],
        },
      ],
      max_tokens: 1,
    });
    const { usage } = await json(server, "/v1/chat/completions", chat("data:image/png;base64,AAAA"));
    assert.equal(usage.prompt_tokens, HEADER_TOKENS + 3 + MEDIA_TOKENS.image + HEADER_TOKENS);
    const again = await json(server, "/v1/chat/completions", chat("data:image/png;base64,AAAA"));
    assert.ok(again.usage.prompt_tokens_details.cached_tokens >= MEDIA_TOKENS.image);
    const other = await json(server, "/v1/chat/completions", chat("data:image/png;base64,BBBB"));
    assert.equal(other.usage.prompt_tokens, usage.prompt_tokens);
    assert.ok(other.usage.prompt_tokens_details.cached_tokens < 16);
  });

  test("a forced tool is called, whole and streamed, with arguments of its schema", async () => {
    const named = { type: "function", function: { name: "clock" } };
    for (const [choice, name, end] of [
      ["required", "weather", "tool_calls"],
      [named, "clock", "stop"],
    ] as const) {
      const asked = { messages: MESSAGES, tools: TOOLS, tool_choice: choice };
      const { choices, usage } = await json(server, "/v1/chat/completions", asked);
      const [called] = choices[0].message.tool_calls;
      assert.equal(called.function.name, name);
      assert.equal(typeof JSON.parse(called.function.arguments).city, "string");
      assert.equal(choices[0].message.content, null);
      assert.equal(choices[0].finish_reason, end);
      assert.ok(usage.completion_tokens > 1);

      const sent = events((await call(server, "/v1/chat/completions", { ...asked, stream: true })).text);
      const deltas = sent.flatMap((each) => each.choices?.[0]?.delta.tool_calls ?? []);
      assert.equal(deltas[0].function.name, name);
      assert.equal(deltas[0].id, `chatcmpl-tool-${sent[0].id.slice("chatcmpl-".length)}0`);
      const joined = deltas.map((each: ParsedJson) => each.function.arguments).join("");
      assert.equal(joined, called.function.arguments);
      assert.equal(sent.at(-2).choices[0].finish_reason, end);
    }
    const free = await json(server, "/v1/chat/completions", {
      messages: MESSAGES,
      tools: TOOLS,
      max_tokens: 2,
    });
    assert.equal(free.choices[0].message.tool_calls, undefined);
  });

  test("a response has the same text whole and streamed, and its usage in the last event", async () => {
    const asked = {
      input: "Tell me of the sea.",
      instructions: "Be brief.",
      max_output_tokens: 6,
      model: "base",
    };
    const whole = await json(server, "/v1/responses", asked);
    assert.equal(whole.status, "incomplete");
    assert.equal(whole.incomplete_details.reason, "max_output_tokens");
    const { usage } = whole;
    assert.equal(usage.output_tokens, 6);
    assert.equal(usage.total_tokens, usage.input_tokens + 6);
    const answer = await call(server, "/v1/responses", { ...asked, stream: true });
    const sent = namedEvents(answer.text);
    assert.deepEqual(
      sent.map((each) => each.sequence_number),
      sent.map((_, i) => i),
    );
    const kinds = sent.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
    assert.deepEqual(kinds, [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    const text = sent.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta);
    assert.equal(text.join(""), whole.output[0].content[0].text);
    const { response } = sent.at(-1);
    assert.deepEqual({ ...response.usage, input_tokens_details: 0 }, { ...usage, input_tokens_details: 0 });
    assert.equal(typeof response.usage.input_tokens_details.cached_tokens, "number");
    assert.equal(sent[0].response.usage, null);
  });

  test("a response takes items of every kind and calls the tool that it must", async () => {
    const input = [
      {
        role: "user",
        content: [
          { type: "input_text", text: "Hot?" },
          { type: "input_image", image_url: "data:," },
        ],
      },
      { type: "function_call", call_id: "c", name: "weather", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "hot" },
    ];
    const asked = { input, tools: FLAT_TOOLS, tool_choice: { type: "function", name: "clock" } };
    const whole = await json(server, "/v1/responses", asked);
    assert.ok(whole.usage.input_tokens > MEDIA_TOKENS.image);
    assert.equal(whole.status, "completed");
    const [item] = whole.output;
    assert.deepEqual([item.type, item.name], ["function_call", "clock"]);
    const sent = namedEvents((await call(server, "/v1/responses", { ...asked, stream: true })).text);
    const deltas = sent.filter(({ type }) => type === "response.function_call_arguments.delta");
    assert.equal(deltas.map(({ delta }) => delta).join(""), item.arguments);
    assert.equal(sent.at(-1).response.output[0].arguments, item.arguments);
  });

  test("an earlier response is not kept", async () => {
    const answer = await call(server, "/v1/responses", { input: "x", previous_response_id: "resp_1" });
    assert.equal(answer.status, 404);
    assert.match(JSON.parse(answer.text).error.message, /resp_1/);
  });

  test("embeddings are of length 1, equal for equal texts, and the same in both encodings", async () => {
    const input = ["one text", "another text", "one text"];
    const floats = await json(server, "/v1/embeddings", { input, model: "base" });
    const [first, second, third] = floats.data.map(({ embedding }: ParsedJson) => embedding as number[]);
    assert.equal(first.length, 256);
    assert.deepEqual(first, third);
    assert.notDeepEqual(first, second);
    assert.ok(Math.abs(Math.hypot(...first) - 1) < 1e-6);
    assert.deepEqual(floats.usage, {
      prompt_tokens: 2 + 3 + 2,
      total_tokens: 7,
      completion_tokens: 0,
      prompt_tokens_details: null,
    });
    const packed = await json(server, "/v1/embeddings", { input, encoding_format: "base64", dimensions: 8 });
    const bytes = Buffer.from(packed.data[0].embedding, "base64");
    const shorter = await json(server, "/v1/embeddings", { input: "one text", dimensions: 8 });
    assert.deepEqual(
      Array.from({ length: 8 }, (_, i) => bytes.readFloatLE(i * 4)),
      shorter.data[0].embedding,
    );
  });

  test("embedding a prompt takes the engine's time for its prefill and samples nothing", async () => {
    const before_ = server.driver.model.metrics.steps;
    await json(server, "/v1/embeddings", { input: "x".repeat(40_000) });
    // 10,000 tokens at a budget of 8192 a step
    assert.equal(server.driver.model.metrics.steps - before_, 2);
  });

  test("one model of the list can be asked for", async () => {
    const { data } = await json(server, "/v1/models");
    assert.deepEqual(await json(server, "/v1/models/base"), data[0]);
    const unknown = await call(server, "/v1/models/no%2Fsuch");
    assert.equal(unknown.status, 404);
    assert.match(JSON.parse(unknown.text).error.message, /no\/such/);
  });

  const refused: readonly (readonly [string, string, object, RegExp])[] = [
    ["n of 0", "/v1/chat/completions", { messages: MESSAGES, n: 0 }, /n must be at least 1, got 0/],
    ["too many choices", "/v1/chat/completions", { messages: MESSAGES, n: 1000 }, /at most 128/],
    [
      "no such tool",
      "/v1/chat/completions",
      { messages: MESSAGES, tools: TOOLS, tool_choice: { type: "function", function: { name: "x" } } },
      /no tool x/,
    ],
    [
      "stream options without a stream",
      "/v1/chat/completions",
      { messages: MESSAGES, stream_options: {} },
      /stream=True/,
    ],
    ["a role that is missing", "/v1/chat/completions", { messages: [{ content: "x" }] }, /messages.0.role/],
    ["prompts of two kinds", "/v1/completions", { prompt: ["a", 1] }, /valid string/],
    ["no input", "/v1/embeddings", {}, /body.input/],
    ["an unknown encoding", "/v1/embeddings", { input: "x", encoding_format: "morse" }, /morse/],
    ["an input that is no list", "/v1/responses", { input: 5 }, /body.input/],
    [
      "a stream that is no boolean",
      "/v1/chat/completions",
      { messages: MESSAGES, stream: "yes" },
      /body.stream/,
    ],
  ];
  for (const [what, path, body, why] of refused) {
    test(`refuses ${what}`, async () => {
      const answer = await call(server, path, body);
      assert.equal(answer.status, 400);
      const { error } = JSON.parse(answer.text);
      assert.match(error.message, why);
      assert.equal(error.code, 400);
    });
  }
});
