import assert from "node:assert/strict";
import { test } from "node:test";
import parsePrometheus from "parse-prometheus-text-format";
import type { Clock } from "./clock.ts";
import { hardware } from "./hardware.ts";
import { HttpMetrics } from "./http-metrics.ts";
import { metricsPage } from "./metrics-page.ts";
import { labelValue, pythonFloat } from "./metrics-text.ts";
import type { ModelRequest } from "./model-request.ts";
import { RealTimeDriver } from "./real-time-driver.ts";
import { ServerModel } from "./server-model.ts";

test("numbers are written as Python's client writes them", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0.0"],
    [6, "6.0"],
    [0.5016722408026756, "0.5016722408026756"],
    [999999, "999999.0"],
    [1000000, "1e+06"],
    [4694081536, "4.694081536e+09"],
    [1795542280.3225818, "1.7955422803225818e+09"],
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NaN, "NaN"],
  ];
  for (const [value, text] of cases) assert.equal(pythonFloat(value), text);
  assert.equal(labelValue('a"b\\c\nd'), 'a\\"b\\\\c\\nd');
});

test("a page tells what the model did, in a text that another parser reads", () => {
  const model = new ServerModel(hardware("llama-3.1-8b-h100"));
  model.submit({ promptTokens: 100, outputTokens: 3, blockHashes: [] }, 0);
  model.submit({ promptTokens: 200, outputTokens: 500, blockHashes: [] }, 0);
  model.advanceTo(100);
  const http = new HttpMetrics();
  http.observe("/v1/chat/completions", "POST", 200, 0.2, 100, 50);
  const page = metricsPage({
    model,
    http,
    modelName: 'odd"name',
    startedS: 1.7e9,
    modelEpochS: 1.7e9,
    adaptersEnabled: true,
  });
  const families = new Map(parsePrometheus(page).map((family) => [family.name, family]));
  const value = (name: string): number => Number(families.get(name)?.metrics[0]?.value);
  assert.equal(value("vllm:num_requests_running"), 1);
  assert.equal(value("vllm:num_requests_waiting"), 0);
  assert.equal(value("vllm:prompt_tokens_total"), 300);
  assert.equal(value("vllm:generation_tokens_total"), model.metrics.generationTokens);
  assert.ok(value("vllm:kv_cache_usage_perc") > 0);
  assert.match(page, /^vllm:time_to_first_token_seconds_count\{.*\} 2\.0$/m);
  assert.match(page, /^vllm:e2e_request_latency_seconds_bucket\{.*le="0\.3".*\} 1\.0$/m);
  assert.match(page, /model_name="odd\\"name"/);
});

test("a driver whose timer is late does all that is over at once, at the times at which it was due", () => {
  let now = 0;
  let call: (() => void) | undefined;
  const clock: Clock = {
    nowMs: () => now,
    unixMs: () => now,
    after: (_delay, due) => {
      call = due;
      return () => {
        call = undefined;
      };
    },
  };
  const told: [number, boolean][] = [];
  const driver = new RealTimeDriver(hardware("llama-3.1-8b-h100"), clock, (_r, tokens, done) =>
    told.push([tokens, done]),
  );
  const request: ModelRequest = driver.submit({ promptTokens: 16, outputTokens: 10, blockHashes: [] });
  now = 1000;
  call?.();
  assert.deepEqual(told, [[10, true]]);
  assert.ok(request.finishedMs < 100);
  const other = driver.submit({ promptTokens: 16, outputTokens: 10, blockHashes: [] });
  assert.equal(driver.cancel(other), true);
  assert.equal(driver.cancel(other), false);
  driver.close();
  assert.equal(call, undefined);
});
