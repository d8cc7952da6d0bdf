import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { BODY_POOL, EPOCH, filterModule, picksOf, poolRow, Rig } from "./filter-rig.ts";
import { SeededRandom, type Stream } from "./host.ts";

const MODULE = filterModule();

const REWRITES: PoolRow["rewrites"] = [
  {
    model: "public",
    targets: [
      { model: "blue", weight: 30 },
      { model: 'gr"een', weight: 70 },
    ],
  },
];

function rigOf(more: Partial<PoolRow> = {}): Rig {
  const rig = new Rig(MODULE);
  rig.push([{ ...BODY_POOL, requireModel: false, knownModelsOnly: false, rewrites: REWRITES, ...more }]);
  return rig;
}

function send(rig: Rig, body: string, more: readonly (readonly [string, string])[] = [], pieces = 1): Stream {
  const bytes = Buffer.from(body);
  const size = Math.ceil(bytes.length / pieces);
  return rig.send({
    body: Array.from({ length: pieces }, (_, piece) => bytes.subarray(piece * size, (piece + 1) * size)),
    headers: [["content-length", String(bytes.length)], ...more],
  });
}

function upstream(stream: Stream): string {
  assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
  return Buffer.from(stream.upstreamBody).toString();
}

function property(stream: Stream, name: string): string | undefined {
  const value = stream.filterState.get(`wasm.${name}`);
  return value === undefined ? undefined : Buffer.from(value).toString();
}

test("only the model's bytes change, content-length with them, and targets are drawn by weight", () => {
  const rig = rigOf();
  const seen = new Map<string, number>();
  const rounds = 2000;
  for (let round = 0; round < rounds; round++) {
    const [head, tail] = ['{"n":12345678901234567890,"model" : ', ',"é":"\\ud83d\\ude00","model2":"public"}'];
    const stream = send(rig, `${head}"pu\\u0062lic"${tail}`, [], 1 + (round % 5));
    const body = upstream(stream);
    assert.ok(body.startsWith(head) && body.endsWith(tail), body);
    const target = JSON.parse(body.slice(head.length, body.length - tail.length)) as string;
    seen.set(target, (seen.get(target) ?? 0) + 1);
    assert.equal(stream.upstreamHeaders!.get("content-length"), String(Buffer.byteLength(body)));
    assert.equal(property(stream, "model"), "public");
    assert.equal(property(stream, "target"), target);
    stream.finish();
  }
  assert.deepEqual([...seen.keys()].sort(), ["blue", 'gr"een']);
  const sigma = Math.sqrt(rounds * 0.3 * 0.7);
  assert.ok(Math.abs(seen.get("blue")! - rounds * 0.3) < 4.5 * sigma, `${seen.get("blue")} of ${rounds}`);
  rig.process.assertClean();
});

test("a body without a rule's model goes on untouched", () => {
  const rig = rigOf();
  for (const body of ['{"model":"llama"}', '{"messages":[]}', "{}"]) {
    const stream = send(rig, body);
    assert.equal(upstream(stream), body);
    assert.equal(property(stream, "target"), undefined);
  }
  rig.process.assertClean();
});

test("the rule for any model also takes what names none", () => {
  const rig = rigOf({ rewrites: [{ model: "", targets: [{ model: "base", weight: 1 }] }] });
  assert.equal(upstream(send(rig, '{"a":1}')), '{"a":1,"model":"base"}');
  assert.equal(upstream(send(rig, " { } ")), ' { "model":"base"} ');
  assert.equal(upstream(send(rig, '{"model":null}')), '{"model":null,"model":"base"}');
  assert.equal(upstream(send(rig, '{"model":"base"}')), '{"model":"base"}');
  rig.process.assertClean();
});

test("a header forces one of the pool's targets, and no other name", () => {
  const rig = rigOf();
  for (let round = 0; round < 20; round++) {
    const stream = send(rig, '{"model":"public"}', [["x-gateway-model-name-rewrite", "blue"]]);
    assert.equal(upstream(stream), '{"model":"blue"}');
  }
  const stream = send(rig, '{"model":"public"}', [["x-gateway-model-name-rewrite", "stolen"]]);
  assert.ok(!upstream(stream).includes("stolen"));
  rig.process.assertClean();
});

