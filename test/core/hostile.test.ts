import assert from "node:assert/strict";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { decodeTable } from "../../controller/src/table/decode.ts";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import { MessageWriter } from "../../controller/src/table/message.ts";
import { WireError } from "../../controller/src/table/wire-error.ts";
import { Core } from "./core.ts";
import { Routing } from "./routing.ts";
import { addressOf } from "./tables.ts";

/** No table may hold a worker longer than this. Measured: 20 to 30 ms of CPU on a busy machine of 2 cores. */
const MOST_DECODE_MS = 50;
const MOST_PICK_MS = 5;
const RUNS = 15;

interface Counts {
  readonly pools: number;
  readonly endpoints: number;
  readonly clusters: number;
  readonly models: number;
  readonly adapters: number;
  readonly objectives: number;
  readonly scorers: number;
  readonly rewrites: number;
  readonly targets: number;
  readonly apis: number;
  readonly routes: number;
  readonly routePools: number;
  readonly stringBytes: number;
}

/** A table written row by row, past what the encoder would refuse. */
class RawTable {
  readonly writer: MessageWriter;
  readonly counts: Counts;

  constructor(counts: Counts) {
    this.counts = counts;
    this.writer = new MessageWriter(L.KIND_TABLE, 1n, 1n, [
      { count: counts.pools, stride: L.POOL_STRIDE },
      { count: counts.endpoints, stride: L.ENDPOINT_STRIDE },
      { count: counts.clusters, stride: L.CLUSTER_STRIDE },
      { count: counts.models, stride: L.MODEL_STRIDE },
      { count: counts.adapters, stride: L.ADAPTER_STRIDE },
      { count: counts.objectives, stride: L.OBJECTIVE_STRIDE },
      { count: counts.scorers, stride: L.SCORER_STRIDE },
      { count: counts.rewrites, stride: L.REWRITE_STRIDE },
      { count: counts.stringBytes, stride: 1 },
      { count: counts.targets, stride: L.TARGET_STRIDE },
      { count: counts.apis, stride: L.API_STRIDE },
      { count: counts.routes, stride: L.ROUTE_STRIDE },
      { count: counts.routePools, stride: L.ROUTE_POOL_STRIDE },
    ]);
    const heap = this.writer.sectionOffset(L.SECTION_STRINGS);
    // Letters in an order that does not repeat, so that equally long strings at different places differ.
    for (let at = 0, state = 1; at < counts.stringBytes; at++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      this.writer.bytes[heap + at] = 0x61 + ((state >>> 16) % 26);
    }
    for (let row = 0; row < counts.pools; row++) this.#pool(row);
    for (let row = 0; row < counts.endpoints; row++) this.#endpoint(row);
    for (let row = 0; row < counts.scorers; row++) {
      const at = this.writer.row(L.SECTION_SCORERS, row);
      this.writer.view.setUint32(at + L.SCORER_KIND, 1 + (row % L.SCORER_PREFIX_AFFINITY), true);
      this.writer.view.setFloat32(at + L.SCORER_WEIGHT, 1, true);
    }
    for (let row = 0; row < counts.adapters; row++) {
      const at = this.writer.row(L.SECTION_ADAPTERS, row);
      this.writer.view.setUint32(at + L.ADAPTER_STATE, L.ADAPTER_RUNNING, true);
    }
  }

  /** Every target has a name and a weight, and rule after rule takes as many of them as there are for each. */
  rewrites(): RawTable {
    const { rewrites, targets } = this.counts;
    this.names(L.SECTION_TARGETS, targets, L.TARGET_MODEL, L.MAX_NAME_BYTES, (row) => row * 6);
    for (let row = 0; row < targets; row++) {
      this.writer.view.setUint32(this.writer.row(L.SECTION_TARGETS, row) + L.TARGET_WEIGHT, 1 + row, true);
    }
    this.names(L.SECTION_REWRITES, rewrites, L.REWRITE_MODEL, L.MAX_NAME_BYTES, (row) => row * 7);
    const each = targets / rewrites;
    for (let row = 0; row < rewrites; row++) {
      this.run(L.SECTION_REWRITES, row, L.REWRITE_TARGET_START, row * each, each);
    }
    return this;
  }

