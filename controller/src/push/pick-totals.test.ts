import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Report } from "../table/report.ts";
import { PickTotals } from "./pick-totals.ts";

function report(picks: bigint, generation = 1n, ids: readonly bigint[] = [7n]): Report {
  return {
    epoch: 1n,
    sequence: 1n,
    node: "n",
    generation,
    holder: 1n,
    tablesRefused: 0,
    lastRefusal: 0,
    liveSlots: 1,
    endpoints: ids.map((id) => ({ id, requests: 0, uncachedTokens: 0, residentTokens: 0n, picks })),
    missingTerms: new Map(),
  };
}

function totals(ids: readonly bigint[] = [7n]): PickTotals {
  const picks = new PickTotals();
  picks.retain(ids);
  return picks;
}

describe("the totals of picks", () => {
  it("add up what each report counts beyond the one before, over two generations side by side", () => {
    const picks = totals();
    const stream = {};
    for (const [count, generation] of [
      [10n, 1n],
      [1n, 2n],
      [12n, 1n],
      [4n, 2n],
    ] as const) {
      picks.add("a", report(count, generation), stream);
    }
    picks.add("b", report(100n), {});
    assert.equal(picks.get(7n), 116n);
  });

  it("count no pick twice when the stream ends and another brings the same counts", () => {
    const picks = totals();
    const first = {};
    const second = {};
    picks.add("a", report(10n), first);
    picks.forget("a", first);
    picks.add("a", report(11n), second);
    // The other way round: the new stream is there before the old one ends.
    picks.forget("a", first);
    picks.add("a", report(12n), second);
    assert.equal(picks.get(7n), 12n);
  });

  it("do not grow with an Envoy that changes its generation or its node at each report", () => {
    const ids = Array.from({ length: 1000 }, (_, index) => BigInt(index));
    const picks = totals(ids);
    const stream = {};
    for (let turn = 0n; turn < 2000n; turn++) picks.add("a", report(1n, turn, ids), stream);
    assert.equal(picks.nodes, 1);
    for (let turn = 0; turn < 2000; turn++) {
      picks.add(`node-${turn}`, report(1n, 1n, ids), stream);
      picks.forget(`node-${turn}`, stream);
    }
    assert.ok(picks.nodes <= 66, `${picks.nodes} nodes`);
    for (let turn = 0; turn < 100_000; turn++) {
      picks.add(`empty-${turn}`, report(1n, 1n, []), stream);
      picks.forget(`empty-${turn}`, stream);
    }
    assert.ok(picks.nodes <= 65_537, `${picks.nodes} nodes`);
  });
});
