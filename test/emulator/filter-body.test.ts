import assert from "node:assert/strict";
import { test } from "node:test";
import { BODY_POOL, filterModule, PICK_HEADER, POOL_A, picksOf, poolRow, Rig } from "./filter-rig.ts";
import { SeededRandom, type Stream } from "./host.ts";

const MODULE = filterModule();

function bodyRig(more: Parameters<typeof poolRow>[0] = {}): Rig {
  const rig = new Rig(MODULE);
  rig.push([{ ...BODY_POOL, ...more }]);
  return rig;
}

function assertPicked(stream: Stream): void {
  assert.equal(stream.localResponse, undefined, JSON.stringify(stream.localResponse));
  const picks = picksOf(stream);
  assert.ok(picks.length > 0);
  for (const pick of picks) assert.ok(POOL_A.includes(pick));
}

function assertAnswered(stream: Stream, status: number, reason: string): void {
  assert.equal(stream.localResponse?.status, status, JSON.stringify(stream.localResponse));
  assert.equal(stream.localResponse!.details, `inference_picker_${reason}`);
  const error = JSON.parse(stream.localResponse!.body) as { error: { message: string; type: string } };
  assert.equal(typeof error.error.message, "string");
  assert.equal(stream.upstreamHeaders, undefined, "nothing went upstream");
}

/** Text cut at random places; empty pieces included. */
function cut(bytes: Uint8Array, random: SeededRandom): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(8) === 0 ? 0 : 1 + random.below(Math.min(bytes.length, 200));
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const CHAT = JSON.stringify({
  messages: [
    { role: "system", content: 'quotes \\" and {"model": "decoy"} \u00e4\u20ac\u{1f600}' },
    { role: "user", content: "x".repeat(3_000) },
  ],
  nested: { model: "decoy", deeper: [{ model: "decoy" }] },
  model: "llama",
  stream: true,
});

test("the body goes upstream byte for byte, whatever its chunks", () => {
  const seed = 20_260_101;
  const random = new SeededRandom(seed);
  const rig = bodyRig();
  const bytes = Buffer.from(CHAT);
  for (let round = 0; round < 100; round++) {
    const emptyEnd = round % 2 === 0;
    const stream = rig.send({
      body: cut(bytes, random),
      emptyEnd,
      headers: [["content-length", String(bytes.length)]],
    });
    assertPicked(stream);
    assert.deepEqual(Buffer.from(stream.upstreamBody), bytes, `seed ${seed} round ${round}`);
    stream.finish();
  }
  rig.process.assertClean();
});

test("a body that comes a byte at a time is picked for like any other", () => {
  const rig = bodyRig();
  const bytes = Buffer.from(CHAT);
  const stream = rig.send({ body: Array.from(bytes, (byte) => Uint8Array.of(byte)) });
  assertPicked(stream);
  assert.deepEqual(Buffer.from(stream.upstreamBody), bytes);
  assert.ok(stream.calls.bytesReturned <= bytes.length + 64, "each byte is fetched once");
  rig.process.assertClean();
});

test("the request waits for its model, and no longer than the window after it", () => {
  const rig = bodyRig({ bodyWindowBytes: 1000 });
  const stream = rig.open({ body: [] });
  stream.sendHeaders(false);
  stream.sendBody('{"model":"llama","messages":[{"content":"', false);
  assert.equal(stream.upstreamHeaders, undefined, "below the window the whole of it is waited for");
  stream.sendBody("x".repeat(1000), false);
  assertPicked(stream);
  stream.sendBody("y".repeat(5000), false);
  stream.sendBody('"}]}', true);
  assert.equal(stream.upstreamBody.length, 41 + 1000 + 5000 + 4);
  stream.finish();
  rig.process.assertClean();
});

test("of what lies behind the window nothing is fetched, however the body is cut", () => {
  const filler = "x".repeat(300_000);
  const body = `{"model":"llama","messages":[{"role":"user","content":"${filler}"}]}`;
  const free = bodyRig({ knownModelsOnly: false, requireModel: false });
  const ruled = bodyRig();
  for (const first of [body.length, 1000, 65_000, 65_536, 65_537, 100_000]) {
    for (const [rig, least, most] of [
      [free, 65_536, 65_536 + 64],
      // Where the model is a rule, a second one must not slip by.
      [ruled, body.length, body.length + 64],
    ] as const) {
      const stream = rig.send({
        body: [body.slice(0, first), body.slice(first)].filter((chunk) => chunk !== ""),
      });
      assertPicked(stream);
      assert.equal(Buffer.from(stream.upstreamBody).toString(), body);
      const { bytesReturned } = stream.calls;
      assert.ok(bytesReturned >= least && bytesReturned <= most, `cut at ${first}: ${bytesReturned} bytes`);
      stream.finish();
      rig.process.assertClean();
    }
  }
});