test("a form's model is replaced in place", () => {
  const rig = rigOf({ rewrites: [{ model: "public", targets: [{ model: "blue", weight: 1 }] }] });
  const form = ["--B", 'Content-Disposition: form-data; name="model"', "", "public", "--B--", ""].join(
    "\r\n",
  );
  const stream = send(rig, form, [
    [":path", "/v1/audio/transcriptions"],
    ["content-type", "multipart/form-data; boundary=B"],
  ]);
  assert.equal(upstream(stream), form.replace("public", "blue"));
  rig.process.assertClean();
});

test("a long body is released at the window with its model replaced, and a second model ends it", () => {
  const rig = rigOf({ bodyWindowBytes: 1000 });
  const start = `{"model":"public","a":"${"x".repeat(1500)}`;
  for (const tail of ['"}', '","model":"llama"}']) {
    const stream = rig.open({ body: [], headers: [["x-gateway-model-name-rewrite", "blue"]] });
    stream.sendHeaders(false);
    stream.sendBody(start, false);
    assert.ok(picksOf(stream).length > 0);
    stream.sendBody(tail, true);
    if (tail === '"}') assert.equal(upstream(stream), start.replace("public", "blue") + tail);
    else assert.equal(stream.localResponse?.details, "inference_picker_model_repeated");
    stream.finish();
  }
  rig.process.assertClean();
});

test("a body that is held to be changed has the same exact limit, and our own answer beyond it", () => {
  const limit = 5000;
  const rig = rigOf({ bodyLimitBytes: limit, bodyWindowBytes: 1024 });
  for (const bytes of [limit, limit + 2]) {
    const body = `{"a":"${"x".repeat(bytes - '{"a":"","model":"public"}'.length)}","model":"public"}`;
    assert.equal(body.length, bytes);
    const stream = send(rig, body, [], 7);
    if (bytes === limit) assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
    else assert.equal(stream.localResponse?.details, "inference_picker_body_too_large");
    stream.finish();
  }
  rig.process.assertClean();
});

test("usage is asked for in the place of a client that has no stream options", () => {
  const rig = rigOf({ rewrites: [], addUsage: true });
  const added = '"stream_options":{"include_usage":true}';
  const cases: readonly (readonly [string, string])[] = [
    ['{"stream":true}', `{"stream":true,${added}}`],
    ['{"stream":true,"stream_options":null}', `{"stream":true,"stream_options":null,${added}}`],
    ['{"stream":true,"stream_options":{"x":1}}', '{"stream":true,"stream_options":{"x":1}}'],
    ['{"stream":false}', '{"stream":false}'],
    [`{"stream":true,${added}}`, `{"stream":true,${added}}`],
    ["{}", "{}"],
  ];
  for (const [body, expected] of cases) assert.equal(upstream(send(rig, body)), expected);
  rig.process.assertClean();
});

test("the answer bears the client's model name again, and no usage that it did not ask for", () => {
  const rig = rigOf({
    rewrites: [{ model: "public", targets: [{ model: "blue", weight: 1 }] }],
    restoreModel: true,
    addUsage: true,
  });
  const seed = 20_261_126;
  const random = new SeededRandom(seed);
  const events = [
    'data: {"id":"1","model":"blue","choices":[{"delta":{"content":"\\"model\\":\\"blue\\""}}]}\n\n',
    'data: {"id":"1","model":"blue","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n',
    "data: [DONE]\n\n",
  ];
  const expected = events[0]!.replace('"model":"blue"', '"model":"public"') + events[2]!;
  for (let round = 0; round < 100; round++) {
    const stream = send(rig, '{"model":"public","stream":true}');
    stream.respond(
      [
        [":status", "200"],
        ["content-length", "999"],
      ],
      false,
    );
    const bytes = Buffer.from(events.join(""));
    let at = 0;
    while (at < bytes.length) {
      const size = 1 + random.below(40);
      stream.respondBody(bytes.subarray(at, at + size), false);
      at += size;
    }
    stream.respondBody("", true);
    assert.equal(Buffer.from(stream.downstreamBody).toString(), expected, `seed ${seed} round ${round}`);
    assert.equal(stream.responseHeaders!.get("content-length"), undefined);
    assert.equal(property(stream, "prompt_tokens"), "7");
    stream.finish();
  }
  rig.process.assertClean();
});

