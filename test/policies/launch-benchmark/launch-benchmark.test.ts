import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { executeRun } from "../../../controller/src/simulation/runs/run.ts";
import { coreModule } from "../../core/core.ts";
import { read, table } from "../../docs/page.ts";
import { CHARTS, chartFile } from "./charts.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { withTable } from "./page.ts";
import { planRuns, POLICIES, RATES, REPLICAS, TABULATED_RATES } from "./plan.ts";

const PAGE = "docs/launch-benchmark.md";

async function quick(): Promise<readonly Figures[]> {
  const figures: Figures[] = [];
  // Three seconds at two rates that ten servers bear.
  for (const spec of planRuns([100, 200], 0.05, "linear")) {
    figures.push(figuresOf(spec, await executeRun(spec, coreModule())));
  }
  return figures;
}

describe("the launch article's benchmark", () => {
  it("asks the same requests of ten replicas at each rate, whoever picks", () => {
    const specs = planRuns(RATES, 1, "linear");
    assert.equal(specs.length, RATES.length * POLICIES.length);
    for (const { window, servers } of specs) {
      assert.equal(window.requests, 60 * window.qps!);
      assert.deepEqual(
        servers.map(({ count }) => count),
        [REPLICAS],
      );
    }
    assert.deepEqual([RATES[0], RATES.at(-1)], [100, 1000]);
  });

  it("gives figures that a plot and a table take, from runs that are over", async () => {
    const all = await quick();
    for (const { policy, ...values } of all) {
      for (const [name, value] of Object.entries(values)) assert.ok(value > 0, `${policy} ${name}: ${value}`);
    }
    const idle = all.filter(({ rate }) => rate === 100);
    assert.ok(idle.every(({ goodPercent }) => goodPercent > 99));
    for (const chart of CHARTS) {
      const file = chartFile(chart, all);
      assert.match(file, /^<svg [^>]+viewBox="0 0 460 316"/);
      for (const policy of POLICIES) assert.ok(file.includes(`>${policy}</text>`));
      assert.equal(file.match(/<path class="line"/g)?.length, 2 * POLICIES.length);
    }
    const page = withTable("a\n<!-- figures: linear -->\nold\n<!-- /figures: linear -->\nb\n", "linear", all);
    assert.match(page, /^a\n<!-- figures: linear -->\n\nEach column: `net-goodput`/);
    assert.match(page, /\n<!-- \/figures: linear -->\nb\n$/);
    assert.doesNotMatch(page, /old/);
    assert.equal(page.match(/^\| [12]00 \| /gm)?.length, 2);
    assert.throws(() => withTable(page, "tabulated", all), /lacks/);
  });

  it("has its page, with a row for each rate, and every plot", () => {
    const page = read(PAGE);
    const rates = (heading: string) => table(page, "requests/s", heading).map(([rate]) => Number(rate));
    assert.deepEqual(rates("## Figures"), [...RATES]);
    assert.deepEqual(rates("## With servers that differ"), [...TABULATED_RATES]);
    for (const { name } of CHARTS) {
      assert.ok(page.includes(`launch-benchmark/${name}.svg`), name);
      assert.match(read(`docs/launch-benchmark/${name}.svg`), /^<svg [\s\S]*<\/svg>\n$/);
    }
  });
});
