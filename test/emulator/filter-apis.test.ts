import assert from "node:assert/strict";
import { test } from "node:test";
import type { ApiRow, PoolRow } from "../../controller/src/table/rows.ts";
import { BODY_POOL, filterModule, picksOf, poolRow, Rig } from "./filter-rig.ts";
import type { Stream } from "./host.ts";

const MODULE = filterModule();
const CHAT = '{"messages":[],"model":"llama"}';

function rigOf(more: Partial<PoolRow> = {}): Rig {
  const rig = new Rig(MODULE);
  rig.push([{ ...BODY_POOL, ...more }]);
  return rig;
}

function post(rig: Rig, path: string, body: string | Uint8Array, type = "application/json"): Stream {
  return rig.send({
    body: [body],
    headers: [
      [":path", path],
      ["content-type", type],
    ],
  });
}

function modelOf(stream: Stream): string | undefined {
  const value = stream.filterState.get("wasm.model");
  return value === undefined ? undefined : Buffer.from(value).toString();
}

test("the body is read where the path is an API's, and other paths are picked for by load at once", () => {
  const rig = rigOf();
  const known = [
    "/v1/chat/completions",
    "/v1/chat/completions?stream=1",
    "/v1/completions/",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/messages",
    "/rerank",
    "/v2/rerank",
    "/tokenize",
    "/v1/images/generations",
  ];
  for (const path of known) {
    const stream = post(rig, path, CHAT);
    assert.ok(picksOf(stream).length > 0, path);
    assert.equal(modelOf(stream), "llama", path);
    stream.finish();
  }
  for (const path of ["/v1/files", "/", "/v1/chat/completionsx", "/completions.html"]) {
    const stream = rig.open({ body: [], headers: [[":path", path]] });
    stream.sendHeaders(false);
    assert.ok(picksOf(stream).length > 0, `${path} does not wait for its body`);
    stream.sendBody("not json at all", true);
    assert.equal(stream.localResponse, undefined);
    stream.finish();
  }
  rig.process.assertClean();
});

test("a pool's own paths go before the built-in ones, and can take one of those away", () => {
  const apis: ApiRow[] = [
    { suffix: "/ask", api: "openai-chat" },
    { suffix: "/embeddings", api: "none" },
  ];
  const rig = rigOf({ apis });
  assert.equal(modelOf(post(rig, "/internal/ask", CHAT)), "llama");
  const taken = post(rig, "/v1/embeddings", "not json");
  assert.equal(taken.localResponse, undefined);
  assert.ok(picksOf(taken).length > 0);
  rig.process.assertClean();
});

test("a form's model is found wherever it stands, and the form goes upstream byte for byte", () => {
  const rig = rigOf();
  const form = [
    "--b0undary",
    'Content-Disposition: form-data; name="file"; filename="a.wav"',
    "Content-Type: audio/wav",
    "",
    "\u0000\u0001 --b0undar --b0undary no line",
    "--b0undary",
    'Content-Disposition: form-data; name="model"',
    "",
    "llama",
    "--b0undary--",
    "",
  ].join("\r\n");
  const stream = rig.send({
    body: Array.from(Buffer.from(form), (byte) => Uint8Array.of(byte)),
    headers: [
      [":path", "/v1/audio/transcriptions"],
      ["content-type", 'multipart/form-data; boundary="b0undary"'],
    ],
  });
  assert.ok(picksOf(stream).length > 0, JSON.stringify(stream.localResponse));
  assert.equal(modelOf(stream), "llama");
  assert.equal(Buffer.from(stream.upstreamBody).toString(), form);
  const unknown = post(
    rig,
    "/v1/audio/translations",
    form.replace("\r\nllama\r\n", "\r\nother\r\n"),
    "multipart/form-data; boundary=b0undary",
  );
  assert.equal(unknown.localResponse?.status, 404);
  rig.process.assertClean();
});

test("the model of the path counts where the body has none, percent-encoding undone", () => {
  const rig = rigOf({ knownModelsOnly: false });
  const stream = post(
    rig,
    "/openai/deployments/org%2Fmodel/chat/completions?api-version=1",
    '{"messages":[]}',
  );
  assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
  assert.equal(modelOf(stream), "org/model");
  const both = post(rig, "/openai/deployments/org/chat/completions", CHAT);
  assert.equal(modelOf(both), "llama", "what the server goes by");
  rig.process.assertClean();
});

test("the header names the model where the body is not read", () => {
  const rig = rigOf({ readBody: false, requireModel: false, knownModelsOnly: false });
  const stream = rig.open({ body: [], headers: [["x-gateway-model-name", "tuned"]] });
  stream.sendHeaders(false);
  assert.ok(picksOf(stream).length > 0, "nothing is waited for");
  assert.equal(modelOf(stream), "tuned");
  stream.sendBody(CHAT, true);
  stream.finish();
  rig.process.assertClean();
});

test("what is answered here has the form of the request's API", () => {
  const rig = rigOf();
  const anthropic = JSON.parse(post(rig, "/v1/messages", '{"model":"nobody"}').localResponse!.body) as {
    type: string;
    error: { type: string; message: string };
  };
  assert.equal(anthropic.type, "error");
  assert.equal(anthropic.error.type, "not_found_error");
  assert.match(anthropic.error.message, /nobody/);
  const openAi = JSON.parse(post(rig, "/v1/chat/completions", '{"model":"nobody"}').localResponse!.body) as {
    error: { code: string };
  };
  assert.equal(openAi.error.code, "model_not_found");
  rig.process.assertClean();
});

test("the model's priority counts where no objective is named", () => {
  const rig = new Rig(MODULE);
  const full = BODY_POOL.endpoints.map((endpoint) => ({ ...endpoint, queuedRequests: 50 }));
  rig.push([
    poolRow({
      readBody: true,
      endpoints: full,
      models: [
        { name: "batch", adapter: false, priority: -10 },
        { name: "chat", adapter: false, priority: 10 },
      ],
      objectives: [{ name: "urgent", priority: 5 }],
    }),
  ]);
  const batch = '{"model":"batch"}';
  assert.equal(post(rig, "/v1/completions", batch).localResponse?.status, 429);
  assert.equal(post(rig, "/v1/completions", '{"model":"chat"}').localResponse, undefined);
  const urgent = rig.send({ body: [batch], headers: [["x-gateway-inference-objective", "urgent"]] });
  assert.equal(urgent.localResponse, undefined);
  rig.process.assertClean();
});
