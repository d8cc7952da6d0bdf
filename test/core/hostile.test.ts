import assert from "node:assert/strict";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { decodeTable } from "../../controller/src/table/decode.ts";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import { MessageWriter } from "../../controller/src/table/message.ts";
import { WireError } from "../../controller/src/table/wire-error.ts";
import { Core } from "./core.ts";
import { addressOf } from "./tables.ts";

/** No table may hold a worker longer than this. Measured: 15 ms on one core of a busy machine. */
const MOST_DECODE_MS = 50;
const MOST_PICK_MS = 5;
const RUNS = 5;

interface Counts {
  readonly pools: number;
  readonly endpoints: number;
  readonly clusters: number;
  readonly models: number;
  readonly adapters: number;
  readonly objectives: number;
  readonly scorers: number;
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
      { count: 0, stride: L.REWRITE_STRIDE },
      { count: counts.stringBytes, stride: 1 },
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
  stringBytes: 8192,
};

/** ms of the quickest of several runs: what the work takes, whatever else the machine does. */
function quickest(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    work();
    best = Math.min(best, performance.now() - start);
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

/** As many rows of every kind, with names as long and as different, as one message can carry. */
function largest(): RawTable {
  const counts: Counts = {
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
