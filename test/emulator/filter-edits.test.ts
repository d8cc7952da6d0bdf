import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { BODY_POOL, EPOCH, filterModule, picksOf, poolRow, Rig } from "./filter-rig.ts";
import type { Stream } from "./host.ts";

const MODULE = filterModule();
const TO_BLUE: PoolRow["rewrites"] = [{ model: "public", targets: [{ model: "blue", weight: 1 }] }];
const LONG = "x".repeat(2_000);
const ADDED = '"stream_options":{"include_usage":true}';

function poolOf(more: Partial<PoolRow>): PoolRow {
  return { ...BODY_POOL, requireModel: false, knownModelsOnly: false, bodyWindowBytes: 1_024, ...more };
}

function rigOf(more: Partial<PoolRow>): Rig {
  const rig = new Rig(MODULE);
  rig.push([poolOf(more)]);
  return rig;
}

/** A chat whose first piece is released before the second one comes. */
function begin(rig: Rig, first: string, wholeBytes: number, path = "/v1/chat/completions"): Stream {
  const stream = rig.open({
    body: [],
    headers: [
      [":path", path],
      ["content-length", String(wholeBytes)],
    ],
  });
  stream.sendHeaders(false);
  stream.sendBody(first, false);
  return stream;
}

const BEGINNING = `{"model":"llama","stream":true,"messages":["${LONG}"`;

test("usage that was promised at the release is there at the end, however the rest is cut", () => {
  for (const rest of ["]}", "]} \n "]) {
    const rig = rigOf({ addUsage: true });
    const stream = begin(rig, BEGINNING, BEGINNING.length + rest.length);
    assert.ok(picksOf(stream).length > 0, "released at the window");
    for (const byte of rest) stream.sendBody(byte, false);
    stream.sendBody("", true);
    const closed = rest.indexOf("}");
    const expected = `${BEGINNING}${rest.slice(0, closed)},${ADDED}${rest.slice(closed)}`;
    assert.equal(Buffer.from(stream.upstreamBody).toString(), expected);
    rig.process.assertClean();
  }
});

test("a body that breaks off after more was promised is ended, by its last chunk, an empty one or trailers", () => {
  for (const end of ["chunk", "empty", "trailers"] as const) {
    const rig = rigOf({ addUsage: true });
    const stream = begin(rig, BEGINNING, BEGINNING.length + 1);
    if (end === "chunk") stream.sendBody("]", true);
    else {
      stream.sendBody("]", false);
      if (end === "empty") stream.sendBody("", true);
      else stream.sendTrailers([["x-end", "1"]]);
    }
    assert.equal(stream.localResponse?.details, "inference_picker_malformed_body", end);
    stream.finish();
    rig.process.assertClean();
  }
});

test("a client whose own stream options come after the release keeps them, and its usage", () => {
  const rig = rigOf({ addUsage: true });
  const own = '"stream_options":{"include_usage":true,"continuous_usage_stats":true}';
  const rest = `],${own}}`;
  const stream = begin(rig, BEGINNING, BEGINNING.length + rest.length);
  stream.sendBody(rest, true);
  const sent = JSON.parse(Buffer.from(stream.upstreamBody).toString()) as { stream_options: object };
  assert.deepEqual(sent.stream_options, { include_usage: true, continuous_usage_stats: true });
  const answer = 'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\ndata: [DONE]\n\n';
  stream.respond([[":status", "200"]], false);
  stream.respondBody(answer, true);
  assert.equal(Buffer.from(stream.downstreamBody).toString(), answer);
  stream.finish();
  rig.process.assertClean();
});

test("where usage is added, what does not stream or cannot is released like any other", () => {
  const rig = rigOf({ addUsage: true });
  const embeddings = begin(rig, `{"model":"llama","input":"${LONG}`, 9_999, "/v1/embeddings");
  assert.ok(picksOf(embeddings).length > 0);
  const silent = begin(rig, `{"model":"llama","messages":["${LONG}`, 9_999);
  assert.deepEqual(picksOf(silent), [], "it may still turn out to stream");
  embeddings.reset();
  silent.reset();
  rig.process.assertClean();
});

test("a form that ends within its model's part loses no byte", () => {
  const rig = rigOf({ rewrites: TO_BLUE });
  for (const tail of ["pub", "public", "public\r\n--", "public\r\n--B"]) {
    const form = `--B\r\nContent-Disposition: form-data; name="model"\r\n\r\n${tail}`;
    for (const emptyEnd of [true, false]) {
      const stream = rig.send({
        body: [form.slice(0, 60), form.slice(60)],
        emptyEnd,
        headers: [
          [":path", "/v1/audio/transcriptions"],
          ["content-type", "multipart/form-data; boundary=B"],
          ["content-length", String(form.length)],
        ],
      });
      assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
      assert.equal(Buffer.from(stream.upstreamBody).toString(), form);
      stream.finish();
    }
  }
  rig.process.assertClean();
});

test("a compressed form is picked for at its headers", () => {
  const rig = rigOf({ rewrites: TO_BLUE });
  const stream = rig.open({
    body: [],
    headers: [
      [":path", "/v1/audio/transcriptions"],
      ["content-type", "multipart/form-data; boundary=B"],
      ["content-encoding", "gzip"],
    ],
  });
  stream.sendHeaders(false);
  assert.ok(picksOf(stream).length > 0);
  rig.process.assertClean();
});

