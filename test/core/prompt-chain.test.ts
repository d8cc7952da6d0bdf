import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import fc from "fast-check";
import OpenAI from "openai";
import { SCAN_COMPLETE } from "../../assembly/core/body/scan_codes.ts";
import { bodyTree } from "./body-tree.ts";
import { Core } from "./core.ts";
import { PrefixCore } from "./prefix.ts";
import { singleBytes } from "./scanner.ts";

const BLOCK_BYTES = 512;
/** PROMPT_BLOCKS of `assembly/core/body/prompt_chain.ts`. */
const PROMPT_BLOCKS = 128;
const NO_LIMIT = 2 ** 32 - 1;
const SEED = Number(process.env.FUZZ_SEED ?? 20261127);
const RUNS = { seed: SEED, numRuns: 150 };

const core = new Core();
const hasher = new PrefixCore();
const { exports } = core;

/** The prompt's hashes of a body in the given pieces, `finish` whether it ends there. */
function chainOfPieces(pieces: readonly Uint8Array[], limit = NO_LIMIT, finish = true): readonly bigint[] {
  exports.scanHashesPrompts(1);
  exports.scanReset();
  for (const piece of pieces) exports.scanFeed(core.put(piece), piece.length);
  if (finish) assert.equal(exports.scanFinish(), SCAN_COMPLETE);
  const count = exports.scanPromptBlocks(limit);
  exports.scanHashesPrompts(0);
  const ptr = exports.scanPromptHashes();
  return [...new BigUint64Array(exports.memory.buffer.slice(ptr, ptr + count * 8))];
}

function chainOf(body: unknown, limit = NO_LIMIT): readonly bigint[] {
  return chainOfPieces([Buffer.from(typeof body === "string" ? body : JSON.stringify(body))], limit);
}

/** Blocks that two chains have in common from the beginning. */
function common(left: readonly bigint[], right: readonly bigint[]): number {
  const end = left.findIndex((hash, block) => hash !== right[block]);
  return end < 0 ? left.length : end;
}

/** Blocks of a value that stay when something is appended to the array that it is. */
function keptBlocks(value: unknown): number {
  return Math.floor((Buffer.byteLength(JSON.stringify(value)) - 1) / BLOCK_BYTES);
}

const text = (bytes: number, about: string): string => `${about} `.repeat(Math.ceil(bytes / about.length));
const message = (role: string, content: string): { role: string; content: string } => ({ role, content });
const TOOLS = [{ type: "function", function: { name: "search", description: text(3000, "search") } }];
const TURNS = Array.from({ length: 6 }, (_, turn) => [
  message("user", text(700 + turn * 300, `question ${turn}`)),
  message("assistant", text(900, `answer ${turn}`)),
]).flat();

test("one source is hashed as its raw bytes, from its first to its last", () => {
  const sources = ["messages", "input", "prompt", "system", "instructions", "tools", "text", "query"];
  fc.assert(
    fc.property(
      fc.constantFrom(...sources, "documents", "text_1", "text_2"),
      fc.oneof(fc.string({ maxLength: 3000, unit: "binary" }), fc.array(fc.json(), { maxLength: 40 })),
      fc.array(fc.nat(4000)),
      (key, value, places) => {
        const body = Buffer.from(JSON.stringify({ model: "m", [key]: value, stream: true }));
        const node = bodyTree(body.toString()).members.find(([name]) => name === key)![1];
        const cuts = [...new Set(places)].filter((at) => at < body.length).sort((a, b) => a - b);
        const pieces = [0, ...cuts].map((from, cut) => body.subarray(from, cuts[cut] ?? body.length));
        assert.deepEqual(chainOfPieces(pieces), hasher.hash(body.subarray(node.start, node.end)));
      },
    ),
    RUNS,
  );
});

test("sources come in the order of a prompt, whatever order they arrive in and however they are cut", () => {
  const sources = {
    messages: TURNS,
    system: text(1500, "You are"),
    tools: TOOLS,
    model: "m",
    temperature: 0.5,
  };
  const expected = chainOf(sources);
  assert.ok(expected.length > 20, `${expected.length} blocks`);
  fc.assert(
    fc.property(fc.shuffledSubarray(Object.entries(sources), { minLength: 5 }), (members) => {
      const body = Buffer.from(JSON.stringify(Object.fromEntries(members)));
      assert.deepEqual(chainOfPieces([body]), expected);
      assert.deepEqual(chainOfPieces(singleBytes(body)), expected);
    }),
    { ...RUNS, numRuns: 20 },
  );
});

test("what stands before in the prompt is part of every hash behind it, and of none before", () => {
  const body = { messages: TURNS, system: text(1500, "You are"), tools: TOOLS };
  const chain = chainOf(body);
  const toolBlocks = Math.floor(JSON.stringify(TOOLS).length / BLOCK_BYTES);
  const systemBlocks = Math.floor(JSON.stringify(body.system).length / BLOCK_BYTES);
  const otherSystem = chainOf({ ...body, system: `${body.system}!` });
  assert.equal(common(chain, otherSystem), toolBlocks + systemBlocks);
  assert.equal(chain.filter((hash) => otherSystem.includes(hash)).length, toolBlocks + systemBlocks);
  const otherTools = chainOf({ ...body, tools: [...TOOLS, { type: "function" }] });
  assert.equal(common(chain, otherTools), Math.floor((JSON.stringify(TOOLS).length - 1) / BLOCK_BYTES));
  const { system: _, ...withoutSystem } = body;
  assert.equal(common(chain, chainOf(withoutSystem)), toolBlocks);
  // Too short for a block of its own, it tells prompts apart all the same.
  assert.equal(
    common(chainOf({ messages: TURNS, system: "A" }), chainOf({ messages: TURNS, system: "B" })),
    0,
  );
});

