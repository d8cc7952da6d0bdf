import assert from "node:assert/strict";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { encodeReport } from "../../controller/src/table/report.ts";
import { SeededRandom } from "../emulator/random.ts";
import { Core } from "./core.ts";
import { Routing } from "./routing.ts";
import { pickNarrowed } from "./narrowing.ts";
import { endpoint, MODELS, pool, randomPools, randomRoutes, tableBytes } from "./tables.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
/** Raise it for a longer run: `FUZZ_ROUNDS=1000000 node --import tsx --test test/core`. */
const CORRUPTIONS = Number(process.env.FUZZ_ROUNDS ?? 24_000);

/** Anything that the format allows, as bytes that may be written to. */
function randomTable(random: SeededRandom, mostEndpoints: number): Uint8Array<ArrayBuffer> {
  const pools = randomPools(random, mostEndpoints);
  return tableBytes(pools, 1n, randomRoutes(random, pools)).slice();
}

/** What the table says of models, paths and routes lies within its memory and its pools. */
function exerciseRouting(core: Core): void {
  const routing = new Routing(core);
  const pools = core.exports.poolCount();
  for (let index = 0; index < pools; index++) {
    for (const model of ["", ...MODELS]) assert.ok((routing.draw(index, model)?.length ?? 1) > 0);
    for (const path of ["/v1/ask", "/m/ask?x", "/v1/models/m/", "/v1/completions"]) routing.api(index, path);
  }
  for (const name of ["route-0", "route-1", "route-2"]) {
    const route = routing.routeOf(name);
    if (route < 0) continue;
    for (const model of MODELS) assert.ok(routing.poolForModel(route, model) < pools);
    for (const { pool } of routing.listing(route)) assert.ok(pool >= 0 && pool < pools);
  }
}

/** Reads all that an accepted table offers and picks from every pool; each pick must be of its pool. */
function exercise(core: Core, nowMs: number): void {
  const { exports } = core;
  exerciseRouting(core);
  exports.age(nowMs);
  const name = Buffer.from(MODELS[1]);
  const at = core.put(name);
  const memoryBytes = exports.memory.buffer.byteLength;
  for (let row = 0; row < exports.endpointCount(); row++) {
    assert.ok(exports.addressPtr(row) + exports.addressBytes(row) <= memoryBytes);
    assert.ok(exports.adapterState(row, at, name.length) <= L.ADAPTER_WAITING);
  }
  for (let index = 0; index < exports.poolCount(); index++) {
    const saturation = exports.saturation(index);
    assert.ok(saturation >= 0 || saturation === -1, `saturation ${saturation}`);
    exports.modelIndex(index, at, name.length);
    exports.objectivePriority(index, at, name.length);
    for (const row of core.pickRows(index, MODELS[1])) {
      assert.ok(core.isOfPool(row, index));
      assert.equal(exports.isPickable(row), 1);
    }
    const narrowing = { subset: "10.0.0.1,10.0.0.2:8000,[::1", classValue: MODELS[2], promptTokens: 150 };
    assert.ok(pickNarrowed(core, index, { ...narrowing, session: "0123456789abcdef" }).length <= 3);
  }
}

test("a message cut at any byte is refused", () => {
  const core = new Core();
  const message = randomTable(new SeededRandom(SEED), 6);
  for (let length = 0; length < message.length; length++) {
    const verdict = core.decode(message.subarray(0, length));
    assert.equal(verdict, L.REFUSED_TRUNCATED, `${length} of ${message.length} bytes`);
  }
  assert.equal(core.decode(message), L.ACCEPTED);
});

test(`one corrupted byte never traps: the message is refused or serves (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const core = new Core(BigInt(SEED));
  const verdicts = new Map<number, number>();
  let message = new Uint8Array(0);
  for (let round = 0; round < CORRUPTIONS; round++) {
    if (round % 100 === 0) message = randomTable(random, 5);
    const corrupt = message.slice();
    // Half of the hits go to the header, the directory and the pools: most of the bytes are elsewhere.
    const reach = random.below(2) === 0 ? 500 : corrupt.length;
    const at = random.below(Math.min(reach, corrupt.length));
    corrupt[at] = corrupt[at]! ^ (1 + random.below(255));
    const verdict = core.decode(corrupt, 0);
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    if (verdict === L.ACCEPTED) exercise(core, random.below(4000));
  }
  assert.ok((verdicts.get(L.ACCEPTED) ?? 0) > 1000, "some corruptions are harmless");
  for (const code of [L.REFUSED_MAGIC, L.REFUSED_SECTION, L.REFUSED_REFERENCE, L.REFUSED_VALUE]) {
    assert.ok((verdicts.get(code) ?? 0) > 50, `refusal ${code} was met`);
  }
});

test(`random 32-bit numbers in random places never trap (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED ^ 0x5a5a);
  const core = new Core(BigInt(SEED));
  const hostile = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 0x7fc00000, 0x7f800000];
  for (let round = 0; round < CORRUPTIONS / 4; round++) {
    const message = randomTable(random, 4);
    const view = new DataView(message.buffer);
    for (let hit = 0; hit <= random.below(3); hit++) {
      const at = 4 * random.below(message.length >> 2);
      view.setUint32(
        at,
        random.below(2) === 0 ? hostile[random.below(hostile.length)]! : random.word(),
        true,
      );
    }
    if (core.decode(message, 0) === L.ACCEPTED) exercise(core, random.below(4000));
  }
});