  /** Every API has a suffix of its pool's longest: letters, `{model}` and letters. */
  apis(): RawTable {
    const { writer } = this;
    const text = Buffer.from(`/${"s".repeat(120)}/{model}/${"t".repeat(L.MAX_SUFFIX_BYTES - 130)}`);
    writer.bytes.set(text, writer.sectionOffset(L.SECTION_STRINGS));
    return this.names(L.SECTION_APIS, this.counts.apis, L.API_SUFFIX, text.length);
  }

  /** Every route has a name of its own and as many pools as there are for each. */
  routes(): RawTable {
    const { routes, routePools, pools } = this.counts;
    const bytes = L.MAX_POOL_NAME_BYTES;
    this.names(L.SECTION_ROUTES, routes, L.ROUTE_NAME, bytes, (row) => 300 + row);
    const each = routePools / routes;
    for (let row = 0; row < routes; row++)
      this.run(L.SECTION_ROUTES, row, L.ROUTE_POOL_START, row * each, each);
    for (let row = 0; row < routePools; row++) {
      const at = this.writer.row(L.SECTION_ROUTE_POOLS, row) + L.ROUTE_POOL_INDEX;
      this.writer.view.setUint32(at, row % pools, true);
    }
    return this;
  }

  /** Each row's name is `bytes` bytes long and begins at `start(row)` of the heap. */
  names(
    section: number,
    count: number,
    column: number,
    bytes: number,
    start: (row: number) => number = () => 0,
  ): RawTable {
    for (let row = 0; row < count; row++) {
      this.writer.string(this.writer.row(section, row) + column, { offset: start(row), bytes });
    }
    return this;
  }

  run(section: number, row: number, startColumn: number, start: number, count: number): RawTable {
    const at = this.writer.row(section, row) + startColumn;
    this.writer.view.setUint32(at, start, true);
    this.writer.view.setUint32(at + 4, count, true);
    return this;
  }

  #pool(row: number): void {
    const { view } = this.writer;
    const at = this.writer.row(L.SECTION_POOLS, row);
    this.writer.string(at + L.POOL_NAME, { offset: 4096 + row, bytes: 20 });
    view.setUint16(at + L.POOL_PROFILE, L.PROFILE_WEIGHTED, true);
    view.setUint32(at + L.POOL_STALE_AFTER_MS, 1500, true);
    view.setFloat32(at + L.POOL_QUEUE_LIMIT, 5, true);
    view.setFloat32(at + L.POOL_KV_LIMIT, 0.8, true);
  }

  /** Ready and measured, its address at the end of the heap, 20 bytes for each. */
  #endpoint(row: number): void {
    const { view, bytes } = this.writer;
    const at = this.writer.row(L.SECTION_ENDPOINTS, row);
    const address = Buffer.from(addressOf(row));
    const offset = this.counts.stringBytes - (row + 1) * 20;
    bytes.set(address, this.writer.sectionOffset(L.SECTION_STRINGS) + offset);
    this.writer.string(at + L.ENDPOINT_ADDRESS, { offset, bytes: address.length });
    view.setBigUint64(at + L.ENDPOINT_ID, fnv1a64(addressOf(row)), true);
    view.setUint32(at + L.ENDPOINT_FLAGS, L.ENDPOINT_FLAG_READY, true);
    view.setUint32(at + L.ENDPOINT_VALID, L.VALID_LOAD_COLUMNS, true);
    view.setUint32(at + L.ENDPOINT_MAX_ADAPTERS, 4, true);
  }
}

const NONE: Counts = {
  pools: 1,
  endpoints: 0,
  clusters: 0,
  models: 0,
  adapters: 0,
  objectives: 0,
  scorers: 0,
  rewrites: 0,
  targets: 0,
  apis: 0,
  routes: 0,
  routePools: 0,
  stringBytes: 8192,
};