/** What official clients put on the wire when they go on with a conversation. */
class Wire {
  readonly bodies: Buffer[] = [];

  readonly fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    this.bodies.push(Buffer.from(await new Request(url, init).arrayBuffer()));
    const answer = { id: "x", object: "x", type: "message", content: [], choices: [], output: [] };
    return Response.json(answer);
  };

  get last(): Buffer {
    return this.bodies.at(-1)!;
  }
}

test("turns that the official clients append keep the hashes of all before them", async () => {
  const wire = new Wire();
  const options = { apiKey: "none", maxRetries: 0, fetch: wire.fetch, baseURL: "http://gateway.test/v1" };
  const openai = new OpenAI(options);
  const anthropic = new Anthropic(options);
  type Send = (turns: readonly { role: string; content: string }[]) => PromiseLike<unknown>;
  const clients: Readonly<Record<string, Send>> = {
    "chat completions": (turns) =>
      openai.chat.completions.create({ model: "m", messages: turns as never, stream: false }),
    "chat completions in the Python client's order": (turns) =>
      openai.chat.completions.create({ messages: turns as never, model: "m", tools: TOOLS as never }),
    responses: (turns) => openai.responses.create({ model: "m", input: turns as never }),
    "responses in the Python client's order": (turns) =>
      openai.responses.create({ input: turns as never, instructions: text(700, "Be brief"), model: "m" }),
    messages: (turns) =>
      anthropic.messages.create({ model: "m", max_tokens: 9, system: "Be brief", messages: turns as never }),
    "messages in the Python client's order": (turns) =>
      anthropic.messages.create({
        max_tokens: 9,
        messages: turns as never,
        model: "m",
        system: text(800, "Be brief"),
      }),
  };
  for (const [name, send] of Object.entries(clients)) {
    let before: readonly bigint[] = [];
    for (let turns = 1; turns <= TURNS.length; turns += 2) {
      await send(TURNS.slice(0, turns));
      const chain = chainOfPieces([wire.last]);
      // All but the block that the closing bracket stands in, if that block is whole.
      assert.ok(common(before, chain) >= before.length - 1, `${name}, ${turns} turns`);
      assert.ok(chain.length >= keptBlocks(TURNS.slice(0, turns)), `${name}, ${turns} turns`);
      before = chain;
    }
  }
});

test("no more than 64 KB of a prompt are hashed, and what comes behind them still tells it apart", () => {
  const long = [message("user", text(200_000, "long"))];
  const chain = chainOf({ messages: long, tools: TOOLS });
  assert.equal(chain.length, PROMPT_BLOCKS);
  assert.equal(common(chain, chainOf({ messages: long, tools: [...TOOLS, ...TOOLS] })), 0);
  assert.deepEqual(chainOf({ messages: [...long, ...TURNS], tools: TOOLS }), chain);
});

test("what begins behind the limit does not count, so that it does not matter whether it has arrived", () => {
  const messages = [...TURNS];
  const whole = Buffer.from(JSON.stringify({ model: "m", messages, tools: TOOLS }));
  const limit = whole.indexOf('"tools"');
  const alone = chainOf({ model: "m", messages });
  assert.deepEqual(chainOfPieces([whole], limit), alone);
  assert.deepEqual(chainOfPieces([whole.subarray(0, limit)], limit, false), alone);
  assert.notDeepEqual(chainOfPieces([whole]), alone);
});

test("of a prompt that is still arriving the blocks that have ended count, unless something stands behind it", () => {
  const messages = [...TURNS];
  const body = Buffer.from(JSON.stringify({ model: "m", messages }));
  const whole = chainOfPieces([body]);
  const start = body.indexOf("[");
  for (const blocks of [0, 1, 5]) {
    const part = chainOfPieces([body.subarray(0, start + blocks * BLOCK_BYTES + 17)], NO_LIMIT, false);
    assert.deepEqual(part, whole.slice(0, blocks));
  }
  const system = Buffer.from(JSON.stringify({ model: "m", messages, system: text(4000, "You are") }));
  assert.deepEqual(chainOfPieces([system.subarray(0, system.length - 1000)], NO_LIMIT, false), whole);
});

test("a prompt that comes twice has no hashes, and nobody else's are hashed", () => {
  const messages = JSON.stringify(TURNS);
  assert.ok(chainOf(`{"messages":${messages}}`).length > 0);
  assert.deepEqual(chainOf(`{"messages":${messages},"messages":${messages}}`), []);
  assert.deepEqual(chainOf({ metadata: { messages: TURNS }, model: "m", user: text(3000, "me") }), []);
  exports.scanReset();
  const body = Buffer.from(`{"messages":${messages}}`);
  exports.scanFeed(core.put(body), body.length);
  assert.equal(exports.scanPromptBlocks(NO_LIMIT), 0, "hashing was not asked for");
});
