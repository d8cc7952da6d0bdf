import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PoolSpec } from "../model.ts";
import { buildTable } from "../table/build.ts";
import { testEndpoint, testPool } from "../xds/fixtures.ts";
import { type TableView, tableView } from "./table-view.ts";

function view(over: Partial<PoolSpec> = {}, picks: Readonly<Record<string, bigint>> = {}): TableView {
  const rows = buildTable({
    pools: [testPool("llama", over), testPool("qwen")],
    routes: [
      {
        name: "models",
        pathPrefix: "/",
        headers: [],
        pools: ["llama", "qwen"].map((pool) => ({ pool: `default/${pool}`, weight: 1 })),
        byModel: true,
      },
    ],
    endpoints: [testEndpoint("llama", "10.0.0.1", 80), testEndpoint("llama", "10.0.0.2", 80)],
    samples: new Map(),
    nowMs: 0,
    epoch: 7n,
    sequence: 9n,
  });
  const byId = new Map(
    rows.pools[0]!.endpoints.map(({ id, address }): [bigint, bigint] => [id, picks[address] ?? 0n]),
  );
  return tableView(
    rows,
    (id) => byId.get(id) ?? 0n,
    () => 0,
    [],
    () => [],
    { problem: null, findings: [] },
  );
}

describe("the table for people", () => {
  it("shows of a pool what its requests are held to, and of an endpoint the classes that it is in", () => {
    const { picking } = testPool("llama");
    const values = [{ value: "gold", labels: { tier: "gold" } }, { labels: {} }];
    const [pool] = view({ picking: { ...picking, tpotMs: 25, classes: { header: "x-tier", values } } }).pools;
    assert.equal(pool?.picking?.tpotMs, 25);
    assert.deepEqual(pool?.picking?.classes, [{ header: "gold" }, { header: "" }]);
    assert.deepEqual(
      pool?.endpoints.map(({ classes }) => classes),
      [[1], [1]],
    );
  });

  it("shows what models are rewritten to with the chance of each, and null for any model", () => {
    const [pool] = view({
      rewrites: [
        {
          model: "chat",
          targets: [
            { model: "v1", weight: 3 },
            { model: "v2", weight: 1 },
          ],
        },
        { targets: [{ model: "v1", weight: 7 }] },
      ],
      restoreModel: true,
      apis: [{ suffix: "/ask", api: "json" }],
    }).pools;
    assert.deepEqual(pool?.rewrites, [
      {
        model: "chat",
        targets: [
          { model: "v1", weight: 3, share: 0.75 },
          { model: "v2", weight: 1, share: 0.25 },
        ],
      },
      { model: null, targets: [{ model: "v1", weight: 7, share: 1 }] },
    ]);
    assert.deepEqual([pool?.restoreModel, pool?.addUsage], [true, false]);
    assert.deepEqual(pool?.apis, [{ suffix: "/ask", api: "json" }]);
  });

  it("shows the routes on which the model chooses, with their pools in order", () => {
    assert.deepEqual(view().routes, [{ name: "models", pools: ["default/llama", "default/qwen"] }]);
  });

  it("is JSON with null for what was never measured, and shares only where there are picks", () => {
    const parse = (table: TableView) => (JSON.parse(JSON.stringify(table)) as TableView).pools[0]!.endpoints;
    assert.deepEqual(
      parse(view()).map(({ queuedRequests, ageMs, pickShare }) => [queuedRequests, ageMs, pickShare]),
      [
        [null, null, null],
        [null, null, null],
      ],
    );
    const shares = parse(view({}, { "10.0.0.1:80": 3n, "10.0.0.2:80": 1n }));
    assert.deepEqual(
      shares.map(({ picks, pickShare }) => [picks, pickShare]),
      [
        [3, 0.75],
        [1, 0.25],
      ],
    );
  });
});
