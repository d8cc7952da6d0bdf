/**
 * Simulates the launch article's benchmark, and writes its tables and plots:
 *
 *     node --import tsx test/policies/launch-benchmark/run.ts [--scale 0.1] [--jobs 2] [--core build/core.wasm] [--write]
 *
 * Without `--write`, the tables go to the output and nothing is changed. The whole takes about five minutes
 * of two cores.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { loadCoreModule } from "../../../controller/src/core/picking-core.ts";
import { Runner } from "../../../controller/src/simulation/runs/runner.ts";
import type { EngineName } from "../../../controller/src/simulation/step-engines.ts";
import { CHARTS, chartFile } from "./charts.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { withTable } from "./page.ts";
import { planRuns, RATES, TABULATED_RATES } from "./plan.ts";

const ROOT = new URL("../../../", import.meta.url);
const PAGE = new URL("docs/launch-benchmark.md", ROOT);
const PLOTS = new URL("docs/launch-benchmark/", ROOT);

const { values } = parseArgs({
  options: {
    scale: { type: "string", default: "1" },
    jobs: { type: "string", default: String(availableParallelism()) },
    core: { type: "string", default: new URL("build/core.wasm", ROOT).pathname },
    write: { type: "boolean", default: false },
  },
});

const runner = new Runner({ module: loadCoreModule(values.core), jobs: Number(values.jobs) });

function runAll(rates: readonly number[], engine: EngineName): Promise<readonly Figures[]> {
  const specs = planRuns(rates, Number(values.scale), engine);
  return Promise.all(specs.map(async (spec) => figuresOf(spec, await runner.run(spec))));
}

const linear = await runAll(RATES, "linear");
const tabulated = await runAll(TABULATED_RATES, "tabulated");
await runner.close();
const page = withTable(withTable(readFileSync(PAGE, "utf8"), "linear", linear), "tabulated", tabulated);
if (values.write) {
  mkdirSync(PLOTS, { recursive: true });
  for (const chart of CHARTS) writeFileSync(new URL(`${chart.name}.svg`, PLOTS), chartFile(chart, linear));
  writeFileSync(PAGE, page);
} else {
  process.stdout.write(page);
}
