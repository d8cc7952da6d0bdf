import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { after, before, describe, test } from "node:test";
import { type Fleet, startFleet } from "./fleet.ts";
import type { ModelServer } from "./model-server.ts";
import { call, events, shape, until } from "./test-client.ts";

const FIXTURES = new URL("../../../test/fixtures/vllm-0.32/", import.meta.url);
const fixture = (name: string): string => readFileSync(new URL(name, FIXTURES), "utf8");

const LONG = "Tell me of the sea and of the ships that cross it. ".repeat(24);
const chat = (extra: object = {}, content = LONG): object => ({
  messages: [
    { role: "system", content: "You are brief." },
    { role: "user", content },
  ],
  model: "base",
  max_tokens: 6,
  ...extra,
});

describe("a simulated model server", () => {
  let fleet: Fleet;
  let server: ModelServer;
  before(async () => {
    fleet = await startFleet({ count: 1, models: ["base"], adapters: ["lora-a", "lora-b"], speed: 20 });
    server = fleet.servers[0]!;
  });
  after(() => fleet.close());

  test("answers a chat in the shape and with the headers of vLLM", async () => {
    const answer = await call(server, "/v1/chat/completions", chat());
    assert.equal(answer.status, 200);
    assert.equal(
      JSON.stringify(shape(JSON.parse(answer.text))),
      JSON.stringify(shape(JSON.parse(fixture("chat-nonstream-1-cold.json")))),
    );
    const names = answer.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    const expected = fixture("chat-nonstream-1-cold.headers")
      .split(/\r?\n/)
      .slice(1)
      .filter((line) => line !== "")
      .map((line) => line.split(":")[0]!);
    for (const name of expected) assert.ok(names.includes(name), `header ${name}`);
    assert.equal(answer.headers["x-served-by"], "server-0");
    const { usage, choices } = JSON.parse(answer.text);
    assert.equal(usage.completion_tokens, 6);
    assert.equal(usage.total_tokens, usage.prompt_tokens + 6);
    assert.equal(choices[0].message.content.length, 24);
  });

  test("counts cached tokens in whole blocks, apart for base, adapter and salt", async () => {
    const cached = async (extra: object): Promise<[number, number]> => {
      const { usage } = JSON.parse(
        (await call(server, "/v1/chat/completions", chat(extra, `${LONG}cache`))).text,
      );
      const details = usage.prompt_tokens_details;
      return [details.cached_tokens, details.created_cache_tokens];
    };
    const full = Math.floor((4 + 4 + 4 + Math.ceil((LONG.length + 5) / 4) + 4) / 16) * 16;
    const [systemCached] = await cached({});
    assert.ok(systemCached <= full);
    assert.deepEqual(await cached({}), [full, 0]);
    assert.deepEqual(await cached({ model: "lora-a" }), [0, full]);
    assert.deepEqual(await cached({ model: "lora-a" }), [full, 0]);
    assert.deepEqual(await cached({ cache_salt: "tenant" }), [0, full]);
    assert.deepEqual(await cached({ cache_salt: "tenant" }), [full, 0]);
    assert.deepEqual(await cached({ cache_salt: "other" }), [0, full]);
  });

  test("finds its own answer in the cache when it comes back as the next turn", async () => {
    const first = JSON.parse(
      (await call(server, "/v1/chat/completions", chat({ max_tokens: 64 }, "turn one"))).text,
    );
    const messages = [
      ...(chat({}, "turn one") as { messages: object[] }).messages,
      first.choices[0].message,
      { role: "user", content: "turn two" },
    ];
    const second = JSON.parse((await call(server, "/v1/chat/completions", { messages, max_tokens: 1 })).text);
    const { cached_tokens: cached } = second.usage.prompt_tokens_details;
    assert.ok(cached > first.usage.prompt_tokens, `${cached} of ${first.usage.prompt_tokens} and 64 tokens`);
  });

  for (const [name, path, body] of [
    [
      "chat-stream-usage.json",
      "/v1/chat/completions",
      chat({ stream: true, stream_options: { include_usage: true } }),
    ],
    ["chat-stream-nousage.json", "/v1/chat/completions", chat({ stream: true })],
    [
      "chat-stream-usage-continuous.json",
      "/v1/chat/completions",
      chat({ stream: true, stream_options: { include_usage: true, continuous_usage_stats: true } }),
    ],
    [
      "completion-stream.json",
      "/v1/completions",
      { prompt: LONG, model: "base", max_tokens: 6, stream: true, stream_options: { include_usage: true } },
    ],
  ] as const) {
    test(`streams events in the shape of ${name}`, async () => {
      const answer = await call(server, path, body);
      const [got, want] = [events(answer.text), events(fixture(name))];
      const shapes = (list: unknown[]): string[] => list.map((each) => JSON.stringify(shape(each)));
      const known = shapes(want);
      // Steps that a late timer ends together give one event, so the number of events may differ.
      assert.deepEqual(
        shapes(got).filter((each) => !known.includes(each)),
        [],
      );
      if (path === "/v1/chat/completions") assert.equal(shapes(got)[0], known[0]);
      assert.deepEqual(shapes(got).slice(-2), known.slice(-2));
      assert.equal(answer.headers["content-type"], "text/event-stream; charset=utf-8");
      assert.equal(got.at(-1), "[DONE]");
    });
  }

  test("answers a completion in the shape of vLLM", async () => {
    const answer = await call(server, "/v1/completions", { prompt: LONG, max_tokens: 3 });
    assert.deepEqual(shape(JSON.parse(answer.text)), shape(JSON.parse(fixture("completion-nonstream.json"))));
  });

  test("lists base and adapters in the shape of vLLM", async () => {
    const answer = JSON.parse((await call(server, "/v1/models")).text);
    const wanted = JSON.parse(fixture("models.json"));
    for (const i of [0, 1]) assert.deepEqual(shape(answer.data[i]), shape(wanted.data[i]));
    assert.deepEqual(
      answer.data.map((each: { id: string }) => each.id),
      ["base", "lora-a", "lora-b"],
    );
  });

  const bad: readonly (readonly [string, number, string, unknown, http.RequestOptions?])[] = [
    ["err-bad-json", 400, "/v1/chat/completions", '{"model": "base", "messages": [{}],}'],
    ["err-empty-body", 400, "/v1/chat/completions", ""],
    ["err-missing-messages", 400, "/v1/chat/completions", { model: "base" }],
    ["err-bad-type", 400, "/v1/chat/completions", chat({ max_tokens: "abc" })],
    ["err-unknown-model", 404, "/v1/chat/completions", chat({ model: "nope" })],
    ["err-unknown-model-stream", 404, "/v1/chat/completions", chat({ model: "nope", stream: true })],
    ["err-max-tokens-too-big", 400, "/v1/chat/completions", chat({ max_tokens: 1e6 })],
    ["err-too-long-prompt", 400, "/v1/completions", { prompt: "a".repeat(4 * 131073) }],
    ["err-wrong-ctype", 400, "/v1/chat/completions", "a=b", { headers: { "content-type": "text/plain" } }],
    ["err-404-path", 404, "/v2/nothing", chat()],
    ["err-405", 405, "/v1/chat/completions", undefined],
  ];
  for (const [name, status, path, body, options] of bad) {
    test(`refuses as in ${name}`, async () => {
      const answer = await call(server, path, body, options);
      assert.equal(answer.status, status);
      const [got, want] = [JSON.parse(answer.text), JSON.parse(fixture(`${name}.json`))];
      assert.deepEqual(shape(got), shape(want));
      if (want.error !== undefined) {
        assert.equal(got.error.type, want.error.type);
        assert.equal(got.error.code, want.error.code);
        if (name !== "err-bad-json") assert.equal(got.error.param, want.error.param);
      }
    });
  }

  test("a request without a model is answered by the base model", async () => {
    const answer = await call(server, "/v1/chat/completions", chat({ model: undefined }));
    assert.equal(answer.status, 200);
    assert.equal(JSON.parse(answer.text).model, "base");
  });

  test("tells the hash of the body that arrived, however long it is", async () => {
    const body = JSON.stringify({ prompt: "p".repeat(5_000_000), model: "base" });
    const answer = await call(server, "/v1/completions", body, { headers: { "x-sim-hash": "1" } });
    assert.equal(answer.status, 400);
    assert.equal(answer.headers["x-sim-body-sha256"], createHash("sha256").update(body).digest("hex"));
  });

  test("exports the families of vLLM with their types, on a page of about its size", async () => {
    const page = (await call(server, "/metrics")).text;
    const families = (text: string): string[] =>
      [...text.matchAll(/^# TYPE (\S+ \S+)$/gm)].map((match) => match[1]!).sort();
    const wanted = families(fixture("metrics-busy.txt")).filter((name) => !/^http_.*_created/.test(name));
    const got = families(page);
    assert.deepEqual(
      wanted.filter((name) => !got.includes(name)),
      [],
    );
    assert.ok(page.length > 40_000 && page.length < 65_000, `${page.length} bytes`);
    assert.match(page, /^vllm:cache_config_info\{.*block_size="16".*num_gpu_blocks="29205"/m);
    assert.match(page, /^vllm:num_requests_running\{engine="0",model_name="base"\} 0\.0$/m);
  });

  test("adapters appear with the first step, old sets stay, and the newest stamp is the present", async () => {
    const own = await startFleet({ count: 1, models: ["base"], adapters: ["x"], speed: 20 });
    try {
      const fresh = own.servers[0]!;
      const lines = async (): Promise<string[]> =>
        (await call(fresh, "/metrics")).text
          .split("\n")
          .filter((line) => line.startsWith("vllm:lora_requests_info"));
      assert.deepEqual(await lines(), []);
      await call(fresh, "/v1/chat/completions", chat({ model: "x" }));
      const after_ = await lines();
      assert.equal(after_.length, 2);
      const stamp = (set: string): number => {
        const label = `running_lora_adapters="${set}",waiting_lora_adapters="${set}"`;
        return Number(
          after_
            .find((line) => line.includes(label))
            ?.split(" ")
            .at(-1),
        );
      };
      assert.ok(stamp("") > stamp("x"));
      assert.ok(Math.abs(stamp("") - Date.now() / 1000) < 60);
    } finally {
      await own.close();
    }
  });

  test("speaks HTTP/2 by prior knowledge on the same port", async () => {
    const session = http2.connect(server.url);
    try {
      const stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions" });
      stream.end(JSON.stringify(chat({ stream: true })));
      let status = 0;
      let text = "";
      stream.on("response", (headers) => {
        status = Number(headers[":status"]);
      });
      for await (const chunk of stream) text += chunk;
      assert.equal(status, 200);
      assert.equal(events(text).at(-1), "[DONE]");
    } finally {
      session.close();
    }
  });

  test("a client that goes away frees what its request held", async () => {
    const request = http.request(`${server.url}/v1/chat/completions`, { method: "POST" });
    request.on("error", () => undefined);
    request.end(JSON.stringify(chat({ max_tokens: 100_000, stream: true })));
    await until(() => server.inFlight === 1);
    const aborted = server.driver.model.metrics.finishedAbort;
    request.destroy();
    await until(() => server.inFlight === 0);
    assert.equal(server.driver.model.metrics.finishedAbort, aborted + 1);
    assert.equal(server.driver.model.running, 0);
  });

  test("is broken as told and whole again after the count", async () => {
    const told = await call(server, "/_sim/fault", { mode: "500", count: 2 });
    assert.equal(told.status, 200);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await call(server, "/v1/chat/completions", chat())).status);
    assert.deepEqual(statuses, [500, 500, 200]);
    assert.equal((await call(server, "/_sim/fault", { mode: "sad" })).status, 400);
    assert.equal((await call(server, "/_sim/fault", { mode: "slow", factor: 0 })).status, 400);
  });

  test("cuts a stream in its middle, hangs, and refuses connections", async () => {
    await server.setFault({ mode: "reset-mid-stream", count: 1 });
    await assert.rejects(call(server, "/v1/chat/completions", chat({ stream: true, max_tokens: 500 })), {
      code: "ECONNRESET",
    });
    await until(() => server.driver.model.running === 0);

    await server.setFault({ mode: "hang" });
    const hanging = call(server, "/v1/chat/completions", chat());
    const page = await call(server, "/metrics");
    assert.equal(page.status, 200);
    const { port } = server;
    await server.setFault({ mode: "refuse" });
    await assert.rejects(hanging);
    await assert.rejects(call(server, "/health", undefined, { agent: false }), { code: "ECONNREFUSED" });
    await server.setFault({ mode: "none" });
    assert.equal(server.port, port);
    assert.equal((await call(server, "/health")).status, 200);
  });

  test("slow makes its steps longer until it is told otherwise", async () => {
    const seconds = async (): Promise<number> => {
      const from = performance.now();
      await call(server, "/v1/chat/completions", chat({ max_tokens: 100 }));
      return performance.now() - from;
    };
    await server.setFault({ mode: "slow", factor: 10 });
    // 100 steps of at least 5.6 ms / 20, ten times as long
    assert.ok((await seconds()) >= 280);
    await server.setFault({ mode: "none" });
    assert.equal(server.driver.model.slowdown, 1);
  });
});

test("a fleet refuses a bad count and frees its ports when one is taken", async () => {
  await assert.rejects(startFleet({ count: 0 }), { code: "bad-option", value: 0 });
  const taken = await startFleet({ count: 1 });
  try {
    await assert.rejects(startFleet({ count: 1, basePort: taken.servers[0]!.port }), { code: "EADDRINUSE" });
  } finally {
    await taken.close();
  }
});
