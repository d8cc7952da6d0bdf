import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SCAN_COMPLETE, SCAN_MALFORMED, SCAN_MORE } from "../../assembly/core/body/scan_codes.ts";
import * as L from "../../assembly/wire/layout.ts";
import { PROFILE_LIST } from "../../assembly/wire/profiles.ts";
import type { PoolRow } from "../../controller/src/table/rows.ts";
import { Core } from "./core.ts";
import { Routing } from "./routing.ts";
import { addressOf, endpoint, pool, tableBytes } from "./tables.ts";

const PROFILES = PROFILE_LIST as readonly PoolRow["profile"][];
/** Requests at a time, and requests in all, of each profile. */
const UNDER_WAY = 200;
const FLIGHTS = 20_000;
const PROMPT_BLOCKS = 40;
const PICKS = 1_000_000;
/** Block sizes that the allocator keeps apart: small lists, and the big rest. */
const PROBES = [8, 24, 64, 200, 1000, 5000, 70_000, 500_000];

const scratch = mkdtempSync(join(tmpdir(), "core-allocation-"));
after(() => rmSync(scratch, { recursive: true }));

/** A pool of every profile over 20 endpoints, two adapters on each. */
function table(sequence: bigint): Uint8Array {
  const adapters = {
    max: 4,
    entries: [
      { name: "a", state: "running" as const },
      { name: "b", state: "waiting" as const },
    ],
  };
  const scorers = (
    ["queue-depth", "kv-cache-utilization", "running-requests", "in-flight", "lora-affinity"] as const
  ).map((name) => ({ name, weight: 1 }));
  return tableBytes(
    PROFILES.map((profile, at) => {
      const rows = Array.from({ length: 20 }, (_, index) =>
        endpoint(addressOf(at * 20 + index), { queuedRequests: index % 3, adapters }),
      );
      return pool(`ns/${profile}`, rows, {
        profile,
        scorers,
        models: ["a", "b", profile].map((name) => ({ name, adapter: name === "b" })),
        rewrites: [
          { model: "a", targets: ["x", "y"].map((model) => ({ model, weight: 1 })) },
          { model: "", targets: [{ model: "z", weight: 1 }] },
        ],
        apis: [{ suffix: "/{model}/ask", api: "openai-chat" as const }],
      });
    }),
    sequence,
    [{ name: "a", pools: PROFILES.map((profile) => `ns/${profile}`) }],
  );
}

function warmed(core: Core): Core {
  assert.equal(core.decode(table(1n), 0), L.ACCEPTED);
  for (let index = 0; index < PROFILES.length; index++) core.pick(index, "a");
  const model = core.exports.allocate(1);
  new Uint8Array(core.exports.memory.buffer)[model] = 0x61;
  core.exports.setRequest(model, 1, 1000, 0);
  return core;
}

/** Where the allocator would put blocks of several sizes: another answer means that something was allocated. */
function probe(core: Core): readonly number[] {
  const blocks = PROBES.map((bytes) => core.exports.allocate(bytes));
  // In reverse, so that the free lists are left as they were found.
  for (const block of blocks.toReversed()) core.exports.release(block);
  return blocks;
}

