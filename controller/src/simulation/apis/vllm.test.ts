import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Fleet, startFleet } from "../fleet.ts";
import type { ModelServer } from "../model-server.ts";
import { call, json, type ParsedJson } from "../test-client.ts";

describe("vLLM's own APIs on a simulated server", () => {
  let fleet: Fleet;
  let server: ModelServer;
  before(async () => {
    fleet = await startFleet({ count: 1, models: ["base"], speed: 50 });
    server = fleet.servers[0]!;
  });
  after(() => fleet.close());

  const documents = ["a document", { text: "another document" }, "a third one"];

  test("rerank sorts the documents by their scores, on each of its paths", async () => {
    for (const path of ["/rerank", "/v1/rerank", "/v2/rerank"]) {
      const answer = await json(server, path, { query: "which one", documents });
      const scores = answer.results.map((each: ParsedJson) => each.relevance_score);
      assert.deepEqual(
        scores,
        scores.toSorted((a: number, b: number) => b - a),
      );
      assert.equal(answer.results.length, 3);
      const found = answer.results.find(({ index }: ParsedJson) => index === 1);
      assert.equal(found.document.text, "another document");
      assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens);
    }
    const two = await json(server, "/rerank", { query: "which one", documents, top_n: 2 });
    assert.equal(two.results.length, 2);
  });

  test("score takes its sides by any of their names, one to many and in pairs", async () => {
    for (const [path, body, count] of [
      ["/score", { text_1: "a", text_2: ["b", "c"] }, 2],
      ["/v1/score", { data_1: ["a", "b"], data_2: ["c", "d"] }, 2],
      ["/score", { queries: "a", documents: ["b", "c", "d"] }, 3],
      ["/score", { queries: "a", items: "b" }, 1],
    ] as const) {
      const answer = await json(server, path, body);
      assert.equal(answer.data.length, count);
      for (const [index, each] of answer.data.entries()) {
        assert.equal(each.index, index);
        assert.ok(each.score >= 0 && each.score < 1);
      }
      assert.equal(answer.usage.completion_tokens, 0);
    }
    const uneven = await call(server, "/score", { text_1: ["a", "b"], text_2: ["c", "d", "e"] });
    assert.equal(uneven.status, 400);
    assert.match(uneven.text, /got 2:3/);
    assert.equal((await call(server, "/score", { text_1: "a" })).status, 400);
  });

  test("classify and pooling answer each input, and a chat", async () => {
    const classes = await json(server, "/classify", { input: ["one", "two"] });
    assert.equal(classes.data.length, 2);
    for (const { probs, label, num_classes: count } of classes.data) {
      assert.ok(Math.abs(probs[0] + probs[1] - 1) < 1e-9);
      assert.equal(label, probs[0] >= 0.5 ? "LABEL_0" : "LABEL_1");
      assert.equal(count, 2);
    }
    const pooled = await json(server, "/pooling", { messages: [{ role: "user", content: "x" }] });
    assert.equal(pooled.data[0].object, "pooling");
    assert.equal(pooled.data[0].data.length, 64);
  });

  test("what is tokenized can be detokenized, without the engine", async () => {
    const steps = server.driver.model.metrics.steps;
    const prompt = "Größe: 5 µm, a text with ünïcödé";
    const { count, tokens, max_model_len: most } = await json(server, "/tokenize", { prompt, model: "base" });
    assert.equal(count, Math.ceil(Buffer.byteLength(prompt) / 4));
    assert.equal(tokens.length, count);
    assert.ok(most > 0);
    assert.equal((await json(server, "/detokenize", { tokens })).prompt, prompt);
    const strings = await json(server, "/tokenize", { prompt: "eight by", return_token_strs: true });
    assert.deepEqual(strings.token_strs, ["eigh", "t by"]);
    const chat = await json(server, "/tokenize", { messages: [{ role: "user", content: "four" }] });
    assert.equal(chat.count, 9);
    assert.equal((await call(server, "/detokenize", { tokens: ["x"] })).status, 400);
    assert.equal((await call(server, "/tokenize", { prompt, model: "nope" })).status, 404);
    assert.equal(server.driver.model.metrics.steps, steps);
  });
});
