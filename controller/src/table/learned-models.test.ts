import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ModelSpec, PoolSpec } from "../model.ts";
import { testEndpoint, testPool } from "../xds/fixtures.ts";
import { buildTable } from "./build.ts";
import { encodeTable } from "./encode.ts";
import { MAX_LEARNED_ROWS, MAX_POOL_LEARNED, withLearned } from "./learned-models.ts";

const ENDPOINT = testEndpoint("p", "10.0.0.1", 80).spec;
const ASKED = { ...ENDPOINT, modelList: { intervalMs: 10_000, path: "/v1/models" } };

const pool = (name: string, over: Partial<PoolSpec> = {}) => testPool(name, { endpoints: [ASKED], ...over });
const models = (count: number, prefix = "m"): readonly ModelSpec[] =>
  Array.from({ length: count }, (_, index) => ({ name: `${prefix}${index}`, adapter: false }));

describe("models that endpoints list", () => {
  it("come after the configured ones, which keep what is said of them", () => {
    const configured = [{ name: "b", adapter: true, priority: 3 }];
    const learned = new Map([["default/p", [...models(1), { name: "b", adapter: false }]]]);
    const { pools, dropped } = withLearned([pool("p", { models: configured })], learned);
    assert.deepEqual(pools[0]!.models, [...configured, ...models(1)]);
    assert.equal(dropped, 0);
  });

  it("are nothing to a pool that does not ask", () => {
    const silent = pool("p", { endpoints: [ENDPOINT], knownModelsOnly: true, models: models(1, "c") });
    const { pools } = withLearned([silent], new Map([["default/p", models(2)]]));
    assert.deepEqual(pools, [silent]);
  });

  it("must have come before an unknown one is refused", () => {
    const strict = pool("p", { knownModelsOnly: true, models: models(1, "c") });
    const known = (learned: ReadonlyMap<string, readonly ModelSpec[]>) =>
      withLearned([strict], learned).pools[0]!.knownModelsOnly;
    assert.equal(known(new Map()), false);
    assert.equal(known(new Map([["default/p", models(1)]])), true);
    assert.equal(known(new Map([["default/p", []]])), true);
    assert.equal(
      withLearned([pool("p")], new Map([["default/p", models(1)]])).pools[0]!.knownModelsOnly,
      false,
    );
  });

  it("leave a pool with few whole where one with many must lose some", () => {
    const learned = new Map([
      ["default/few", models(3)],
      ["default/many", models(MAX_POOL_LEARNED + 10)],
    ]);
    const { pools, dropped } = withLearned([pool("few"), pool("many")], learned);
    assert.deepEqual(
      pools.map((each) => each.models.length),
      [3, MAX_POOL_LEARNED],
    );
    assert.equal(dropped, 10);
  });

  it("fit into a table, however many there are and however long their names", () => {
    const names = Array.from({ length: 64 }, (_, index) => `p${index}`);
    const learned = new Map(names.map((name) => [`default/${name}`, models(1024, name.padEnd(240, "x"))]));
    const pools = names.map((name) => pool(name));
    const rows = buildTable({
      ...{ pools, routes: [], endpoints: [], samples: new Map(), learned },
      ...{ nowMs: 0, epoch: 1n, sequence: 1n },
    });
    const taken = rows.pools.map((row) => row.models.length);
    assert.equal(new Set(taken).size, 1);
    const sum = taken.reduce((total, count) => total + count, 0);
    assert.ok(sum > 3000 && sum <= MAX_LEARNED_ROWS, `${sum}`);
    assert.equal(rows.modelsDropped, 64 * 1024 - sum);
    assert.ok(encodeTable(rows).bytes.length > 1024 * 1024);
  });

  it("take only the room that configured ones leave", () => {
    const full = pool("full", { models: models(65_534, "c") });
    const learned = new Map(["full", "a", "b"].map((name) => [`default/${name}`, models(3)]));
    const { pools, dropped } = withLearned([full, pool("a"), pool("b")], learned);
    assert.deepEqual(
      pools.map((each) => each.models.length),
      [65_534, 0, 0],
    );
    assert.equal(dropped, 9);
  });

  it("take no room that the table needs for what is configured", () => {
    const long = (count: number, prefix: string) => models(count, prefix.padEnd(240, "c"));
    const configured = pool("full", { models: long(15_400, "f") });
    const learned = new Map([["default/p", long(1024, "l")]]);
    const rows = buildTable({
      ...{ pools: [configured, pool("p")], routes: [], endpoints: [], samples: new Map(), learned },
      ...{ nowMs: 0, epoch: 1n, sequence: 1n },
    });
    const taken = rows.pools[1]!.models.length;
    assert.ok(taken > 50 && taken < 1024, `${taken}`);
    assert.equal(rows.modelsDropped, 1024 - taken);
    const { bytes } = encodeTable(rows);
    assert.ok(bytes.length > 4 * 1024 * 1024 - 10_000, `${bytes.length}`);
  });

  it("take no room of others' in a pool that asks no more", () => {
    const former = pool("former", { endpoints: [ENDPOINT] });
    const learned = new Map(["former", "p"].map((name) => [`default/${name}`, models(1024)]));
    const full = pool("full", { models: models(65_536 - 1024, "c"), endpoints: [ENDPOINT] });
    const { pools, dropped } = withLearned([full, former, pool("p")], learned);
    assert.deepEqual([pools[1]!.models.length, pools[2]!.models.length, dropped], [0, 1024, 0]);
  });

  it("make a pool read bodies where there are several, or an adapter", () => {
    const reads = (learned: readonly ModelSpec[]) =>
      buildTable({
        ...{
          pools: [pool("p", { readBody: "auto", profile: "random" })],
          routes: [],
          endpoints: [],
          samples: new Map(),
        },
        ...{ learned: new Map([["default/p", learned]]), nowMs: 0, epoch: 1n, sequence: 1n },
      }).pools[0]!.readBody;
    assert.equal(reads(models(1)), false);
    assert.equal(reads(models(2)), true);
    assert.equal(reads([{ name: "sql", adapter: true }]), true);
  });
});
