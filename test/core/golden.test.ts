import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as L from "../../assembly/wire/layout.ts";
import { caseFile, constant, type GoldenCase, loadCases } from "../golden/case.ts";
import { Core } from "./core.ts";
import { Routing } from "./routing.ts";

/** Seeds tried where chance decides. */
const SEEDS = 200;
const DRAWS = 10_000;

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

/** What the case says of the request's model, path and route. */
function checkRouting(golden: GoldenCase, request: NonNullable<GoldenCase["request"]>): void {
  const core = prepared(golden, 1n);
  const routing = new Routing(core);
  const { targets, api, pathModel, pool, listing } = golden.expect;
  const { model = "" } = request;
  const from = core.poolOfCluster(request.cluster);
  if (targets !== undefined) {
    const counts = new Map<string, number>();
    const names = Object.keys(targets);
    for (let draw = 0; draw < (names.length === 0 ? 1 : DRAWS); draw++) {
      const name = routing.draw(from, model);
      if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    assert.deepEqual([...counts.keys()].sort(), names.sort());
    const total = Object.values(targets).reduce((sum, weight) => sum + weight, 0);
    for (const [name, weight] of Object.entries(targets)) {
      const share = weight / total;
      const sigma = Math.sqrt(DRAWS * share * (1 - share));
      assert.ok(Math.abs(counts.get(name)! - DRAWS * share) <= 4.5 * sigma, `${name}: ${counts.get(name)}`);
    }
  }
  if (api !== undefined) {
    assert.deepEqual(
      routing.api(from, request.path ?? ""),
      pathModel === undefined ? { api } : { api, model: pathModel },
    );
  }
  const route = routing.routeOf(request.route ?? "");
  if (pool !== undefined) {
    const chosen = routing.poolForModel(route, model);
    assert.equal(chosen, pool === "" ? -1 : core.poolOfName(pool));
  }
  if (listing !== undefined) {
    assert.deepEqual(
      routing.listing(route).map(({ name }) => name),
      listing,
    );
  }
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
    checkRouting(golden, golden.request);
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
