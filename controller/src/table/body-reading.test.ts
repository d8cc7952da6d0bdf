import assert from "node:assert/strict";
import { it } from "node:test";
import type { PoolSpec } from "../model.ts";
import { testPool } from "../xds/fixtures.ts";
import { readsBody } from "./body-reading.ts";

const ONE = { name: "a", adapter: false };
const ADAPTER = { name: "sql", adapter: true };
const TARGETS = [{ model: "b", weight: 1 }];

const MIX = { profile: "weighted" } as const;

const CASES: readonly (readonly [what: string, over: Partial<PoolSpec>, expected: boolean])[] = [
  ["nothing at all", {}, false],
  ["one model", { models: [ONE] }, false],
  ["several models", { models: [ONE, { name: "b", adapter: false }] }, true],
  ["an adapter", { models: [ADAPTER] }, true],
  ["a rewrite", { rewrites: [{ targets: TARGETS }] }, true],
  ["usage that is added", { addUsage: true }, true],
  ["requireModel", { requireModel: true }, true],
  ["knownModelsOnly", { knownModelsOnly: true, models: [ONE] }, true],
  ["the scorer lora-affinity", { ...MIX, scorers: [{ name: "lora-affinity", weight: 1 }] }, true],
  ["the scorer prefix-affinity", { ...MIX, scorers: [{ name: "prefix-affinity", weight: 1 }] }, true],
  ["another scorer", { ...MIX, scorers: [{ name: "queue-depth", weight: 1 }] }, false],
  ["a profile that goes by prefixes", { profile: "epp" }, true],
  ["the default profile", { profile: "net-goodput" }, true],
  ["round-robin", { profile: "round-robin" }, false],
  ["random order", { profile: "random" }, false],
  ["ranges of lengths", { picking: { ...testPool("p").picking, contextLengthLabel: "context" } }, true],
];

for (const [what, over, expected] of CASES) {
  it(`a pool with ${what} ${expected ? "reads" : "does not read"} the body by itself`, () => {
    assert.equal(
      readsBody(testPool("p", { readBody: "auto", profile: "least-request", ...over }), false),
      expected,
    );
  });
}

it("a pool among which the model chooses reads the body by itself", () => {
  assert.equal(readsBody(testPool("p", { readBody: "auto", profile: "least-request" }), true), true);
});

it("what the pool says itself goes before every reason", () => {
  assert.equal(readsBody(testPool("p", { readBody: true }), false), true);
  assert.equal(readsBody(testPool("p", { readBody: false, models: [ADAPTER] }), true), false);
});
