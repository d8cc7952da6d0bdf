import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import type { ChatCompletionCreateParams } from "openai/resources/chat/completions";
import { chatBody, streamBody } from "./chat-body.ts";

const MODEL = "llama-3.1-8b";

test("the bodies of the benchmark are, byte for byte, what OpenAI's client sends for the same call", async () => {
  let sent: unknown;
  const client = new OpenAI({
    apiKey: "none",
    baseURL: "http://gateway/v1",
    fetch: async (_, init) => {
      sent = init?.body;
      return new Response("{}", { headers: { "content-type": "application/json" } });
    },
  });
  for (const body of [chatBody(4096, MODEL, "first"), chatBody(4096, MODEL, "last"), streamBody(MODEL)]) {
    await client.chat.completions.create(JSON.parse(body) as ChatCompletionCreateParams);
    assert.equal(sent, body);
  }
});

test("a body's size is as asked for within a twentieth, and its model stands before or behind the messages", () => {
  for (const bytes of [1024, 16 * 1024, 220 * 1024]) {
    for (const place of ["first", "last"] as const) {
      const body = chatBody(bytes, MODEL, place);
      assert.ok(Math.abs(body.length - bytes) < bytes / 20, `${body.length} for ${bytes}`);
      const at = body.indexOf('"model"');
      assert.ok(place === "first" ? at === 1 : at > bytes * 0.8, `${place}: ${at}`);
    }
  }
});
