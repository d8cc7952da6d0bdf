import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Fleet, startFleet } from "../fleet.ts";
import type { ModelServer } from "../model-server.ts";
import { HEADER_TOKENS, MEDIA_TOKENS } from "../prompt-tokens.ts";
import { call, json, namedEvents } from "../test-client.ts";

const LONG = "Tell me of the sea and of the ships that cross it. ".repeat(20);
const TOOLS = [
  { name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } },
];
const ask = (more: object = {}): object => ({
  model: "base",
  max_tokens: 5,
  system: "Be brief.",
  messages: [{ role: "user", content: LONG }],
  ...more,
});

describe("Anthropic's messages on a simulated server", () => {
  let fleet: Fleet;
  let server: ModelServer;
  before(async () => {
    fleet = await startFleet({ count: 1, models: ["base"], speed: 50 });
    server = fleet.servers[0]!;
  });
  after(() => fleet.close());

  test("a message tells its prompt in three parts whose sum is the prompt", async () => {
    const tokens = HEADER_TOKENS * 3 + 3 + LONG.length / 4;
    const cold = await json(server, "/v1/messages", ask());
    const warm = await json(server, "/v1/messages", ask());
    for (const { usage } of [cold, warm]) {
      const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens } = usage;
      assert.equal(input_tokens + cache_creation_input_tokens + cache_read_input_tokens, tokens);
      assert.equal(usage.output_tokens, 5);
    }
    assert.equal(cold.usage.cache_read_input_tokens, 0);
    assert.equal(warm.usage.cache_read_input_tokens, Math.floor((tokens - 1) / 16) * 16);
    assert.equal(cold.stop_reason, "max_tokens");
    assert.equal(cold.content[0].text.length, 20);
    const counted = await json(server, "/v1/messages/count_tokens", ask());
    assert.equal(counted.input_tokens, tokens);
  });

  test("a stream begins with the prompt's usage, ends with the whole, and has the text between", async () => {
    const whole = await json(server, "/v1/messages", ask());
    const sent = namedEvents((await call(server, "/v1/messages", ask({ stream: true }))).text);
    const kinds = sent.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
    assert.deepEqual(kinds, [
      "message_start",
      "content_block_start",
      "ping",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    assert.deepEqual(sent[0].message.usage, { ...whole.usage, output_tokens: 0 });
    const last = sent.at(-2);
    assert.deepEqual(last.usage, whole.usage);
    assert.equal(last.delta.stop_reason, "max_tokens");
    const text = sent.filter(({ type }) => type === "content_block_delta").map(({ delta }) => delta.text);
    assert.equal(text.join(""), whole.content[0].text);
  });

  test("a tool that must be used is used, whole and streamed", async () => {
    for (const choice of [{ type: "any" }, { type: "tool", name: "weather" }]) {
      const asked = ask({ tools: TOOLS, tool_choice: choice, max_tokens: 100 });
      const whole = await json(server, "/v1/messages", asked);
      assert.equal(whole.stop_reason, "tool_use");
      const [block] = whole.content;
      assert.deepEqual([block.type, block.name, typeof block.input.city], ["tool_use", "weather", "string"]);
      const sent = namedEvents((await call(server, "/v1/messages", { ...asked, stream: true })).text);
      const started = sent.find(({ type }) => type === "content_block_start").content_block;
      assert.deepEqual([started.type, started.name, started.input], ["tool_use", "weather", {}]);
      const parts = sent
        .filter(({ type }) => type === "content_block_delta")
        .map(({ delta }) => delta.partial_json);
      assert.deepEqual(JSON.parse(parts.join("")), block.input);
    }
    const free = await json(server, "/v1/messages", ask({ tools: TOOLS, tool_choice: { type: "auto" } }));
    assert.equal(free.content[0].type, "text");
  });

  test("blocks of text, images and results of tools count as tokens", async () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } };
    const messages = [
      { role: "user", content: [{ type: "text", text: "What is this" }, image] },
      { role: "assistant", content: [{ type: "tool_use", id: "t", name: "weather", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "cold" }] },
    ];
    const system = [{ type: "text", text: "Be brief" }];
    const used = JSON.stringify(messages[1]!.content[0]);
    const { input_tokens: tokens } = await json(
      server,
      "/v1/messages/count_tokens",
      ask({ system, messages }),
    );
    const texts = 2 + 3 + MEDIA_TOKENS.image + Math.ceil(used.length / 4) + 1;
    assert.equal(tokens, HEADER_TOKENS * 5 + texts);
  });

  test("errors have Anthropic's form", async () => {
    for (const [body, status, type, message] of [
      [ask({ model: "nope" }), 404, "not_found_error", /nope/],
      [ask({ model: undefined }), 400, "invalid_request_error", /body.model/],
      [ask({ max_tokens: undefined }), 400, "invalid_request_error", /body.max_tokens/],
      [ask({ tools: TOOLS, tool_choice: "any" }), 400, "invalid_request_error", /tool_choice/],
      ['{"model":', 400, "invalid_request_error", /JSON/],
    ] as const) {
      const answer = await call(server, "/v1/messages", body);
      assert.equal(answer.status, status);
      const json_ = JSON.parse(answer.text);
      assert.deepEqual([json_.type, json_.error.type], ["error", type]);
      assert.match(json_.error.message, message);
    }
    await server.setFault({ mode: "500", count: 1 });
    assert.equal(JSON.parse((await call(server, "/v1/messages", ask())).text).error.type, "api_error");
  });
});
