import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatOf, readWindow, type TraceWindow } from "./trace-source.ts";
import type { TraceRequest } from "../traces/trace-request.ts";

async function all(window: TraceWindow): Promise<readonly TraceRequest[]> {
  const requests: TraceRequest[] = [];
  for await (const request of readWindow(window)) requests.push(request);
  return requests;
}

describe("generated traffic", () => {
  it("of the synthetic format has ShareGPT's lengths, at the rate asked for", async () => {
    const requests = await all({ format: "synthetic", skip: 0, requests: 20_000, seed: 1, qps: 50 });
    const sorted = (field: "promptTokens" | "outputTokens") =>
      requests.map((request) => request[field]).sort((a, b) => a - b);
    const within = (value: number, wanted: number, share: number) =>
      assert.ok(Math.abs(value / wanted - 1) < share, `${value} is not about ${wanted}`);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value) / values.length;
    const [prompts, answers] = [sorted("promptTokens"), sorted("outputTokens")];
    within(prompts[10_000]!, 109, 0.05);
    within(prompts[18_000]!, 714, 0.05);
    within(prompts[19_800]!, 987, 0.05);
    within(mean(prompts), 252, 0.05);
    within(answers[10_000]!, 144, 0.05);
    within(answers[18_000]!, 564, 0.05);
    within(answers[19_800]!, 948, 0.05);
    within(mean(answers), 225, 0.05);
    within(20_000 / (requests.at(-1)!.arrivalMs / 1000), 50, 0.05);
    assert.ok(requests.every(({ prefixBlocks }) => prefixBlocks === undefined));
  });

  it("has windows that follow each other, each from time 0", async () => {
    const window = { format: "mooncake", seed: 3 } as const;
    const both = await all({ ...window, skip: 0, requests: 40 });
    const second = await all({ ...window, skip: 20, requests: 20 });
    const startMs = both[20]!.arrivalMs;
    assert.deepEqual(
      second,
      both.slice(20).map((request) => ({ ...request, arrivalMs: request.arrivalMs - startMs })),
    );
  });
});

describe("a recording's format", () => {
  it("is told by the ending of its name", () => {
    const names = [undefined, "a.jsonl", "a.csv", "build/run/access.log", "a"];
    assert.deepEqual(names.map(formatOf), ["mooncake", "mooncake", "azure", "access-log", "mooncake"]);
  });
});