test("names are found exactly, in any alphabet, and unknown ones are not", () => {
  const core = new Core();
  const pools = Array.from({ length: 300 }, (_, index) =>
    pool(`espace-é/pool-${index}`, [], { clusters: [`outbound|80||${index}.例え.local`, `c${index}`] }),
  );
  assert.equal(core.decode(tableBytes(pools)), L.ACCEPTED);
  for (let index = 0; index < 300; index++) {
    assert.equal(core.poolOfName(`espace-é/pool-${index}`), index);
    assert.equal(core.poolOfCluster(`outbound|80||${index}.例え.local`), index);
    assert.equal(core.poolOfCluster(`c${index}`), index);
  }
  for (const unknown of ["", "c", "c300", "espace-e/pool-1", "espace-é/pool-1 "]) {
    assert.equal(core.poolOfName(unknown), -1);
    assert.equal(core.poolOfCluster(unknown), -1);
  }
});

test("models, objectives and adapters are found in their own pool and endpoint only", () => {
  const core = new Core();
  const adapters = {
    max: 4,
    entries: [
      { name: "both", state: "waiting" as const },
      { name: "both", state: "running" as const },
      { name: "later", state: "waiting" as const },
    ],
  };
  const bytes = tableBytes([
    pool("ns/a", [endpoint("10.0.0.1:1", { adapters }), endpoint("10.0.0.2:1")], {
      models: [{ name: "m", adapter: false }],
      objectives: [{ name: "batch", priority: -10 }],
    }),
    pool("ns/b", [endpoint("10.0.0.3:1")], {
      models: [
        { name: "n", adapter: false },
        { name: "m", adapter: true },
      ],
      objectives: [{ name: "batch", priority: 7 }],
    }),
  ]);
  assert.equal(core.decode(bytes), L.ACCEPTED);
  const { exports } = core;
  const ask = (text: string, call: (ptr: number, bytes: number) => number): number => {
    const name = Buffer.from(text);
    return call(core.put(name), name.length);
  };
  assert.equal(
    ask("m", (ptr, size) => exports.modelIndex(0, ptr, size)),
    0,
  );
  assert.equal(
    ask("m", (ptr, size) => exports.modelIndex(1, ptr, size)),
    2,
  );
  assert.equal(
    ask("n", (ptr, size) => exports.modelIndex(0, ptr, size)),
    -1,
  );
  assert.equal(
    ask("batch", (ptr, size) => exports.objectivePriority(0, ptr, size)),
    -10,
  );
  assert.equal(
    ask("batch", (ptr, size) => exports.objectivePriority(1, ptr, size)),
    7,
  );
  assert.equal(
    ask("none", (ptr, size) => exports.objectivePriority(1, ptr, size)),
    0,
  );
  assert.equal(
    ask("both", (ptr, size) => exports.adapterState(0, ptr, size)),
    L.ADAPTER_RUNNING,
  );
  assert.equal(
    ask("later", (ptr, size) => exports.adapterState(0, ptr, size)),
    L.ADAPTER_WAITING,
  );
  assert.equal(
    ask("later", (ptr, size) => exports.adapterState(1, ptr, size)),
    0,
  );
});