/** A body with everything that a scanner keeps or counts, more of it than is kept, and a form. */
function bodies(): {
  readonly json: Buffer;
  readonly form: { readonly boundary: Buffer; readonly body: Buffer };
} {
  const content = [
    { type: "image_url", image_url: { url: "x".repeat(300) } },
    { type: "text", text: "日本\n".repeat(90) },
  ];
  const json = JSON.stringify({
    messages: Array.from({ length: 200 }, () => ({ role: "user", content })),
    tools: [{ deep: [[[[[[[[1.5, true, null]]]]]]]] }],
    prompt: Array.from({ length: 500 }, (_, token) => token),
    stream_options: { include_usage: true },
    model: "m\u00e9".repeat(600),
    cache_salt: "s".repeat(300),
    user: "u".repeat(300),
    n: 2,
  });
  const field = (name: string, value: string): string =>
    `--XX\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const body = `${field("model", "m".repeat(2000))}${field("prompt", "p\r\n--X".repeat(100))}${field("n", "1")}--XX--`;
  return { json: Buffer.from(json), form: { boundary: Buffer.from("XX"), body: Buffer.from(body) } };
}

/** Copies bytes into a block that stays. */
function placed(core: Core, bytes: Uint8Array): number {
  const block = core.exports.allocate(bytes.length);
  new Uint8Array(core.exports.memory.buffer).set(bytes, block);
  return block;
}

test("a million picks leave memory and heap as they were", () => {
  const core = warmed(new Core());
  core.exports.collect();
  probe(core);
  const before = probe(core);
  const memoryBytes = core.exports.memory.buffer.byteLength;
  for (let index = 0; index < PROFILES.length; index++) {
    core.exports.benchPick(index, PICKS / PROFILES.length);
  }
  assert.deepEqual(probe(core), before);
  assert.equal(core.exports.memory.buffer.byteLength, memoryBytes);
  core.exports.collect();
  assert.deepEqual(probe(core), before);
  core.exports.allocate(16);
  assert.notDeepEqual(probe(core), before, "the probe sees one block of 16 bytes");
});

interface FlightExports {
  usePrefixIndex(blocks: number, endpoints: number, capacityBlocks: number): void;
  benchFlights(pool: number, rounds: number, underWay: number): number;
}

/** The core with an index of prefixes, and a prompt whose blocks are told to it. */
function flying(core: Core): FlightExports {
  const exports = core.exports as unknown as FlightExports;
  exports.usePrefixIndex(2000, PROFILES.length * 20, 100);
  const hashes = core.exports.allocate(8 * PROMPT_BLOCKS);
  for (let block = 0; block < PROMPT_BLOCKS; block++) {
    new DataView(core.exports.memory.buffer).setBigUint64(hashes + 8 * block, BigInt(block + 1) << 40n, true);
  }
  core.exports.setPrefix(hashes, PROMPT_BLOCKS, 7n);
  return exports;
}

test("flights, and what is learned from them, leave memory and heap as they were", () => {
  const core = warmed(new Core());
  const { benchFlights } = flying(core);
  for (let index = 0; index < PROFILES.length; index++) benchFlights(index, FLIGHTS / 10, UNDER_WAY);
  core.exports.collect();
  probe(core);
  const before = probe(core);
  const memoryBytes = core.exports.memory.buffer.byteLength;
  for (let index = 0; index < PROFILES.length; index++) benchFlights(index, FLIGHTS, UNDER_WAY);
  assert.deepEqual(probe(core), before);
  assert.equal(core.exports.memory.buffer.byteLength, memoryBytes);
  core.exports.collect();
  assert.deepEqual(probe(core), before);
});

test("with an allocator that never takes back, picks, counts, merges, ageing, routing and scanning take 0 bytes", () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const outFile = join(scratch, "core.wasm");
  const compiler = join(root, "node_modules/assemblyscript/bin/asc.js");
  execFileSync(
    process.execPath,
    [compiler, "assembly/core/index.ts", "--target", "core", "--runtime", "stub", "--outFile", outFile],
    { cwd: root, stdio: "pipe" },
  );
  const core = warmed(new Core(1n, new WebAssembly.Module(readFileSync(outFile))));
  const { exports } = core;
  const { json, form } = bodies();
  const text = placed(core, json);
  const parts = placed(core, form.body);
  const boundary = placed(core, form.boundary);
  const room = exports.allocate(200 * L.TALLY_STRIDE);
  const routing = new Routing(core);
  const routed = (name: string): void => {
    const bytes = Buffer.from(name);
    new Uint8Array(exports.memory.buffer).set(bytes, room);
    routing.exports.benchApi(0, room, bytes.length, 10);
    routing.exports.benchRewrite(0, room, bytes.length, 10);
    routing.exports.targetOf(0, room, bytes.length);
    routing.exports.poolForModel(0, room, bytes.length);
    routing.exports.routeOf(room, bytes.length);
    routing.exports.beginListing(0);
    let names = 0;
    while (routing.exports.nextListed() !== 0) names++;
    assert.equal(names, 2 + PROFILES.length);
  };
  const { benchFlights } = flying(core);
  const work = (): void => {
    for (let index = 0; index < PROFILES.length; index++) benchFlights(index, 2000, UNDER_WAY);
    exports.flightsTick();
    exports.takeRows(room, 200 * L.TALLY_STRIDE);
    exports.takePrefixRecords(room, 200 * L.TALLY_STRIDE);
    for (let index = 0; index < PROFILES.length; index++) exports.benchPick(index, 2000);
    exports.age(10);
    exports.beginMerge();
    for (let row = 0; row < 100; row++) exports.mergeRow(endpoint(addressOf(row)).id, 1, 1, 1n);
    exports.endMerge();
    exports.writeTallies(room, 200, 1);
    exports.writeTotals(room, 200);
    for (const piece of [7, 1000, 65_536]) {
      assert.equal(exports.benchScan(text, json.length, piece, 20), SCAN_COMPLETE);
      assert.equal(exports.formBegin(boundary, form.boundary.length), 1);
      assert.equal(exports.benchForm(parts, form.body.length, piece, 20), SCAN_COMPLETE);
      // What is refused, or breaks off, takes nothing either.
      assert.equal(exports.benchScan(text + 1, json.length - 1, piece, 20), SCAN_MALFORMED);
      assert.equal(exports.benchScan(text, json.length - 1, piece, 20), SCAN_MORE);
    }
    for (const name of ["a", "random", "none", "/v1/x/ask?y", "/v1/chat/completions"]) routed(name);
  };
  work();
  const step = -(exports.allocate(16) - exports.allocate(16));
  const before = exports.allocate(16);
  work();
  assert.equal(exports.allocate(16) - before - step, 0);
});

test("a table no larger than one before allocates nothing", () => {
  const core = warmed(new Core());
  const bytes = table(2n);
  core.put(bytes);
  assert.equal(core.decode(bytes, 0), L.ACCEPTED);
  core.exports.collect();
  probe(core);
  const before = probe(core);
  for (let round = 0; round < 500; round++) assert.equal(core.decode(bytes, round), L.ACCEPTED);
  assert.deepEqual(probe(core), before);
});

test("the core imports nothing but abort", () => {
  const core = new Core();
  assert.ok(core.exports.memory.buffer.byteLength < 4 * 1024 * 1024);
  const module = new WebAssembly.Module(
    readFileSync(fileURLToPath(new URL("../../build/core.wasm", import.meta.url))),
  );
  assert.deepEqual(
    WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`),
    ["env.abort"],
  );
});
