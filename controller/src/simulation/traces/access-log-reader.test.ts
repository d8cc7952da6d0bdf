import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { type AccessLogCounts, readAccessLog } from "./access-log-reader.ts";
import type { TraceRequest } from "./trace-request.ts";

/** A line as Envoy writes it, some of its fields. */
function line(second: number, promptTokens: unknown, completionTokens: unknown): string {
  return JSON.stringify({
    attempts: 1,
    cached_tokens: "0",
    completion_tokens: completionTokens,
    duration_ms: 18,
    prompt_tokens: promptTokens,
    status: 200,
    time: `2026-11-26T17:36:0${second}.500Z`,
  });
}

async function read(lines: readonly string[]): Promise<[readonly TraceRequest[], AccessLogCounts]> {
  const requests: TraceRequest[] = [];
  let told: AccessLogCounts | undefined;
  for await (const request of readAccessLog(lines, "access.log", (counts) => (told = counts))) {
    assert.ok(told !== undefined, "the counts come first");
    requests.push(request);
  }
  return [requests, told!];
}

describe("the reader of the gateway's access log", () => {
  it("gives requests in the order of arrival, not in that of their ends", async () => {
    const [requests] = await read([line(5, "29", "2"), line(3, "400", "7"), line(4, 12, 1)]);
    assert.deepEqual(requests, [
      { arrivalMs: 0, promptTokens: 400, outputTokens: 7 },
      { arrivalMs: 1000, promptTokens: 12, outputTokens: 1 },
      { arrivalMs: 2000, promptTokens: 29, outputTokens: 2 },
    ]);
  });

  it("reads fields that the gateway's configuration writes", () => {
    const bootstrap = readFileSync(new URL("../../../../envoy/bootstrap.yaml", import.meta.url), "utf8");
    const [, format] = /json_format:\n([\s\S]*?)\n\n/.exec(bootstrap)!;
    assert.match(format!, /^ +time: "%START_TIME%"$/m);
    assert.match(format!, /^ +prompt_tokens: "%FILTER_STATE\(wasm\.prompt_tokens:PLAIN\)%"$/m);
    assert.match(format!, /^ +completion_tokens: "%FILTER_STATE\(wasm\.completion_tokens:PLAIN\)%"$/m);
  });

  it("passes over what has no usage, and counts it", async () => {
    const lines = [line(1, null, null), line(2, "9", null), line(3, "0", "4"), "", line(4, "9", "4")];
    const [requests, counts] = await read(lines);
    assert.equal(requests.length, 1);
    assert.deepEqual(counts, { lines: 4, requests: 1 });
  });

  it("holds more requests than its columns begin with", async () => {
    const lines = Array.from({ length: 3000 }, (_, index) => line(9 - (index % 10), String(index + 1), "1"));
    const [requests] = await read(lines);
    assert.equal(requests.length, 3000);
    assert.equal(requests[0]!.promptTokens, 10);
    assert.equal(requests.at(-1)!.promptTokens, 2991);
  });

  it("names line, value and bound of what is no log of the gateway's", async () => {
    await assert.rejects(read([line(1, "1", "1"), "GET / 200"]), {
      code: "bad-trace-line",
      message: /access\.log:2: line is "GET \/ 200", bound "a JSON object"/,
    });
    await assert.rejects(read([line(1, "1", "1").replace("2026", "yesterday")]), {
      code: "bad-trace-line",
      message: /access\.log:1: time is "yesterday/,
    });
  });
});
