import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { caseFile, constant, type GoldenCase, loadCases } from "../golden/case.ts";
import { Core } from "./core.ts";

/** Seeds tried where chance decides. */
const SEEDS = 200;

function bytesOf(golden: GoldenCase): Uint8Array {
  return readFileSync(caseFile(golden.name, "bin"));
}

/** A core that holds the case's table and what it says is in flight. */
function prepared(golden: GoldenCase, seed: bigint): Core {
  const core = new Core(seed);
  assert.equal(core.decode(bytesOf(golden), 1000), L.ACCEPTED);
  for (const [address, count] of Object.entries(golden.request?.inFlight ?? {})) core.open(address, count);
  core.exports.age(1000 + (golden.request?.elapsedMs ?? 0));
  return core;
}

const cases = loadCases();

test("there are golden cases", () => {
  assert.ok(cases.length >= 12, `${cases.length} cases`);
});

for (const golden of cases) {
  test(`golden ${golden.name}: ${golden.about}`, () => {
    const verdict = new Core().decode(bytesOf(golden));
    const expected = constant(golden.expect.verdict);
    assert.equal(verdict, expected, golden.expect.verdict);
    if (golden.request === undefined) return;
    const { cluster, model } = golden.request;
    const { picks, oneOf, never } = golden.expect;
    const firsts = new Set<string>();
    for (let seed = 0; seed < SEEDS; seed++) {
      const core = prepared(golden, BigInt(seed));
      const picked = core.pick(core.poolOfCluster(cluster), model ?? "");
      if (picks !== undefined) assert.deepEqual(picked, picks);
      if (picked[0] !== undefined) firsts.add(picked[0]);
    }
    if (oneOf !== undefined) assert.deepEqual([...firsts].sort(), [...oneOf].sort());
    for (const address of never ?? []) assert.ok(!firsts.has(address), `${address} came first`);
  });
}

test("a refused message leaves the table in use as it was", () => {
  const good = cases.find(({ name }) => name === "every-column");
  assert.ok(good !== undefined);
  const core = new Core();
  assert.equal(core.decode(bytesOf(good)), L.ACCEPTED);
  const before = [core.addresses(), core.exports.sequence(), core.exports.epoch()];
  for (const golden of cases) {
    if (golden.expect.verdict === "ACCEPTED") continue;
    assert.notEqual(core.decode(bytesOf(golden)), L.ACCEPTED);
    assert.deepEqual([core.addresses(), core.exports.sequence(), core.exports.epoch()], before);
  }
});