test("GET, HEAD and an empty POST are picked for by their headers", () => {
  const rig = bodyRig();
  for (const method of ["GET", "HEAD", "POST"]) assertPicked(rig.send({ method }));
  rig.process.assertClean();
});

test("an empty body that ends in a call of its own is picked for like an empty POST", () => {
  const rig = bodyRig();
  assertPicked(rig.send({ body: [] }));
  rig.process.assertClean();
});

test("where the model is a rule, a second one behind the window ends the request", () => {
  const padding = "x".repeat(3000);
  const open = (rig: Rig) => {
    const stream = rig.open({ body: [] });
    stream.sendHeaders(false);
    stream.sendBody(`{"model":"llama","messages":"${padding}`, false);
    assertPicked(stream);
    return stream;
  };
  const ruled = bodyRig({ bodyWindowBytes: 1024 });
  const twice = open(ruled);
  twice.sendBody('","model":"unheard-of"}', true);
  assert.equal(twice.localResponse?.details, "inference_picker_model_repeated");
  const once = open(ruled);
  once.sendBody('","stream":true}', true);
  assert.equal(once.localResponse, undefined);
  ruled.process.assertClean();
  const free = bodyRig({ bodyWindowBytes: 1024, knownModelsOnly: false });
  const ignored = open(free);
  ignored.sendBody('","model":"unheard-of"}', true);
  assert.equal(ignored.localResponse, undefined);
  free.process.assertClean();
});

test("malformed bodies are answered 400", () => {
  const rig = bodyRig();
  for (const body of [
    '{"model":"llama"',
    '{"model" "llama"}',
    '{"model":"llama"}x',
    '{"model":"llama",]',
    "{]",
  ]) {
    assertAnswered(rig.send({ body: [body] }), 400, "malformed_body");
    assertAnswered(rig.send({ body: [...body], emptyEnd: true }), 400, "malformed_body");
  }
  assertAnswered(rig.send({ body: ["[1,2]"] }), 400, "malformed_body");
  rig.process.assertClean();
});

test("a missing or null model is 400, one that is no string 400, an unknown one 404", () => {
  const rig = bodyRig();
  assertAnswered(rig.send({ body: ['{"messages":[]}'] }), 400, "model_missing");
  assertAnswered(rig.send({ body: ['{"model":7}'] }), 400, "model_invalid");
  assertAnswered(rig.send({ body: ['{"model":null}'] }), 400, "model_missing");
  const unknown = rig.send({ body: ['{"model":"gpt\\"<\\u0007>"}'] });
  assertAnswered(unknown, 404, "model_unknown");
  assertAnswered(rig.send({ body: [`{"model":"${"x".repeat(2000)}"}`] }), 400, "model_invalid");
  assertPicked(rig.send({ body: ['{"model":"tuned"}'] }));
  assertPicked(rig.send({ body: ['{"model":"gpt","model":"llama"}'] }));
  rig.process.assertClean();
});

test("a body whose model does not come within the limit is answered 413 once its client has sent it", () => {
  const rig = bodyRig({ bodyLimitBytes: 10_000, bodyWindowBytes: 5_000 });
  const filler = "x".repeat(1000);
  const chunks = ['{"messages":"', ...Array.from({ length: 20 }, () => filler), '","model":"llama"}'];
  assertAnswered(rig.send({ body: chunks }), 413, "body_too_large");
  assertPicked(rig.send({ body: ['{"model":"llama","messages":"', ...chunks.slice(1, -1), '"}'] }));
  const endless = rig.open({ body: [] });
  endless.sendHeaders(false);
  endless.sendBody('{"messages":"', false);
  let sent = 0;
  for (; endless.localResponse === undefined && sent < 1000; sent++) endless.sendBody(filler, false);
  assertAnswered(endless, 413, "body_too_large");
  assert.ok(sent <= 41, `answered after ${sent} KB`);
  rig.process.assertClean();
});

test("the limit is exact, whatever the chunks", () => {
  const rig = bodyRig({ bodyLimitBytes: 10_000, bodyWindowBytes: 5_000 });
  const body = (bytes: number): string => {
    const [head, tail] = ['{"messages":"', '","model":"llama"}'];
    return head + "x".repeat(bytes - head.length - tail.length) + tail;
  };
  for (const cut of [1, 999, 10_000, 20_000]) {
    const chunks = (bytes: number) => body(bytes).match(new RegExp(`.{1,${cut}}`, "g")) ?? [];
    assertPicked(rig.send({ body: chunks(10_000) }));
    // The model's last quote is the limit's last byte, and one too late.
    assertPicked(rig.send({ body: chunks(10_001) }));
    assertAnswered(rig.send({ body: chunks(10_002) }), 413, "body_too_large");
  }
  rig.process.assertClean();
});

