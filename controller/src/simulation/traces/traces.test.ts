import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { blockHashesOf, chainSeed, tokensOfBytes } from "../prompt-tokens.ts";
import type { Work } from "../apis/api.ts";
import { openaiChat } from "../apis/openai-chat.ts";
import { openaiCompletions } from "../apis/openai-completions.ts";
import { NO_FORM } from "../multipart.ts";
import { parseJson } from "../request-fields.ts";
import { readAzure } from "./azure-reader.ts";
import { generateRequests } from "./generator.ts";
import { MinHeap } from "./min-heap.ts";
import { readMooncake } from "./mooncake-reader.ts";
import { AZURE_CONVERSATION, MOONCAKE_CONVERSATION } from "./profiles.ts";
import { LEAST_CHAT_TOKENS, PromptText } from "./prompt-text.ts";
import { QuantileTable } from "./quantile-table.ts";
import { readTraceFile } from "./trace-file.ts";
import type { TraceRequest } from "./trace-request.ts";
import { type LengthStatistics, traceStatistics } from "./trace-statistics.ts";

async function all(requests: AsyncIterable<TraceRequest>): Promise<TraceRequest[]> {
  const list: TraceRequest[] = [];
  for await (const request of requests) list.push(request);
  return list;
}

describe("the Mooncake reader", () => {
  const line = (fields: object): string =>
    JSON.stringify({ timestamp: 0, input_length: 600, output_length: 5, hash_ids: [0, 1], ...fields });

  test("reads lines and passes over empty ones", async () => {
    const read = await all(
      readMooncake([line({}), "", line({ timestamp: 3000, hash_ids: [0, 2] })], "t.jsonl"),
    );
    assert.deepEqual(read, [
      { arrivalMs: 0, promptTokens: 600, outputTokens: 5, prefixBlocks: [0, 1] },
      { arrivalMs: 3000, promptTokens: 600, outputTokens: 5, prefixBlocks: [0, 2] },
    ]);
  });

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ["no JSON", "{", /t\.jsonl:2: line is "\{", bound "a JSON object"/],
    ["a negative time", line({ timestamp: -1 }), /t\.jsonl:2: timestamp is -1, bound "a number from 0/],
    ["no prompt", line({ input_length: 0 }), /input_length is 0, bound "an integer from 1/],
    ["half a token", line({ output_length: 1.5 }), /output_length is 1\.5/],
    ["too few ids", line({ hash_ids: [0] }), /hash_ids length is 1, bound 2/],
    ["a bad id", line({ hash_ids: [0, "x"] }), /hash_ids\[1\] is "x"/],
  ];
  for (const [name, text, message] of bad) {
    test(`names line, value and bound for ${name}`, async () => {
      await assert.rejects(all(readMooncake([line({}), text], "t.jsonl")), {
        code: "bad-trace-line",
        message,
      });
    });
  }

  test("refuses a time that goes back", async () => {
    await assert.rejects(all(readMooncake([line({ timestamp: 5 }), line({ timestamp: 4 })], "t.jsonl")), {
      message: /t\.jsonl:2: timestamp is 4, bound "≥ 5"/,
    });
  });
});

describe("the Azure reader", () => {
  const header = "TIMESTAMP,ContextTokens,GeneratedTokens";
  test("counts arrivals from the first row, to fractions of a millisecond", async () => {
    const rows = [header, "2023-11-16 18:15:46.6805900,374,44", "2023-11-16 18:15:50.9951690,396,109\r", ""];
    const [first, second] = await all(readAzure(rows, "t.csv"));
    assert.deepEqual(first, { arrivalMs: 0, promptTokens: 374, outputTokens: 44 });
    assert.ok(Math.abs((second?.arrivalMs ?? 0) - 4314.579) < 0.001);
  });
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ["a bad time", "yesterday,1,1", /t\.csv:2: TIMESTAMP is "yesterday"/],
    ["a missing cell", "2023-11-16 18:15:46.68,1", /cells is 2, bound 3/],
    ["no number", "2023-11-16 18:15:46.68,1,x", /GeneratedTokens is NaN, bound "an integer from 1/],
    ["nothing asked", "2023-11-16 18:15:46.68,0,1", /ContextTokens is 0/],
  ];
  for (const [name, text, message] of bad) {
    test(`names line, value and bound for ${name}`, async () => {
      await assert.rejects(all(readAzure([header, text], "t.csv")), { code: "bad-trace-line", message });
    });
  }
  test("refuses another header, and a file of another kind", async () => {
    await assert.rejects(all(readAzure(["a,b,c"], "t.csv")), { message: /t\.csv:1: header is "a,b,c"/ });
    assert.throws(() => readTraceFile("trace.parquet"), { code: "bad-option" });
  });
});

/** Each of mean, p50, p90, p99 within its own share of what is recorded. */
function near(got: LengthStatistics, recorded: readonly number[], within: readonly number[]): void {
  for (const [i, name] of (["mean", "p50", "p90", "p99"] as const).entries()) {
    const off = Math.abs(got[name] - recorded[i]!) / recorded[i]!;
    assert.ok(off <= within[i]!, `${name} is ${got[name]}, recorded ${recorded[i]}, off by ${off}`);
  }
}

describe("the generator", () => {
  for (const seed of [1, 2, 3]) {
    test(`has the recorded figures of Mooncake's conversations (seed ${seed})`, () => {
      const figures = traceStatistics(
        generateRequests({ profile: MOONCAKE_CONVERSATION, seed, durationMs: 3_537_000 }),
      );
      near(figures.prompt, [12035, 6909, 27367, 85401], [0.1, 0.15, 0.15, 0.15]);
      near(figures.output, [342.6, 350, 597, 1120], [0.05, 0.05, 0.05, 0.2]);
      assert.ok(Math.abs(figures.requestsPerSecond / 3.4 - 1) <= 0.08, `${figures.requestsPerSecond}/s`);
      assert.ok(Math.abs(figures.prefixHitShare - 0.366) <= 0.03, `hits ${figures.prefixHitShare}`);
      assert.ok(Math.abs(figures.followUpShare - 0.387) <= 0.04, `follow-ups ${figures.followUpShare}`);
      assert.ok(Math.abs(figures.arrivalCv / 3.03 - 1) <= 0.1, `cv ${figures.arrivalCv}`);
    });
    test(`has the recorded figures of Azure's conversations (seed ${seed})`, () => {
      const figures = traceStatistics(
        generateRequests({ profile: AZURE_CONVERSATION, seed, durationMs: 3_502_000 }),
      );
      near(figures.prompt, [1154.7, 1020, 2735, 4142], [0.1, 0.15, 0.15, 0.15]);
      near(figures.output, [211.1, 129, 424, 601], [0.05, 0.05, 0.05, 0.2]);
      assert.ok(Math.abs(figures.requestsPerSecond / 5.53 - 1) <= 0.08, `${figures.requestsPerSecond}/s`);
      assert.ok(Math.abs(figures.arrivalCv - 1.09) <= 0.15, `cv ${figures.arrivalCv}`);
    });
  }

  test("gives equal requests for equal seeds, in the order of arrival, with one id a block", () => {
    const options = { profile: MOONCAKE_CONVERSATION, seed: 7, durationMs: 600_000 };
    const [first, second] = [[...generateRequests(options)], [...generateRequests(options)]];
    assert.deepEqual(first, second);
    let last = 0;
    for (const request of first) {
      assert.ok(request.arrivalMs >= last);
      last = request.arrivalMs;
      assert.equal(request.prefixBlocks?.length, Math.ceil(request.promptTokens / 512));
      assert.equal(request.prefixBlocks[0], 0);
    }
    assert.ok(first.some((request) => request.turn >= 3));
  });

  test("refuses a rate or a duration that is not positive", () => {
    const wrong = (extra: object) => () =>
      generateRequests({ profile: AZURE_CONVERSATION, seed: 1, durationMs: 1, ...extra }).next();
    assert.throws(wrong({ rate: 0 }), { code: "bad-option", value: 0 });
    assert.throws(wrong({ durationMs: -1 }), { code: "bad-option", value: -1 });
  });
});

/** What a simulated server makes of a body. */
function workOf(api: "chat" | "completion", body: string): Work {
  const call = { path: "", id: "", json: parseJson(undefined, Buffer.from(body)), form: NO_FORM };
  const facts = { models: ["m"], adapters: [], startedS: 0, maxModelTokens: 131_072 };
  const plan = (api === "chat" ? openaiChat : openaiCompletions).plan(call, facts);
  assert.ok(plan.kind === "work");
  return plan;
}

describe("prompt texts", () => {
  const request = fc.record({
    arrivalMs: fc.constant(0),
    promptTokens: fc.integer({ min: 1, max: 3000 }),
    outputTokens: fc.integer({ min: 1, max: 50 }),
  });

  test("have exactly the tokens of their request", () => {
    fc.assert(
      fc.property(request, fc.constantFrom("chat" as const, "completion" as const), (asked, api) => {
        const body = new PromptText(1).body(asked, { api, model: "m", stream: true });
        const { prompts, maxTokens, answer } = workOf(api, body);
        const least = api === "chat" ? LEAST_CHAT_TOKENS : 1;
        assert.equal(tokensOfBytes(prompts[0]!.text.length), Math.max(least, asked.promptTokens));
        assert.equal(maxTokens, asked.outputTokens);
        assert.equal(answer({ id: "", created: 0, model: "m" }).reports, "all");
      }),
    );
  });

  test("share the server's blocks as far as they share ids, and no further", () => {
    const text = new PromptText(1);
    const hashes = (prefixBlocks: readonly number[], promptTokens: number): number[] => {
      const asked = { arrivalMs: 0, promptTokens, outputTokens: 1, prefixBlocks };
      const { prompts } = workOf("chat", text.body(asked, { api: "chat", stream: false }));
      return blockHashesOf(prompts[0]!.text, 16, chainSeed("", undefined));
    };
    const shared = (a: readonly number[], b: readonly number[]): number => a.findIndex((h, i) => h !== b[i]);
    assert.equal(shared(hashes([0, 1, 2], 1500), hashes([0, 1, 3, 4], 2000)), 64);
    assert.equal(shared(hashes([0, 5], 1000), hashes([0, 6], 1000)), 32);
    assert.deepEqual(hashes([0, 1, 2], 1500), hashes([0, 1, 2], 1500));
  });

  test("put messages before the model unless told otherwise", () => {
    const asked = { arrivalMs: 0, promptTokens: 20, outputTokens: 1 };
    const keys = (options: object): string[] =>
      Object.keys(
        JSON.parse(new PromptText(1).body(asked, { api: "chat", model: "m", stream: false, ...options })),
      );
    assert.deepEqual(keys({}), ["messages", "model", "max_tokens", "stream"]);
    assert.deepEqual(keys({ promptFirst: false, cacheSalt: "s" }), [
      "model",
      "messages",
      "max_tokens",
      "stream",
      "cache_salt",
    ]);
  });
});

test("a heap gives its items in order", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (values) => {
      const heap = new MinHeap<number>((a, b) => a - b);
      for (const value of values) heap.push(value);
      const out: number[] = [];
      while (heap.size > 0) out.push(heap.pop()!);
      assert.deepEqual(
        out,
        values.toSorted((a, b) => a - b),
      );
    }),
  );
});

test("a quantile table is linear between its points and refuses ones out of order", () => {
  const table = new QuantileTable([
    [0, 0],
    [0.5, 10],
    [1, 110],
  ]);
  assert.equal(table.at(0.25), 5);
  assert.equal(table.at(0.75), 60);
  assert.equal(table.at(1), 110);
  assert.throws(() => new QuantileTable([[0, 1]]), /span/);
  assert.throws(
    () =>
      new QuantileTable([
        [0, 2],
        [1, 1],
      ]),
    /quantile 1/,
  );
});
