import assert from "node:assert/strict";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import type { PoolRow, RouteRow } from "../../controller/src/table/rows.ts";
import { SeededRandom } from "../emulator/random.ts";
import { Core } from "./core.ts";
import { Routing } from "./routing.ts";
import { endpoint, pool, tableBytes } from "./tables.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20261128);

function serving(name: string, models: readonly string[], aliases: readonly string[] = []): PoolRow {
  return pool(name, [], {
    byModel: true,
    models: models.map((model) => ({ name: model, adapter: model.startsWith("lora") })),
    rewrites: aliases.map((model) => ({ model, targets: [{ model: "target", weight: 1 }] })),
  });
}

function routing(pools: readonly PoolRow[], routes: readonly RouteRow[], core = new Core()): Routing {
  assert.equal(core.decode(tableBytes(pools, 1n, routes)), L.ACCEPTED);
  return new Routing(core);
}

test("a route is found by its whole name, and one without rows is not by model", () => {
  const names = ["chat", "chat-2", "café", "n".repeat(L.MAX_POOL_NAME_BYTES)];
  const pools = [serving("ns/a", [])];
  const routes = routing(
    pools,
    names.map((name) => ({ name, pools: ["ns/a"] })),
  );
  names.forEach((name, index) => {
    assert.equal(routes.routeOf(name), index);
  });
  for (const name of ["", "cha", "chat-", "Chat", "cafe"]) assert.equal(routes.routeOf(name), -1, name);
  assert.equal(routing(pools, []).routeOf("chat"), -1);
  assert.equal(new Routing(new Core()).routeOf("chat"), -1);
});

test("the first pool of the route that lists the model serves it, by list or by exact rewrite", () => {
  const pools = [
    serving("ns/a", ["x", "shared"]),
    serving("ns/b", ["y", "shared"], ["alias"]),
    serving("ns/c", ["z", "x"], ["", "y"]),
  ];
  const routes = routing(pools, [
    { name: "all", pools: ["ns/a", "ns/b", "ns/c"] },
    { name: "turned", pools: ["ns/c", "ns/b"] },
  ]);
  const of = (route: number, model: string): number => routes.poolForModel(route, model);
  assert.deepEqual(
    ["x", "y", "z", "shared", "alias"].map((model) => of(0, model)),
    [0, 1, 2, 0, 1],
  );
  assert.deepEqual(
    ["x", "y", "z", "shared", "alias"].map((model) => of(1, model)),
    [2, 2, 2, 1, 1],
  );
  // A target is not asked for, and a rule for any model does not make a pool serve all of them.
  for (const unknown of ["target", "", "xy", "X"]) assert.equal(of(0, unknown), -1, unknown);
});

test("the listing of a route goes pool by pool, models before rewritten names, and says no name twice", () => {
  const pools = [
    serving("ns/a", ["base", "lora-a", "base"], ["alias", "base", "alias"]),
    serving("ns/none", [], [""]),
    serving("ns/b", ["lora-a", "lora-b", "alias"], ["other"]),
  ];
  const routes = routing(pools, [
    { name: "two", pools: ["ns/a", "ns/none", "ns/b"] },
    { name: "turned", pools: ["ns/b", "ns/a"] },
    { name: "empty", pools: ["ns/none"] },
  ]);
  assert.deepEqual(routes.listing(0), [
    { name: "base", pool: 0, adapter: false },
    { name: "lora-a", pool: 0, adapter: true },
    { name: "alias", pool: 0, adapter: false },
    { name: "lora-b", pool: 2, adapter: true },
    { name: "other", pool: 2, adapter: false },
  ]);
  assert.deepEqual(
    routes.listing(1).map(({ name }) => name),
    ["lora-a", "lora-b", "alias", "other", "base"],
  );
  assert.deepEqual(routes.listing(2), []);
  assert.deepEqual(routes.listing(2), []);
});

test("pools keep the flags that their requests depend on", () => {
  const plain = { readBody: false };
  const rows = [
    pool("ns/a", [], { ...plain, restoreModel: true }),
    pool("ns/b", [], { ...plain, addUsage: true }),
    pool("ns/c", [], { ...plain, byModel: true }),
    pool("ns/d", [], plain),
  ];
  const routes = routing(rows, []);
  assert.deepEqual(
    rows.map((_, index) => routes.exports.poolFlags(index)),
    [L.POOL_FLAG_RESTORE_MODEL, L.POOL_FLAG_ADD_USAGE, L.POOL_FLAG_BY_MODEL, 0],
  );
});