test("a compressed body and one that is not JSON are picked for without a model", () => {
  const rig = bodyRig();
  assertPicked(rig.send({ body: ["\x1f\x8b\b"], headers: [["content-encoding", "gzip"]] }));
  assertAnswered(
    rig.send({ body: ["{broken"], headers: [["content-encoding", "identity"]] }),
    400,
    "malformed_body",
  );
  // A false encoding does not get a plain body past the pool's rules.
  assertAnswered(
    rig.send({ body: ['{"model":"unheard-of"}'], headers: [["content-encoding", "gzip"]] }),
    404,
    "model_unknown",
  );
  for (const chunks of [["\r\n--x\r\n"], ["\r\n", "--x\r\n"]]) {
    const split = rig.open({
      method: "POST",
      headers: [["content-type", "multipart/form-data; boundary=x"]],
    });
    split.sendHeaders(false);
    chunks.forEach((chunk, index) => {
      split.sendBody(chunk, index === chunks.length - 1);
    });
    assertPicked(split);
  }
  const form = rig.open({ method: "POST", headers: [["content-type", "multipart/form-data; boundary=x"]] });
  form.sendHeaders(false);
  form.sendBody('--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n--x--', true);
  assertPicked(form);
  rig.process.assertClean();
});

for (const pick of ["header", "property"]) {
  test(`a body that ends in trailers is picked for, and its client's own pick never gets through, by ${pick}`, () => {
    for (const [sent, isWhole] of [
      ['{"model":"llama"}', true],
      ['{"messages":[', false],
    ] as const) {
      const rig = new Rig(MODULE, { configuration: { pick } });
      rig.push([BODY_POOL]);
      const stream = rig.open({ body: [], headers: [[PICK_HEADER, "192.0.2.1:1"]] });
      stream.sendHeaders(false);
      stream.sendBody(sent, false);
      stream.sendTrailers([["x-checksum", "1"]]);
      if (isWhole) assertPicked(stream);
      else assertAnswered(stream, 400, "malformed_body");
      rig.process.assertClean();
    }
  });
}

test("a client that leaves in the middle of its body leaves nothing behind", () => {
  const rig = bodyRig();
  for (let i = 0; i < 300; i++) {
    const stream = rig.open({ body: [] });
    stream.sendHeaders(false);
    if (i % 3 > 0) stream.sendBody('{"model":"llama","messages":[', false);
    if (i % 3 > 1) stream.sendBody("]}", true);
    stream.reset();
  }
  rig.process.advance(1200);
  assert.deepEqual(rig.inFlight(), new Map());
  rig.process.assertClean();
});

test("a table that changes under a waiting body is the one that is picked from", () => {
  const rig = bodyRig();
  const stream = rig.open({ body: [] });
  stream.sendHeaders(false);
  stream.sendBody('{"model":"llama"', false);
  rig.push([
    poolRow({ name: "default/z", clusters: ["cluster-z"], endpoints: [] }),
    { ...BODY_POOL, endpoints: BODY_POOL.endpoints.slice(0, 1) },
  ]);
  stream.sendBody("}", true);
  assert.deepEqual(picksOf(stream), [POOL_A[0]]);

  const clusterMetadata = { pool: BODY_POOL.name, failureMode: "FailClose" };
  const orphan = rig.open({ body: [], clusterMetadata, headers: [[PICK_HEADER, "192.0.2.1:1"]] });
  orphan.sendHeaders(false);
  orphan.sendBody('{"model":"llama"', false);
  rig.push([]);
  orphan.sendBody("}", true);
  assertAnswered(orphan, 503, "no_table");
  rig.process.assertClean();
});

test("ten thousand broken bodies never trap, and are answered or picked for", () => {
  const seed = 7;
  const random = new SeededRandom(seed);
  const rig = bodyRig();
  const original = Buffer.from(CHAT).subarray(0, 400);
  for (let round = 0; round < 10_000; round++) {
    const bytes = Buffer.from(original);
    for (let edits = 1 + random.below(4); edits > 0; edits--)
      bytes[random.below(bytes.length)] = random.below(256);
    const stream = rig.send({
      body: cut(bytes.subarray(0, random.below(bytes.length + 1)), random),
      emptyEnd: true,
    });
    const status = stream.localResponse?.status;
    assert.ok(
      status === undefined || status === 400 || status === 404,
      `seed ${seed} round ${round}: ${status}`,
    );
    if (status === undefined) assertPicked(stream);
    stream.finish();
  }
  rig.process.assertClean();
});
