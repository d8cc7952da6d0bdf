import assert from "node:assert/strict";
import { test } from "node:test";
import type { LearnedPool } from "../table/report.ts";
import { LearnedStates } from "./learned-states.ts";

const OWNER = {};

/** Of a pool; counts how often anybody looks at it. */
function pool(id: bigint, stepMs: number, looks = { count: 0 }): LearnedPool {
  return {
    id,
    get stepMs() {
      looks.count += 1;
      return stepMs;
    },
    contextTokenMs: 0,
    sequenceMs: 0,
    promptTokenMs: 0,
    outputTokens: 0,
    tokensPerByte: 0,
    observations: 10,
  };
}

function learned(...pools: readonly LearnedPool[]) {
  return { pools, slowness: new Map<bigint, number>() };
}

test("a pool's mean is worked out once, until what is known changes", () => {
  const states = new LearnedStates();
  const looks = { count: 0 };
  states.set("one", learned(pool(1n, 8, looks)), OWNER);
  for (let asked = 0; asked < 4; asked++) assert.equal(states.poolOf(1n)?.stepMs, 8);
  assert.equal(looks.count, 1);
  states.set("two", learned(pool(1n, 4)), OWNER);
  assert.equal(states.poolOf(1n)?.stepMs, 6);
  states.forget("one", OWNER);
  assert.equal(states.poolOf(1n)?.stepMs, 4);
  states.forget("two", {});
  assert.equal(states.poolOf(1n)?.stepMs, 4, "another stream's");
});

test("each pool that is asked for costs a look at its own rows, not at those of all pools", () => {
  const states = new LearnedStates();
  const pools = Array.from({ length: 100 }, (_, id) => pool(BigInt(id), id + 1));
  let scanned = 0;
  const rows = pools.map((row) =>
    Object.defineProperty({ ...row }, "observations", {
      get: () => {
        scanned += 1;
        return 10;
      },
    }),
  );
  states.set("one", learned(...rows), OWNER);
  for (const { id } of pools) assert.equal(states.poolOf(id)?.stepMs, Number(id) + 1);
  assert.ok(scanned <= 10 * pools.length, `${scanned} rows were looked at`);
  assert.equal(states.poolOf(1_000n), undefined);
});