test("a later table replaces routes, rewrites and paths, and one that is refused does not", () => {
  const core = new Core();
  const first = { ...serving("ns/a", ["x"], ["alias"]), apis: [{ suffix: "/own", api: "json" as const }] };
  const routes = routing([first], [{ name: "r", pools: ["ns/a"] }], core);
  const state = (): unknown => [
    routes.routeOf("r"),
    routes.routeOf("s"),
    routes.draw(0, "alias"),
    routes.api(0, "/own").api,
  ];
  assert.deepEqual(state(), [0, -1, "target", "json"]);
  const next = serving("ns/a", ["y"]);
  const message = tableBytes([next], 2n, [{ name: "s", pools: ["ns/a"] }]).slice();
  const view = new DataView(message.buffer);
  const entry = L.HEADER_FIXED_BYTES + L.SECTION_ROUTE_POOLS * L.DIRECTORY_ENTRY_BYTES;
  const row = view.getUint32(entry + L.ENTRY_OFFSET, true);
  view.setUint32(row + L.ROUTE_POOL_INDEX, 1, true);
  assert.equal(core.decode(message), L.REFUSED_REFERENCE);
  assert.deepEqual(state(), [0, -1, "target", "json"]);
  view.setUint32(row + L.ROUTE_POOL_INDEX, 0, true);
  assert.equal(core.decode(message), L.ACCEPTED);
  assert.deepEqual(state(), [-1, 0, undefined, "none"]);
  assert.equal(routes.poolForModel(0, "y"), 0);
  assert.equal(routes.poolForModel(0, "x"), -1);
});

test("an older writer's table, which has no such sections, has no rewrites, paths or routes", () => {
  const bytes = tableBytes([pool("ns/a", [endpoint("10.0.0.1:1")])]).slice();
  const view = new DataView(bytes.buffer);
  // What a pool's row holds behind the older stride is another's business there.
  const entry = L.HEADER_FIXED_BYTES + L.SECTION_POOLS * L.DIRECTORY_ENTRY_BYTES;
  const row = view.getUint32(entry + L.ENTRY_OFFSET, true);
  for (let at = L.POOL_STRIDE_V0; at < L.POOL_STRIDE_V1; at += 4) view.setUint32(row + at, 0xa5a5a5a5, true);
  const core = new Core();
  assert.equal(core.decode(bytes), L.REFUSED_REFERENCE);
  view.setUint32(L.HEADER_SECTION_COUNT, L.TABLE_SECTIONS_V1 - 1, true);
  assert.equal(core.decode(bytes), L.ACCEPTED);
  const routes = new Routing(core);
  assert.equal(routes.draw(0, "m"), undefined);
  assert.equal(routes.api(0, "/v1/completions").api, "openai-completions");
  assert.equal(routes.routeOf(""), -1);
});

test(`any pools and routes choose and list as going through them in order does (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const names = ["a", "b", "c", "lora-d", "modèle", "e"];
  const some = (): readonly string[] => names.filter(() => random.below(3) === 0);
  for (let round = 0; round < 200; round++) {
    const pools = Array.from({ length: 1 + random.below(5) }, (_, at) =>
      serving(`ns/p${at}`, some(), random.below(2) === 0 ? some() : ["", ...some()]),
    );
    const indices = pools
      .map((_, index) => index)
      .filter((index) => index === 0 || random.below(3) > 0)
      .sort(() => random.below(3) - 1);
    const routes = routing(pools, [{ name: "r", pools: indices.map((index) => pools[index]!.name) }]);
    const offered = indices.flatMap((index) => {
      const { models, rewrites } = pools[index]!;
      return [...models, ...rewrites].map((row) => ({
        name: "name" in row ? row.name : row.model,
        pool: index,
      }));
    });
    const asked = offered.filter(({ name }) => name !== "");
    for (const name of names) {
      const expected = asked.find((one) => one.name === name)?.pool ?? -1;
      assert.equal(routes.poolForModel(0, name), expected, name);
    }
    assert.deepEqual(
      routes.listing(0).map(({ name, pool: index }) => ({ name, pool: index })),
      asked.filter(({ name }, at) => asked.findIndex((one) => one.name === name) === at),
    );
  }
});