test("a row loses its load columns when its age passes the limit, and what others have in flight with the message", () => {
  const core = new Core();
  const remote = { requests: 3, uncachedTokens: 0, residentTokens: 0 };
  const bytes = tableBytes([
    pool("ns/a", [
      endpoint("10.0.0.1:1", { ageMs: 1000, remote }),
      endpoint("10.0.0.2:1", { ageMs: 0, remote }),
    ]),
  ]);
  assert.equal(core.decode(bytes, 5000), L.ACCEPTED);
  const load = L.VALID_QUEUED | L.VALID_RUNNING | L.VALID_KV_USED;
  const valid = (nowMs: number): readonly number[] => {
    core.exports.age(nowMs);
    return [core.exports.rowValid(0), core.exports.rowValid(1)];
  };
  assert.deepEqual(valid(5500), [load | L.VALID_REMOTE, load | L.VALID_REMOTE]);
  assert.deepEqual(valid(5501), [L.VALID_REMOTE, load | L.VALID_REMOTE]);
  assert.deepEqual(valid(6501), [0, 0]);
  // A clock that steps back is taken as no time passed.
  assert.deepEqual(valid(0), [load | L.VALID_REMOTE, load | L.VALID_REMOTE]);
});

test("saturation is the mean of what is fuller, queue or cache; a stale row counts as full", () => {
  const core = new Core();
  const saturation = (nowMs: number, ...endpoints: ReturnType<typeof endpoint>[]): number => {
    assert.equal(core.decode(tableBytes([pool("ns/a", endpoints)]), 0), L.ACCEPTED);
    core.exports.age(nowMs);
    return core.exports.saturation(0);
  };
  const half = endpoint("10.0.0.1:1", { queuedRequests: 1, kvUsedRatio: 0.4 });
  const twice = endpoint("10.0.0.2:1", { queuedRequests: 10, kvUsedRatio: 0.4 });
  const stale = endpoint("10.0.0.3:1", { ageMs: 9999 });
  const bare = endpoint("10.0.0.4:1", { unmeasured: true });
  const away = endpoint("10.0.0.5:1", { ready: false, queuedRequests: 1000 });
  const near = (actual: number, expected: number): void =>
    assert.ok(Math.abs(actual - expected) < 1e-6, `${actual}, not ${expected}`);
  near(saturation(0, half), 0.5);
  near(saturation(0, half, twice), 1.25);
  near(saturation(0, half, stale), 0.75);
  near(saturation(0, half, bare, away), 0.5);
  assert.equal(saturation(0, stale), -1);
  assert.equal(saturation(0, bare, stale), -1);
  assert.equal(saturation(0), -1);
  assert.equal(saturation(10_000, half, twice), -1);
});

test("a broken table does not change the old one, nor its names", () => {
  const core = new Core();
  assert.equal(core.decode(tableBytes([pool("ns/a", [endpoint("10.0.0.1:1")])], 4n), 0), L.ACCEPTED);
  const broken = tableBytes([pool("ns/b", [endpoint("10.0.0.2:1"), endpoint("10.0.0.3:1")])], 5n).slice();
  broken[Buffer.from(broken).indexOf("10.0.0.3:1")] = 0x20;
  assert.equal(core.decode(broken, 0), L.REFUSED_VALUE);
  assert.deepEqual(core.addresses(), ["10.0.0.1:1"]);
  assert.equal(core.exports.sequence(), 4n);
  assert.equal(core.poolOfName("ns/a"), 0);
  assert.equal(core.poolOfName("ns/b"), -1);
});

test("a report passes the check of its kind and no other, and is refused when cut anywhere", () => {
  const report = encodeReport({
    missingTerms: new Map([[6n, 1 << L.SCORER_PREFIX_AFFINITY]]),
    node: "envoy-ü",
    generation: 1n,
    holder: 2n,
    tablesRefused: 0,
    lastRefusal: 0,
    liveSlots: 3,
    epoch: 1n,
    sequence: 9n,
    endpoints: [{ id: 5n, requests: 1, uncachedTokens: 2, residentTokens: 3n, picks: 4n }],
  });
  const core = new Core();
  const check = (bytes: Uint8Array, kind: number): number => {
    return core.exports.checkMessage(core.put(bytes), bytes.length, kind);
  };
  assert.equal(check(report, L.KIND_REPORT), L.ACCEPTED);
  assert.equal(check(report, L.KIND_TABLE), L.REFUSED_KIND);
  assert.equal(check(report, 3), L.REFUSED_KIND);
  const shortRows = report.slice();
  const entry = L.HEADER_FIXED_BYTES + L.REPORT_SECTION_POOLS * L.DIRECTORY_ENTRY_BYTES;
  new DataView(shortRows.buffer).setUint16(entry + L.ENTRY_STRIDE, L.POOL_TERMS_STRIDE - 1, true);
  assert.equal(check(shortRows, L.KIND_REPORT), L.REFUSED_SECTION);
  for (let length = 0; length < report.length; length++) {
    assert.equal(check(report.subarray(0, length), L.KIND_REPORT), L.REFUSED_TRUNCATED);
  }
});
