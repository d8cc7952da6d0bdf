import assert from "node:assert/strict";
import { test } from "node:test";
import { Core } from "./core.ts";
import { endpoint, pool, tableBytes } from "./tables.ts";

const BLOCK_BYTES = 512;
/** Of English, before any answer has told. */
const BYTES_PER_TOKEN = 4;
const BLOCKS = 20;
const PROMPT_BYTES = BLOCKS * BLOCK_BYTES;
const PROMPT_TOKENS = PROMPT_BYTES / BYTES_PER_TOKEN;
/** KV cache of 100 of our blocks. */
const CACHE = { kvBlocks: (100 * BLOCK_BYTES) / BYTES_PER_TOKEN / 16, kvBlockTokens: 16 };

interface FlightExports {
  usePrefixIndex(blocks: number, endpoints: number, capacityBlocks: number): void;
  cachedBlocks(row: number): number;
  flightMove(handle: number, account: number): number;
  endpointRestarted(account: number): void;
}

/** One endpoint whose cache is known, and a second. */
class Bench {
  readonly core = new Core();
  readonly exports = this.core.exports as typeof this.core.exports & FlightExports;
  readonly #hashes = this.core.exports.allocate(BLOCKS * 8);
  #sequence = 0n;
  #next = 100;
  #nowMs = 1000;

  constructor(cache: Partial<typeof CACHE> = CACHE) {
    this.push(cache);
    this.exports.usePrefixIndex(10_000, 4, 1000);
  }

  push(cache: Partial<typeof CACHE>): void {
    const endpoints = [endpoint("10.0.0.1:1", cache), endpoint("10.0.0.2:1", cache)];
    this.core.decode(tableBytes([pool("p", endpoints)], ++this.#sequence));
  }

  #ask(prompt: number): void {
    const words = new BigUint64Array(this.exports.memory.buffer, this.#hashes, BLOCKS);
    for (let block = 0; block < BLOCKS; block++) words[block] = BigInt(prompt * 1000 + block + 1);
    this.exports.setRequest(0, 0, PROMPT_BYTES, 0);
    this.exports.setPrefix(this.#hashes, BLOCKS, 7n);
  }

  believed(prompt: number, row = 0): number {
    this.#ask(prompt);
    return this.exports.cachedBlocks(row);
  }

  /** Sends the prompt to the first endpoint, which says that it held a share of it, so long after the one before. */
  send(prompt: number, heldShare: number, afterMs = 1000): void {
    this.#nowMs += afterMs;
    this.exports.setClock(this.#nowMs);
    this.#ask(prompt);
    const flight = this.exports.openFlight(0, 0);
    this.exports.flightFinish(flight, PROMPT_TOKENS, 10, Math.floor(PROMPT_TOKENS * heldShare));
  }

  /** Sends many new prompts; how many of them the first endpoint is believed to hold whole in the end. */
  remembers(): number {
    const prompts = Array.from({ length: 30 }, () => this.#next++);
    for (const prompt of prompts) this.send(prompt, 0);
    return prompts.filter((prompt) => this.believed(prompt) === BLOCKS).length;
  }
}

test("an endpoint is believed to hold as many prompts as its KV cache has room for", () => {
  const bench = new Bench();
  assert.equal(bench.remembers(), 5);
  const unknown = new Bench({});
  assert.equal(unknown.remembers(), 30, "one that does not tell may hold what the index has room for");
});

test("a server that caches no prefixes is soon believed to hold none, and does no harm to another", () => {
  const bench = new Bench();
  for (let request = 0; request < 200; request++) bench.send(1, 0);
  assert.ok(
    bench.believed(1) <= 2,
    `${bench.believed(1)} blocks, of which two may be the server's other way of cutting`,
  );
  assert.equal(bench.believed(1, 1), 0);
});

test("a client that has its prompt computed anew a thousand times a second takes a twentieth of the room in a second at most", () => {
  const bench = new Bench();
  bench.send(1, 1);
  for (let request = 0; request < 2500; request++) bench.send(1, 0, 1);
  assert.ok(bench.remembers() >= 4, "of five");
});

test("a client that has its prompt computed anew takes no room away where others find theirs", () => {
  const bench = new Bench();
  bench.send(1, 1);
  for (let request = 0; request < 40_000; request++) bench.send(1, request % 4 === 0 ? 0 : 1, 10);
  assert.equal(bench.remembers(), 5);
});

test("what an endpoint held as believed takes nothing away, and gives back what was taken", () => {
  const bench = new Bench();
  for (let request = 0; request < 200; request++) bench.send(1, 1);
  assert.equal(bench.believed(1), BLOCKS);
  for (let request = 0; request < 30; request++) bench.send(1, 0);
  const shrunk = bench.remembers();
  assert.ok(shrunk < 5, `${shrunk} prompts`);
  for (let request = 0; request < 100; request++) bench.send(1, 1);
  assert.equal(bench.remembers(), 5);
});

test("one request in ten that came too early to find its prompt costs nothing", () => {
  const bench = new Bench();
  for (let request = 0; request < 300; request++) bench.send(1, request % 10 === 0 ? 0 : 1);
  assert.equal(bench.remembers(), 5);
});

test("a few blocks of difference are the server's other way of cutting", () => {
  const bench = new Bench();
  for (let request = 0; request < 300; request++) bench.send(1, 0.7);
  assert.equal(bench.believed(1), BLOCKS);
});

test("a restart forgets the prompts and believes in the whole cache again", () => {
  const bench = new Bench();
  for (let request = 0; request < 200; request++) bench.send(1, 0);
  bench.exports.endpointRestarted(bench.exports.rowAccount(0));
  assert.equal(bench.believed(1), 0);
  assert.equal(bench.remembers(), 5);
});

test("a table without the measurement leaves the room as it was, one with another cache changes it", () => {
  const bench = new Bench();
  bench.push({});
  assert.equal(bench.remembers(), 5);
  bench.push({ ...CACHE, kvBlocks: CACHE.kvBlocks * 2 });
  assert.equal(bench.remembers(), 10);
});

test("a retry is counted where it was served, and says nothing of who was believed in before", () => {
  const bench = new Bench();
  bench.send(1, 0);
  assert.equal(bench.believed(1), BLOCKS);
  const flight = bench.exports.openFlight(0, 0);
  bench.exports.flightMove(flight, bench.exports.rowAccount(1));
  bench.exports.flightFinish(flight, PROMPT_TOKENS, 10, 0);
  assert.equal(bench.believed(1, 1), BLOCKS);
  assert.equal(bench.believed(1, 0), BLOCKS);
});