/** CPU ms of the quickest of several runs: what the work takes, whatever else the machine does. */
function quickest(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const start = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

/** Both readers refuse the table with the same number. */
function refusedAs(table: RawTable, refusal: number): void {
  const core = new Core();
  assert.equal(core.decode(table.writer.bytes), refusal);
  assert.throws(
    () => decodeTable(table.writer.bytes),
    (error) => error instanceof WireError && error.refusal === refusal,
  );
}

test("three sections of 65,536 long names at one place are refused", () => {
  const counts = {
    ...NONE,
    models: L.MAX_ROWS,
    adapters: L.MAX_ROWS,
    objectives: L.MAX_ROWS,
    endpoints: 1,
  };
  const table = new RawTable(counts)
    .names(L.SECTION_MODELS, L.MAX_ROWS, L.MODEL_NAME, 4096)
    .names(L.SECTION_ADAPTERS, L.MAX_ROWS, L.ADAPTER_NAME, 4096)
    .names(L.SECTION_OBJECTIVES, L.MAX_ROWS, L.OBJECTIVE_NAME, 4096)
    .run(L.SECTION_POOLS, 0, L.POOL_MODEL_START, 0, L.MAX_ROWS);
  refusedAs(table, L.REFUSED_REFERENCE);
});

test("a pool of 65,536 scorers is refused, and so is one scorer twice", () => {
  const scorers = L.MAX_ROWS;
  const many = new RawTable({ ...NONE, scorers }).run(L.SECTION_POOLS, 0, L.POOL_SCORER_START, 0, scorers);
  refusedAs(many, L.REFUSED_TOO_MANY_ROWS);
  const twice = new RawTable({ ...NONE, scorers: 7 }).run(L.SECTION_POOLS, 0, L.POOL_SCORER_START, 0, 7);
  refusedAs(twice, L.REFUSED_VALUE);
});

test("endpoints that share their adapters, and pools that share models, objectives or scorers, are refused", () => {
  const all = new RawTable({ ...NONE, endpoints: 2, adapters: 100, stringBytes: 8192 });
  all.names(L.SECTION_ADAPTERS, 100, L.ADAPTER_NAME, 8);
  all.run(L.SECTION_POOLS, 0, L.POOL_ENDPOINT_START, 0, 2);
  for (const row of [0, 1]) all.run(L.SECTION_ENDPOINTS, row, L.ENDPOINT_ADAPTER_START, 0, 100);
  refusedAs(all, L.REFUSED_REFERENCE);
  for (const column of [L.POOL_MODEL_START, L.POOL_OBJECTIVE_START, L.POOL_SCORER_START]) {
    const shared = new RawTable({ ...NONE, pools: 2, models: 3, objectives: 3, scorers: 3 });
    for (const row of [0, 1]) shared.run(L.SECTION_POOLS, row, column, row, 2);
    refusedAs(shared, L.REFUSED_REFERENCE);
  }
});

test("rules that share targets, pools that share rules or APIs, and routes that share their entries are refused", () => {
  const counts = { ...NONE, pools: 2, rewrites: 3, targets: 6, apis: 3, routes: 2, routePools: 4 };
  const whole = (): RawTable => new RawTable(counts).rewrites().apis().routes();
  for (const column of [L.POOL_REWRITE_START, L.POOL_API_START]) {
    const shared = whole();
    for (const row of [0, 1]) shared.run(L.SECTION_POOLS, row, column, row, 2);
    refusedAs(shared, L.REFUSED_REFERENCE);
  }
  const targets = whole().run(L.SECTION_POOLS, 0, L.POOL_REWRITE_START, 0, 3);
  refusedAs(targets.run(L.SECTION_REWRITES, 2, L.REWRITE_TARGET_START, 3, 2), L.REFUSED_REFERENCE);
  // The rows between would be enough for all: it is the one shared row that counts.
  const entries = whole().run(L.SECTION_ROUTES, 1, L.ROUTE_POOL_START, 1, 1);
  refusedAs(entries, L.REFUSED_REFERENCE);
  assert.equal(new Core().decode(whole().writer.bytes), L.ACCEPTED);
});

test("runs of rules, targets, APIs and entries that leave their sections or wrap are refused", () => {
  const counts = { ...NONE, rewrites: 2, targets: 4, apis: 3, routes: 2, routePools: 2 };
  const runs: readonly [section: number, column: number][] = [
    [L.SECTION_POOLS, L.POOL_REWRITE_START],
    [L.SECTION_POOLS, L.POOL_API_START],
    [L.SECTION_REWRITES, L.REWRITE_TARGET_START],
    [L.SECTION_ROUTES, L.ROUTE_POOL_START],
  ];
  for (const [section, column] of runs) {
    for (const [start, count] of [
      [0, 5],
      [5, 0],
      [0xffffffff, 1],
      [0xffffffff, 2],
      [1, 0xffffffff],
    ] as const) {
      const table = new RawTable(counts).rewrites().apis().routes();
      if (section === L.SECTION_REWRITES) table.run(L.SECTION_POOLS, 0, L.POOL_REWRITE_START, 0, 2);
      refusedAs(table.run(section, 0, column, start, count), L.REFUSED_REFERENCE);
    }
  }
});

test("more APIs of a pool, targets of a rule or routes than there may be are refused, and so are long names", () => {
  const apis = new RawTable({ ...NONE, apis: L.MAX_POOL_APIS + 1 }).apis();
  refusedAs(apis.run(L.SECTION_POOLS, 0, L.POOL_API_START, 0, L.MAX_POOL_APIS + 1), L.REFUSED_TOO_MANY_ROWS);
  const targets = new RawTable({
    ...NONE,
    rewrites: 1,
    targets: L.MAX_RULE_TARGETS + 1,
    stringBytes: 65_536,
  });
  refusedAs(targets.rewrites().run(L.SECTION_POOLS, 0, L.POOL_REWRITE_START, 0, 1), L.REFUSED_TOO_MANY_ROWS);
  refusedAs(new RawTable({ ...NONE, apis: L.MAX_APIS + 1 }), L.REFUSED_TOO_MANY_ROWS);
  refusedAs(new RawTable({ ...NONE, routes: L.MAX_ROUTES + 1 }), L.REFUSED_TOO_MANY_ROWS);
  const counts = { ...NONE, rewrites: 1, targets: 1, apis: 1, routes: 1, routePools: 1 };
  const names: readonly [section: number, column: number, most: number][] = [
    [L.SECTION_REWRITES, L.REWRITE_MODEL, L.MAX_NAME_BYTES],
    [L.SECTION_TARGETS, L.TARGET_MODEL, L.MAX_NAME_BYTES],
    [L.SECTION_APIS, L.API_SUFFIX, L.MAX_SUFFIX_BYTES],
    [L.SECTION_ROUTES, L.ROUTE_NAME, L.MAX_POOL_NAME_BYTES],
  ];
  for (const [section, column, most] of names) {
    const table = new RawTable(counts).rewrites().apis().routes();
    table.run(L.SECTION_POOLS, 0, L.POOL_REWRITE_START, 0, 1).run(L.SECTION_POOLS, 0, L.POOL_API_START, 0, 1);
    refusedAs(table.names(section, 1, column, most + 1), L.REFUSED_REFERENCE);
    refusedAs(
      table.names(section, 1, column, 9, () => counts.stringBytes - 8),
      L.REFUSED_REFERENCE,
    );
  }
});

/** As many rows of every kind, with names as long and as different, as one message can carry. */
function largest(): RawTable {
  const counts: Counts = {
    ...NONE,
    pools: L.MAX_POOLS,
    endpoints: L.MAX_ENDPOINTS,
    clusters: 44_000,
    models: 44_000,
    adapters: L.MAX_ROWS,
    objectives: 44_000,
    scorers: L.SCORER_PREFIX_AFFINITY * L.MAX_POOLS,
    stringBytes: 600_000,
  };
  const table = new RawTable(counts);
  const bytes = L.MAX_NAME_BYTES;
  table
    .names(L.SECTION_POOLS, counts.pools, L.POOL_NAME, L.MAX_POOL_NAME_BYTES, (row) => row)
    .names(L.SECTION_CLUSTERS, counts.clusters, L.CLUSTER_NAME, L.MAX_POOL_NAME_BYTES, (row) => row * 2)
    .names(L.SECTION_MODELS, counts.models, L.MODEL_NAME, bytes, (row) => row * 3)
    .names(L.SECTION_OBJECTIVES, counts.objectives, L.OBJECTIVE_NAME, bytes, (row) => row * 4)
    .names(L.SECTION_ADAPTERS, counts.adapters, L.ADAPTER_NAME, bytes, (row) => row * 5)
    .run(L.SECTION_POOLS, 0, L.POOL_ENDPOINT_START, 0, counts.endpoints)
    .run(L.SECTION_POOLS, 0, L.POOL_MODEL_START, 0, counts.models)
    .run(L.SECTION_POOLS, 0, L.POOL_OBJECTIVE_START, 0, counts.objectives);
  for (let pool = 0; pool < counts.pools; pool++) {
    const kinds = L.SCORER_PREFIX_AFFINITY;
    table.run(L.SECTION_POOLS, pool, L.POOL_SCORER_START, pool * kinds, kinds);
  }
  const each = counts.adapters / counts.endpoints;
  for (let row = 0; row < counts.endpoints; row++) {
    table.run(L.SECTION_ENDPOINTS, row, L.ENDPOINT_ADAPTER_START, row * each, each);
  }
  return table;
}

test("the largest legal table is decoded, aged and picked from in milliseconds", (t) => {
  const { bytes } = largest().writer;
  assert.ok(bytes.length > 0.9 * L.MAX_MESSAGE_BYTES, `${bytes.length} bytes`);
  assert.equal(decodeTable(bytes).pools[0]?.endpoints.length, L.MAX_ENDPOINTS);
  const core = new Core();
  const decodeMs = quickest(() => assert.equal(core.decode(bytes), L.ACCEPTED));
  const pickMs = quickest(() => assert.equal(core.pickRows(0, "a-model-that-no-pool-names").length, 3));
  t.diagnostic(`decode ${decodeMs.toFixed(1)} ms, pick ${pickMs.toFixed(2)} ms`);
  assert.ok(decodeMs < MOST_DECODE_MS, `decode took ${decodeMs} ms`);
  assert.ok(pickMs < MOST_PICK_MS, `a pick took ${pickMs} ms`);
});

/** As many rules, targets, APIs and routes as one message can carry, with names as long and as different. */
function mostRouting(): RawTable {
  const counts: Counts = {
    ...NONE,
    pools: L.MAX_POOLS,
    models: 60_000,
    rewrites: 32_768,
    targets: L.MAX_ROWS,
    apis: L.MAX_APIS,
    routes: L.MAX_ROUTES,
    routePools: L.MAX_ROWS,
    stringBytes: 1_000_000,
  };
  const table = new RawTable(counts).rewrites().apis().routes();
  table
    .names(L.SECTION_POOLS, counts.pools, L.POOL_NAME, L.MAX_POOL_NAME_BYTES, (row) => row)
    .names(L.SECTION_MODELS, counts.models, L.MODEL_NAME, L.MAX_NAME_BYTES, (row) => row * 3)
    .run(L.SECTION_POOLS, 0, L.POOL_MODEL_START, 0, counts.models)
    .run(L.SECTION_POOLS, 0, L.POOL_REWRITE_START, 0, counts.rewrites);
  const apisEach = counts.apis / counts.pools;
  for (let pool = 0; pool < counts.pools; pool++) {
    table.run(L.SECTION_POOLS, pool, L.POOL_API_START, pool * apisEach, apisEach);
  }
  return table;
}

test("the largest rewrites, APIs and routes are decoded, looked up and listed in milliseconds", (t) => {
  const { counts, writer } = mostRouting();
  assert.ok(writer.bytes.length > 0.9 * L.MAX_MESSAGE_BYTES, `${writer.bytes.length} bytes`);
  assert.equal(decodeTable(writer.bytes).routes.length, counts.routes);
  const core = new Core();
  const routing = new Routing(core);
  const decodeMs = quickest(() => assert.equal(core.decode(writer.bytes), L.ACCEPTED));
  const name = "a-model-that-no-pool-names";
  const askMs = quickest(() => {
    for (let ask = 0; ask < 1000; ask++) {
      assert.equal(routing.poolForModel(0, name), -1);
      assert.equal(routing.draw(0, name), undefined);
      assert.equal(routing.api(0, "/v1/chat/completions").api, "openai-chat");
    }
  });
  let listed = 0;
  const { exports } = routing;
  const listMs = quickest(() => {
    exports.beginListing(0);
    for (listed = 0; exports.nextListed() !== 0; ) listed++;
  });
  t.diagnostic(
    `decode ${decodeMs.toFixed(1)} ms, ask ${askMs.toFixed(2)} µs, list ${listed} in ${listMs.toFixed(2)} ms`,
  );
  assert.ok(listed > 60_000, `${listed} listed`);
  assert.ok(decodeMs < MOST_DECODE_MS, `decode took ${decodeMs} ms`);
  assert.ok(askMs < 1000 * MOST_PICK_MS, `a look-up took ${askMs} µs`);
  assert.ok(listMs < MOST_DECODE_MS, `a listing took ${listMs} ms`);
});

const U64 = 2n ** 64n;
const MULTIPLIER = 0x9e3779b97f4a7c15n;

/** Newton's iteration: each step doubles the low bits that are right, five to begin with. */
function inverse(odd: bigint): bigint {
  let result = odd;
  for (let step = 0; step < 5; step++) result = (result * (2n - odd * result)) % U64;
  return ((result % U64) + U64) % U64;
}

function mixed(value: bigint): bigint {
  const product = (value * MULTIPLIER) % U64;
  return product ^ (product >> 32n);
}

function unmixed(value: bigint): bigint {
  return ((value ^ (value >> 32n)) * inverse(MULTIPLIER)) % U64;
}

/** The name of eight bytes whose `nameHash` has the low half 0 and the high half `high`. */
function colliding(high: bigint): bigint {
  return unmixed(unmixed(high << 32n)) ^ mixed(8n);
}

test("names that were chosen to collide are listed and looked up in bounded time", () => {
  const names = 20_000;
  const stringBytes = names * 8;
  const table = new RawTable({
    ...NONE,
    models: names,
    routes: 1,
    routePools: 1,
    stringBytes: stringBytes + 8192,
  });
  const heap = table.writer.sectionOffset(L.SECTION_STRINGS);
  table.names(L.SECTION_MODELS, names, L.MODEL_NAME, 8, (row) => 8192 + row * 8);
  for (let row = 0; row < names; row++) {
    table.writer.view.setBigUint64(heap + 8192 + row * 8, colliding(BigInt(row)), true);
  }
  table.run(L.SECTION_POOLS, 0, L.POOL_MODEL_START, 0, names).routes();
  const core = new Core();
  assert.equal(core.decode(table.writer.bytes), L.ACCEPTED);
  const { exports } = new Routing(core);
  let listed = 0;
  const listMs = quickest(() => {
    exports.beginListing(0);
    for (listed = 0; exports.nextListed() !== 0; ) listed++;
  });
  assert.equal(listed, names);
  assert.ok(listMs < MOST_DECODE_MS, `a listing took ${listMs} ms`);
  const last = core.put(table.writer.bytes.subarray(heap + 8192 + (names - 1) * 8).subarray(0, 8));
  const askMs = quickest(() => assert.equal(exports.poolForModel(0, last, 8), 0));
  assert.ok(askMs < MOST_PICK_MS, `a look-up took ${askMs} ms`);
});
