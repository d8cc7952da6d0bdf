import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildTable } from "../table/build.ts";
import { encodeTable } from "../table/encode.ts";
import { onlyPool, parse, poolMessages } from "./test-pools.ts";

describe("a pool's objectives", () => {
  it("are a time to first token that grows with the prompt, and a time per token", () => {
    const { picking } = onlyPool('  slo: {ttft: "250ms + 0.1s/1k", tpot: 12.5ms, headers: true}\n');
    assert.deepEqual(picking.ttft, { baseMs: 250, perThousandMs: 100 });
    assert.equal(picking.tpotMs, 12.5);
    assert.equal(picking.objectiveHeaders, true);
  });

  it("are refused where nothing could meet them, and in any other form", () => {
    assert.deepEqual(poolMessages("  slo: {ttft: 0s+1ms/1k, tpot: 0ms}\n"), [
      "pools[0].slo.ttft: 0s+1ms/1k is not a duration, or one that grows, such as 1s+62.5ms/1k, from 0.000001ms to 1000000s (line 4)",
      "pools[0].slo.tpot: 0ms is not a duration above 0, such as 40ms, from 0.000001ms to 1000000s (line 4)",
    ]);
    assert.match(poolMessages("  slo: {ttft: fast}\n")[0]!, /fast is not a duration/);
  });

  it("are refused where a table could not carry them", () => {
    for (const slo of [
      "ttft: 1000001s",
      "ttft: 0.0000001ms",
      "ttft: 1s+9999999s/1k",
      "ttft: 1s+0.0000001ms/1k",
      "tpot: 1000001s",
      "tpot: 0.0000001ms",
    ]) {
      assert.match(poolMessages(`  slo: {${slo}}\n`)[0] ?? "", /from 0\.000001ms to 1000000s/, slo);
    }
    for (const slo of [
      "ttft: 1000000s+1000000s/1k",
      "ttft: 0.000001ms",
      "tpot: 1000000s",
      "tpot: 0.000001ms",
    ]) {
      const pool = onlyPool(`  slo: {${slo}}\n`);
      const table = buildTable({
        pools: [pool],
        routes: [],
        endpoints: [],
        samples: new Map(),
        nowMs: 0,
        epoch: 1n,
        sequence: 1n,
      });
      assert.doesNotThrow(() => encodeTable(table), slo);
    }
  });
});

describe("a pool's classes", () => {
  it("go by a header's value to endpoints by their labels", () => {
    const { picking, endpoints } = onlyPool(`  classes:
    header: x-tier
    values:
      - {value: gold, labels: [tier=gold, gpu=h100]}
      - labels: [tier=standard]
  contextLengthLabel: context
  subset: both
  sessionAffinity: true
`);
    assert.deepEqual(picking.classes, {
      header: "x-tier",
      values: [{ value: "gold", labels: { tier: "gold", gpu: "h100" } }, { labels: { tier: "standard" } }],
    });
    assert.equal(picking.contextLengthLabel, "context");
    assert.equal(picking.subset, "both");
    assert.equal(picking.sessionAffinity, true);
    assert.equal(endpoints[0]!.labels, undefined);
  });

  it("are at least one, at most sixteen, and each value once", () => {
    const values = (count: number) =>
      Array.from({ length: count }, (_, at) => `{value: v${at}, labels: [a=b]}`).join(", ");
    const messages = (list: string) => poolMessages(`  classes: {header: x-tier, values: [${list}]}\n`);
    assert.deepEqual(messages(""), ["pools[0].classes.values: 0 values is below 1 (line 4)"]);
    assert.deepEqual(messages(values(17)), ["pools[0].classes.values: 17 values is above 16 (line 4)"]);
    assert.equal(messages("{labels: [a=b]}, {labels: [a=c]}").length, 1);
    assert.match(messages("{value: x, labels: [tier]}")[0]!, /tier is not a label such as tier=gold/);
    assert.match(
      poolMessages("  classes: {header: X-Tier, values: [{labels: [a=b]}]}\n")[0]!,
      /X-Tier is not a header name/,
    );
  });

  it("tell endpoints apart that have labels", () => {
    const { pools } = parse(
      "pools:\n- name: p\n  endpoints: [{address: 10.0.0.1:80, labels: [tier=gold, a=]}, 10.0.0.2:80]\n",
    );
    assert.deepEqual(
      pools[0]!.endpoints.map(({ labels }) => labels),
      [{ tier: "gold", a: "" }, undefined],
    );
  });
});
