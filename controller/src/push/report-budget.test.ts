import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_PREFIXES_BYTES } from "../../../assembly/wire/prefixes.ts";
import { ReportBudget } from "./report-budget.ts";

/** One second of an Envoy that sends as much as a filter can: bytes of each message. */
const BUSIEST_SECOND: readonly number[] = [
  ...Array<number>(10).fill(MAX_PREFIXES_BYTES),
  // Reports of thousands of endpoints, with all that was learned.
  ...Array<number>(10).fill(350 * 1024),
  // A tick each.
  ...Array<number>(40).fill((1024 * 1024) / 40),
];

test("an Envoy that has as much to say as a filter can is never cut off", () => {
  const budget = new ReportBudget(0);
  for (let second = 0; second < 60; second++) {
    BUSIEST_SECOND.forEach((bytes, at) => {
      const nowMs = second * 1000 + (at * 1000) / BUSIEST_SECOND.length;
      assert.ok(budget.spend(bytes, nowMs), `second ${second}`);
    });
  }
});

test("a flood is cut off within a second", () => {
  const budget = new ReportBudget(0);
  let taken = 0;
  while (budget.spend(16, (taken * 1000) / 2_000)) taken++;
  assert.ok(taken < 2_000, `${taken} messages`);
});
