import assert from "node:assert/strict";
import { it } from "node:test";
import type { PoolSpec } from "../model.ts";
import { testPool } from "../xds/fixtures.ts";
import { readsBody } from "./body-reading.ts";

const ONE = { name: "a", adapter: false };
const ADAPTER = { name: "sql", adapter: true };
const TARGETS = [{ model: "b", weight: 1 }];

const CASES: readonly (readonly [what: string, over: Partial<PoolSpec>, expected: boolean])[] = [
  ["nothing at all", {}, false],
  ["one model", { models: [ONE] }, false],
  ["several models", { models: [ONE, { name: "b", adapter: false }] }, true],
  ["an adapter", { models: [ADAPTER] }, true],
  ["a rewrite", { rewrites: [{ targets: TARGETS }] }, true],
  ["usage that is added", { addUsage: true }, true],
  ["requireModel", { requireModel: true }, true],
  ["knownModelsOnly", { knownModelsOnly: true, models: [ONE] }, true],
  ["the scorer lora-affinity", { scorers: [{ name: "lora-affinity", weight: 1 }] }, true],
  ["another scorer", { scorers: [{ name: "queue-depth", weight: 1 }] }, false],
];

for (const [what, over, expected] of CASES) {
  it(`a pool with ${what} ${expected ? "reads" : "does not read"} the body by itself`, () => {
    assert.equal(readsBody(testPool("p", { readBody: "auto", ...over }), false), expected);
  });
}

it("a pool among which the model chooses reads the body by itself", () => {
  assert.equal(readsBody(testPool("p", { readBody: "auto" }), true), true);
});

it("what the pool says itself goes before every reason", () => {
  assert.equal(readsBody(testPool("p", { readBody: true }), false), true);
  assert.equal(readsBody(testPool("p", { readBody: false, models: [ADAPTER] }), true), false);
});