test("on a shared route the model chooses the pool, whose headers choose the route", () => {
  const rig = new Rig(MODULE);
  const shared = { readBody: true, byModel: true } as const;
  const pools = [
    poolRow({ ...shared, name: "default/a", models: [{ name: "one", adapter: false }] }),
    poolRow({
      ...shared,
      name: "default/b",
      clusters: ["cluster-b"],
      endpoints: BODY_POOL.endpoints.slice(0, 1),
      models: [{ name: "two", adapter: false }],
      rewrites: [{ model: "three", targets: [{ model: "two", weight: 1 }] }],
    }),
  ];
  rig.push(pools, EPOCH, [{ name: "route", pools: ["default/a", "default/b"] }]);
  const chosen = (model: string): readonly (string | undefined)[] => {
    const stream = send(rig, JSON.stringify({ model }));
    const { upstreamHeaders } = stream;
    return [
      upstreamHeaders!.get("x-inference-picker-pool"),
      upstreamHeaders!.get("x-gateway-model-name"),
      upstream(stream),
    ];
  };
  assert.deepEqual(chosen("one"), [undefined, "one", '{"model":"one"}']);
  assert.deepEqual(chosen("two"), ["default/b", "two", '{"model":"two"}']);
  assert.deepEqual(chosen("nobody"), [undefined, "nobody", '{"model":"nobody"}']);
  for (const model of ["a\r\nx: y", "\u0000", "\u007f", ""]) {
    const [, name] = chosen(model);
    assert.equal(name, undefined, "what is no header value becomes no header");
  }
  rig.process.assertClean();
});

test("the list of models of a shared route is that of all its pools", () => {
  const rig = new Rig(MODULE);
  const shared = { readBody: true, byModel: true } as const;
  rig.push(
    [
      poolRow({ ...shared, name: "default/a", models: [{ name: "one", adapter: false }] }),
      poolRow({
        ...shared,
        name: "default/b",
        clusters: ["cluster-b"],
        models: [
          { name: "one", adapter: false },
          { name: "org/two", adapter: true },
        ],
      }),
    ],
    EPOCH,
    [{ name: "route", pools: ["default/a", "default/b"] }],
  );
  const list = rig.send({ headers: [[":path", "/v1/models?x=1"]] });
  assert.equal(list.localResponse?.status, 200);
  const { data } = JSON.parse(list.localResponse!.body) as { data: { id: string; owned_by: string }[] };
  assert.deepEqual(
    data.map(({ id, owned_by }) => [id, owned_by]),
    [
      ["one", "default/a"],
      ["org/two", "default/b"],
    ],
  );
  const one = rig.send({ headers: [[":path", "/v1/models/org%2Ftwo"]] });
  assert.equal((JSON.parse(one.localResponse!.body) as { id: string }).id, "org/two");
  assert.equal(rig.send({ headers: [[":path", "/v1/models/none"]] }).localResponse?.status, 404);
  assert.equal(rig.send({ headers: [[":path", "/v1/modelsx"]] }).localResponse, undefined);
  for (const broken of ["%FF", "%zz", "%", "%2", "a%00b", "x".repeat(5000)]) {
    const stream = rig.send({ headers: [[":path", `/v1/models/${broken}`]] });
    assert.equal(stream.localResponse?.status, 404, broken);
    stream.finish();
  }
  assert.equal(
    rig.send({ method: "DELETE", headers: [[":path", "/v1/models/one"]] }).localResponse,
    undefined,
  );
  rig.process.assertClean();
});