test("under FailOpen without endpoints a body that would be watched goes on unread", () => {
  const rig = rigOf({ failureMode: "FailOpen", endpoints: [], knownModelsOnly: true });
  const stream = begin(rig, BEGINNING, BEGINNING.length + 2);
  stream.sendBody("]}", true);
  assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
  assert.equal(Buffer.from(stream.upstreamBody).toString(), `${BEGINNING}]}`);
  stream.finish();
  rig.process.assertClean();
});

test("a pool that begins to change bodies while one arrives leaves that one as it is", () => {
  const rig = rigOf({});
  const whole = '{"model":"public","stream":true}';
  const stream = rig.open({ body: [], headers: [["content-length", String(whole.length)]] });
  stream.sendHeaders(false);
  stream.sendBody(whole.slice(0, 20), false);
  rig.push([poolOf({ addUsage: true, rewrites: TO_BLUE })]);
  stream.sendBody(whole.slice(20), true);
  assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
  assert.equal(Buffer.from(stream.upstreamBody).toString(), whole);
  rig.process.assertClean();
});

test("a body that was changed already goes nowhere when its pool is gone", () => {
  const rig = rigOf({ rewrites: TO_BLUE, failureMode: "FailOpen" });
  const stream = rig.open({ body: [], headers: [["content-length", "100"]] });
  stream.sendHeaders(false);
  stream.sendBody('{"model":"public",', false);
  rig.push([poolRow({ name: "default/other", clusters: ["other"] })]);
  stream.sendBody('"a":1}', true);
  assert.equal(stream.localResponse?.status, 503);
  stream.finish();
  rig.process.assertClean();
});

test("the header's model is rewritten like the body's, by its own pool's rules", () => {
  const shared = { readBody: true, byModel: true } as const;
  const any: PoolRow["rewrites"] = [{ model: "", targets: [{ model: "a1", weight: 1 }] }];
  const rig = new Rig(MODULE);
  rig.push(
    [
      poolRow({ ...shared, name: "default/a", rewrites: any }),
      poolRow({
        ...shared,
        name: "default/b",
        clusters: ["cluster-b"],
        models: [{ name: "m2", adapter: false }],
        rewrites: [{ model: "m3", targets: [{ model: "b3", weight: 1 }] }],
      }),
    ],
    EPOCH,
    [{ name: "route", pools: ["default/a", "default/b"] }],
  );
  const sent = (model: string): string => {
    const stream = rig.send({ body: ['{"a":1}'], headers: [["x-gateway-model-name", model]] });
    assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
    return Buffer.from(stream.upstreamBody).toString();
  };
  assert.equal(sent("m2"), '{"a":1}');
  assert.equal(sent("m3"), '{"a":1,"model":"b3"}');
  assert.equal(sent("nobody"), '{"a":1,"model":"a1"}');
  rig.process.assertClean();
});

test("where the model binds, a body that this filter cannot read and a server could is refused", () => {
  const rig = new Rig(MODULE);
  rig.push([{ ...BODY_POOL, bodyWindowBytes: 1_024 }]);
  const wide = rig.send({ body: [Buffer.from('\ufeff{"model":"forbidden"}', "utf16le")] });
  assert.equal(wide.localResponse?.details, "inference_picker_malformed_body");
  const empty = rig.send({ body: ['{"model":""}'] });
  assert.equal(empty.localResponse?.details, "inference_picker_model_missing");
  const first = `{"model":"llama","a":"${LONG}"`;
  const deep = `,"b":${"[".repeat(1_100)}${"]".repeat(1_100)},"model":"forbidden"}`;
  const stream = begin(rig, first, first.length + deep.length);
  assert.ok(picksOf(stream).length > 0);
  stream.sendBody(deep, true);
  assert.equal(stream.localResponse?.details, "inference_picker_malformed_body");
  stream.finish();
  rig.process.assertClean();
});

test("a request whose retry reached an endpoint that no table names any more stays where it was", () => {
  const rig = rigOf({});
  const stream = rig.send({ body: ['{"model":"llama"}'] });
  const [first, second] = picksOf(stream);
  const left = BODY_POOL.endpoints.filter(({ address }) => address !== second);
  rig.push([poolOf({ endpoints: left })]);
  stream.properties = { ...stream.properties, upstream: { address: second! } };
  stream.respond([[":status", "200"]], false);
  stream.finish();
  rig.process.advance(600);
  assert.deepEqual([...rig.inFlight()], [], `${first} has nothing in flight`);
  rig.process.assertClean();
});

test("an endpoint is not asked to compress what will be edited", () => {
  const rig = rigOf({ rewrites: TO_BLUE, restoreModel: true });
  const ask = (model: string): Stream =>
    rig.send({ body: [JSON.stringify({ model })], headers: [["accept-encoding", "gzip"]] });
  assert.equal(ask("public").upstreamHeaders!.get("accept-encoding"), undefined);
  assert.equal(ask("llama").upstreamHeaders!.get("accept-encoding"), "gzip");
  rig.process.assertClean();
});
