import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeTable } from "../../controller/src/table/encode.ts";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { EPOCH, endpointRow, filterModule, POOL_A, picksOf, poolRow, Rig } from "./filter-rig.ts";
import type { Stream } from "./host.ts";

const MODULE = filterModule();
const WINDOW_BYTES = 65_536;
/** Of so many prompts a quarter meets their first endpoint again by chance: with this seed never half. */
const PROMPTS = 40;

/** A pool that goes by who holds most of the prompt, and by nothing else. */
function affinePool(more: Partial<PoolRow> = {}): PoolRow {
  return poolRow({
    profile: "weighted",
    scorers: [{ name: "prefix-affinity", weight: 1 }],
    readBody: true,
    bodyLimitBytes: 1_048_576,
    ...more,
  });
}

type Body = Readonly<Record<string, unknown>>;

/** Requests to an affine pool, one after the other. */
class Traffic {
  readonly rig = new Rig(MODULE);

  #sequence = 0n;

  constructor(pool = affinePool()) {
    this.push(pool);
    // The first request that a prompt's endpoint matters to asks for the memory, a tick makes it.
    this.endpointOf({ model: "m", messages: conversation("nobody", 1) });
    this.rig.process.advance(50);
  }

  /** As controllers send tables: with a secret. */
  push(pool: PoolRow): void {
    const rows = { epoch: EPOCH, sequence: ++this.#sequence, pools: [pool], routes: [], secret: 5n };
    this.rig.connect().push(encodeTable(rows).bytes);
    this.rig.process.settle();
  }

  /** Sends a body in chunks of `chunkBytes`; the request as it stands then. */
  send(body: Body | string, chunkBytes = Number.POSITIVE_INFINITY): Stream {
    const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
    return this.rig.send({ body: chunks });
  }

  /** The best endpoint for a body; the request is over then. */
  endpointOf(body: Body | string, chunkBytes?: number): string {
    const stream = this.send(body, chunkBytes);
    const [best] = picksOf(stream);
    assert.ok(best !== undefined, `refused: ${stream.localResponse?.status ?? "no pick"}`);
    stream.respond([[":status", "200"]], false);
    stream.respondBody('{"usage":{"prompt_tokens":900,"completion_tokens":4,"total_tokens":904}}', true);
    stream.finish();
    return best;
  }

  /** Of PROMPTS bodies, how many go where the body before went that `before` makes of the same number. */
  followers(before: (prompt: number) => Body, after: (prompt: number) => Body): number {
    let count = 0;
    for (let prompt = 0; prompt < PROMPTS; prompt++) {
      const first = this.endpointOf(before(prompt), 30_000);
      if (this.endpointOf(after(prompt), 50_000) === first) count++;
    }
    this.rig.process.assertClean();
    return count;
  }
}

function text(about: string, bytes: number): string {
  return `${about} `.repeat(Math.ceil(bytes / (about.length + 1)));
}

/** Turns of about 2,000 bytes about something. */
function conversation(about: string, turns: number): readonly Body[] {
  return Array.from({ length: turns }, (_, turn) => ({
    role: turn % 2 === 0 ? "user" : "assistant",
    content: text(`${about}, turn ${turn}`, 2000),
  }));
}

const TOOLS = [{ type: "function", function: { name: "search", description: text("search", 3000) } }];
/** Shapes of a conversation's request, as clients send them. */
const SHAPES: Readonly<Record<string, (messages: readonly Body[]) => Body>> = {
  "the model first": (messages) => ({ model: "m", tools: TOOLS, messages, stream: true }),
  "the messages first, tools last": (messages) => ({ messages, model: "m", stream: true, tools: TOOLS }),
  "Anthropic's, messages before the system text": (messages) => ({
    max_tokens: 9,
    messages,
    model: "m",
    system: text("You are", 900),
  }),
};

for (const [name, shape] of Object.entries(SHAPES)) {
  test(`the turns of a conversation stay on one endpoint, beyond the window too: ${name}`, () => {
    const traffic = new Traffic();
    for (let prompt = 0; prompt < 8; prompt++) {
      const home = traffic.endpointOf(shape(conversation(`about ${prompt}`, 1)));
      for (let turns = 3; turns < 60; turns += 8) {
        const chunkBytes = [Number.POSITIVE_INFINITY, 1000, 16_384, 65_536][turns % 4]!;
        const body = shape(conversation(`about ${prompt}`, turns));
        assert.equal(traffic.endpointOf(body, chunkBytes), home, `${turns} turns`);
      }
    }
    traffic.rig.process.assertClean();
  });
}

const short = (prompt: number): readonly Body[] => conversation(`prompt ${prompt}`, 3);
/** Longer than the window and what is hashed. */
const long = (prompt: number): readonly Body[] => conversation(`prompt ${prompt}`, 60);

test("equal prompts attract one another, those of other salts and other models do not", () => {
  const of = (salt?: string, model = "m") => {
    return (prompt: number) => ({
      messages: short(prompt),
      model,
      ...(salt === undefined ? {} : { cache_salt: salt }),
    });
  };
  const followers = (before: (prompt: number) => Body, after: (prompt: number) => Body): number =>
    new Traffic().followers(before, after);
  assert.equal(followers(of(), of()), PROMPTS);
  assert.equal(followers(of("a"), of("a")), PROMPTS);
  assert.ok(followers(of("a"), of("b")) < PROMPTS / 2);
  assert.ok(followers(of("a"), of()) < PROMPTS / 2);
  assert.ok(followers(of(), of("a")) < PROMPTS / 2);
  assert.ok(followers(of(), of(undefined, "other")) < PROMPTS / 2);
  assert.ok(followers(of("x".repeat(400)), of("x".repeat(400))) < PROMPTS / 2, "too long to be told apart");
});

test("a long prompt is noted once its body has ended without a salt, one with a salt behind its release never", () => {
  const plain = (prompt: number): Body => ({ model: "m", messages: long(prompt), temperature: 0.5 });
  const salted = (prompt: number): Body => ({ model: "m", messages: long(prompt), cache_salt: "secret" });
  assert.equal(new Traffic().followers(plain, plain), PROMPTS);
  assert.ok(new Traffic().followers(salted, plain) < PROMPTS / 2);
  // A salt that comes before the window's end is known in time.
  const early = (prompt: number): Body => ({ model: "m", cache_salt: "secret", messages: long(prompt) });
  assert.equal(new Traffic().followers(early, early), PROMPTS);
  assert.ok(new Traffic().followers(early, plain) < PROMPTS / 2);
});

test("a body that goes wrong behind its release goes on, and its prompt is not noted", () => {
  const traffic = new Traffic();
  const messages = JSON.stringify(long(1));
  const twice = `{"model":"m","messages":${messages},"model":"other"}`;
  const broken = `{"model":"m","messages":${messages},]`;
  for (const body of [twice, broken]) {
    const stream = traffic.send(body, 40_000);
    assert.equal(picksOf(stream).length, 3);
    assert.equal(stream.localResponse, undefined);
    stream.finish();
  }
  traffic.rig.process.assertClean();
  const bad = (prompt: number): Body => ({ model: "m", messages: long(prompt), text: "\u0000", n: 1 });
  assert.equal(new Traffic().followers(bad, bad), PROMPTS, "what is odd and valid is noted");
});

test("a client that leaves before its body's end leaves no prompt behind", () => {
  const traffic = new Traffic();
  let same = 0;
  for (let prompt = 0; prompt < PROMPTS; prompt++) {
    const bytes = Buffer.from(JSON.stringify({ model: "m", messages: long(prompt) }));
    const stream = traffic.rig.open({ body: [bytes] });
    stream.sendHeaders(false);
    stream.sendBody(bytes.subarray(0, WINDOW_BYTES + 10_000), false);
    const [first] = picksOf(stream);
    stream.reset();
    if (traffic.endpointOf({ model: "m", messages: long(prompt) }) === first) same++;
  }
  assert.ok(same < PROMPTS / 2, `${same}`);
  traffic.rig.process.assertClean();
});

test("a new table keeps what is known, a restart of the endpoints ends it", () => {
  const traffic = new Traffic();
  const body = (prompt: number): Body => ({ messages: short(prompt), model: "m" });
  const homes = Array.from({ length: PROMPTS }, (_, prompt) => traffic.endpointOf(body(prompt)));
  const same = (): number => homes.filter((home, prompt) => traffic.endpointOf(body(prompt)) === home).length;
  const push = (lifeEpoch: number): void => {
    traffic.push(affinePool({ endpoints: POOL_A.map((address) => endpointRow(address, { lifeEpoch })) }));
  };
  push(1);
  assert.equal(same(), PROMPTS);
  push(2_000);
  assert.ok(same() < PROMPTS / 2);
});

test("a body at the limit goes on though it does not say whether it streams, where usage would be asked for", () => {
  const pool = affinePool({ addUsage: true, bodyLimitBytes: 100_000, bodyWindowBytes: 1000 });
  const traffic = new Traffic(pool);
  const stream = traffic.send({ model: "m", messages: long(1) }, 30_000);
  assert.equal(picksOf(stream).length, 3);
  stream.finish();
  traffic.rig.process.assertClean();
});

test("where the profile does not ask for it no memory is spent on prompts", () => {
  const pages = (pool: PoolRow): number => {
    const traffic = new Traffic(pool);
    for (let prompt = 0; prompt < 5; prompt++) traffic.endpointOf({ messages: short(prompt), model: "m" });
    traffic.rig.process.advance(100);
    return Math.max(...traffic.rig.process.liveVms().map((vm) => vm.memory.bytes));
  };
  const without = pages(affinePool({ profile: "least-request", scorers: [] }));
  assert.ok(without < 4_000_000, `${without} bytes`);
  assert.ok(pages(affinePool()) > without);
});
