import assert from "node:assert/strict";
import { test } from "node:test";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import { BODY_POOL, filterModule, picksOf, Rig } from "./filter-rig.ts";
import type { Stream } from "./host.ts";

const MODULE = filterModule();
const CHAT = `{"model":"llama","stream":true,"messages":[{"role":"user","content":"${"word ".repeat(200)}"}]}`;
const USAGE =
  '"usage":{"prompt_tokens":251,"completion_tokens":2,"total_tokens":253,"prompt_tokens_details":{"cached_tokens":64}}';
const EVENTS = [
  'data: {"choices":[{"delta":{"role":"assistant","content":"a"}}]}\n\n',
  'data: {"choices":[{"delta":{"content":"b"}}]}\n\n',
  `data: {"choices":[],${USAGE}}\n\ndata: [DONE]\n\n`,
];

function rigOf(): Rig {
  const rig = new Rig(MODULE);
  rig.push([BODY_POOL]);
  return rig;
}

function property(stream: Stream, name: string): string | undefined {
  const value = stream.filterState.get(`wasm.${name}`);
  return value === undefined ? undefined : Buffer.from(value).toString();
}

function served(stream: Stream, address: string): void {
  stream.properties = { ...stream.properties, upstream: { address } };
}

/** Requests and uncached tokens in flight to the address, as reported. */
function inFlight(rig: Rig, address: string): readonly [number, number] {
  rig.process.advance(600);
  const tally = rig.report().endpoints.find(({ id }) => id === fnv1a64(address));
  return [tally?.requests ?? 0, tally?.uncachedTokens ?? 0];
}

test("first token, usage and cached tokens are there for the access log, whatever the cuts", () => {
  const rig = rigOf();
  for (const cut of [1, 7, 64, 10_000]) {
    const stream = rig.send({ body: [CHAT] });
    rig.process.advance(120);
    stream.respond([[":status", "200"]], false);
    const bytes = Buffer.from(EVENTS.join(""));
    for (let at = 0; at < bytes.length; at += cut) stream.respondBody(bytes.subarray(at, at + cut), false);
    stream.respondBody("", true);
    assert.equal(property(stream, "prompt_tokens"), "251");
    assert.equal(property(stream, "completion_tokens"), "2");
    assert.equal(property(stream, "cached_tokens"), "64");
    assert.equal(property(stream, "ttft_ms"), "120");
    assert.match(property(stream, "reason")!, /^least-request:/);
    assert.equal(Buffer.from(stream.downstreamBody).toString(), EVENTS.join(""));
    stream.finish();
  }
  rig.process.assertClean();
});

test("an answer in JSON has usage and no first token", () => {
  const rig = rigOf();
  const stream = rig.send({ body: [CHAT] });
  stream.respond([[":status", "200"]], false);
  stream.respondBody(`{"id":"1","choices":[{"message":{"content":"ab"}}],${USAGE}}`, true);
  assert.equal(property(stream, "completion_tokens"), "2");
  assert.equal(property(stream, "ttft_ms"), undefined);
  stream.finish();
  rig.process.assertClean();
});

test("the prompt counts as computed once the first bytes of the answer are here", () => {
  const rig = rigOf();
  const stream = rig.send({ body: [CHAT] });
  const [pick] = picksOf(stream);
  served(stream, pick!);
  const waiting = inFlight(rig, pick!);
  assert.equal(waiting[0], 1);
  assert.ok(waiting[1] > 200);
  stream.respond([[":status", "200"]], false);
  assert.deepEqual(inFlight(rig, pick!), waiting);
  stream.respondBody(EVENTS[0]!, false);
  assert.deepEqual(inFlight(rig, pick!), [1, 0]);
  stream.finish();
  assert.deepEqual(inFlight(rig, pick!), [0, 0]);
  rig.process.assertClean();
});

test("a request that a retry took elsewhere is in flight where it was served", () => {
  const rig = rigOf();
  const stream = rig.send({ body: [CHAT] });
  const [first, second] = picksOf(stream);
  assert.equal(inFlight(rig, first!)[0], 1);
  served(stream, second!);
  stream.respond([[":status", "200"]], false);
  assert.deepEqual(inFlight(rig, first!), [0, 0]);
  assert.equal(inFlight(rig, second!)[0], 1);
  stream.respondBody(EVENTS.join(""), true);
  stream.finish();
  assert.deepEqual(inFlight(rig, second!), [0, 0]);
  const picks = new Map(rig.report().endpoints.map(({ id, picks }) => [id, picks]));
  assert.equal(picks.get(fnv1a64(first!)), 1n, "the pick itself stays where it was made");
  rig.process.assertClean();
});

test("an endpoint that nobody picked takes over no account", () => {
  const rig = rigOf();
  const stream = rig.send({ body: [CHAT] });
  const [first] = picksOf(stream);
  served(stream, "192.0.2.1:9");
  stream.respond([[":status", "200"]], false);
  assert.equal(inFlight(rig, first!)[0], 1);
  stream.finish();
  assert.equal(inFlight(rig, first!)[0], 0);
  rig.process.assertClean();
});

test("answers cut off at any point leave nothing in flight", () => {
  const rig = rigOf();
  const answer = Buffer.from(EVENTS.join(""));
  for (let cut = 0; cut <= answer.length; cut += 17) {
    const stream = rig.send({ body: [CHAT] });
    stream.respond([[":status", "200"]], false);
    stream.respondBody(answer.subarray(0, cut), false);
    stream.reset();
  }
  const unanswered = rig.send({ body: [CHAT] });
  unanswered.reset();
  rig.process.advance(600);
  assert.deepEqual([...rig.inFlight()], []);
  rig.process.assertClean();
});

test("answers that are no answers of an API go through unread", () => {
  const rig = rigOf();
  const stream = rig.send({ headers: [[":path", "/health"]] });
  stream.respond([[":status", "200"]], false);
  stream.respondBody("x".repeat(100_000), true);
  assert.equal(stream.calls.bytesReturned < 100, true, "its bytes are not fetched");
  stream.finish();
  rig.process.assertClean();
});
