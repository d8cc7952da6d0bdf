import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { findCoreFile, loadCoreModule } from "../core/picking-core.ts";
import { PickerError } from "../errors.ts";
import { jsonReport } from "../simulation/replay/report.ts";
import { parseSimulateSettings, simulateHelp, type SimulateSettings } from "../simulation/replay/settings.ts";
import { comparison, comparisonJson } from "../simulation/runs/comparison.ts";
import { summaryLifecycleMetrics } from "../simulation/runs/inference-perf.ts";
import { labelsOf, specsOf } from "../simulation/runs/plan.ts";
import { Progress } from "../simulation/runs/progress.ts";
import { htmlReport } from "../simulation/runs/report/html-report.ts";
import type { RunResult } from "../simulation/runs/run.ts";
import type { FinishedRun, RunSpec } from "../simulation/runs/run-spec.ts";
import { RunStore } from "../simulation/runs/run-store.ts";
import { RunUsageError } from "../simulation/runs/run-threads.ts";
import { Runner } from "../simulation/runs/runner.ts";
import { search, searchJson, searchSentence, searchText } from "../simulation/runs/searched.ts";
import { SimulationError } from "../simulation/simulation-error.ts";
import { type CommandContext, EXIT_USAGE } from "./command.ts";

const USAGE = `inference-picker simulate

Replays a trace against simulated model servers in virtual time, picked by the filter's own code.

`;

/** 0: simulated, 2: wrong flags or trace, or a file that cannot be written. */
export async function runSimulate(context: CommandContext): Promise<number> {
  const { args, stdout, stderr } = context;
  if (args.includes("--help")) {
    stdout.write(USAGE + simulateHelp());
    return 0;
  }
  try {
    await simulate(parseSimulateSettings(args), context);
    return 0;
  } catch (error) {
    const isUsage =
      error instanceof PickerError || error instanceof SimulationError || error instanceof RunUsageError;
    if (!isUsage) throw error;
    stderr.write(`${error.message}\n`);
    return EXIT_USAGE;
  }
}

async function simulate(settings: SimulateSettings, context: CommandContext): Promise<void> {
  const { stdout, stderr } = context;
  const coreFile = settings.core ?? builtCore();
  const module = loadCoreModule(coreFile);
  const specs = specsOf(settings);
  const labelOf = labelsOf(settings);
  const progress =
    stderr.isTTY === true
      ? new Progress({ out: stderr, nowMs: () => performance.now(), labelOf })
      : undefined;
  const { state, window, search: wanted } = settings;
  const jobs = settings.jobs ?? availableParallelism();
  const runner = new Runner({
    module,
    // A single run needs no thread beside this one.
    jobs: wanted === undefined ? Math.min(jobs, specs.length) : jobs,
    store:
      state === undefined
        ? undefined
        : await RunStore.open(state, { core: readFileSync(coreFile), trace: window.file }),
    watch: progress,
  });
  const finished: FinishedRun[] = [];
  const carryOut = async (spec: RunSpec): Promise<RunResult> => {
    const result = await runner.run(spec);
    finished.push({ spec, result });
    return result;
  };
  try {
    if (wanted === undefined) {
      const results = await Promise.all(specs.map(carryOut));
      const runs = specs.map((spec, index) => ({ spec, result: results[index]! }));
      progress?.clear();
      tellNotes(runs, settings, context);
      stdout.write(settings.json ? jsonReport(comparisonJson(runs, settings)) : comparison(runs, settings));
      writeReports(runs, settings, context);
    } else {
      const answers = await search(settings, wanted, carryOut);
      progress?.clear();
      tellNotes(finished, settings, context);
      stdout.write(settings.json ? searchJson(answers) : searchText(answers, settings, wanted));
      writeReports(finished, settings, context, searchSentence(answers, wanted));
    }
  } finally {
    progress?.clear();
    await runner.close();
  }
}

/** @throws PickerError if nothing was built */
function builtCore(): string {
  const file = findCoreFile(fileURLToPath(import.meta.url));
  if (file !== undefined) return file;
  throw new PickerError("CONFIG_MISSING", "is needed: there is no core.wasm beside this program", {
    path: "--core",
  });
}

/** What a reader of the figures has to know, each thing once; and the explanations that were asked for. */
function tellNotes(
  runs: readonly FinishedRun[],
  settings: SimulateSettings,
  { stdout, stderr }: CommandContext,
): void {
  const { explain, windows, json } = settings;
  const labelOf = labelsOf(settings);
  const notes = new Set<string>();
  for (const { spec, result } of runs) {
    const { missing, summary, accessLog } = result;
    const { requests, skip } = spec.window;
    if (accessLog !== undefined && accessLog.requests < accessLog.lines) {
      notes.add(
        `${accessLog.lines - accessLog.requests} of ${accessLog.lines} lines of the log have no usage`,
      );
    }
    if (missing.length > 0)
      notes.add(`${spec.policy}: without ${missing.join(", ")}, which nothing computes`);
    if (summary.arrived < requests) {
      const from = windows > 1 ? `, from request ${skip + 1}` : "";
      notes.add(`${spec.policy}${from}: the trace ended after ${summary.arrived} of ${requests} requests`);
    }
  }
  for (const note of notes) stderr.write(`${note}\n`);
  if (explain === undefined) return;
  for (const { spec, result } of runs) {
    const { explanation, summary } = result;
    const label = labelOf(spec);
    if (explanation === undefined) {
      stderr.write(`${label}: there is no request ${explain} of ${summary.arrived}\n`);
      continue;
    }
    const head = label === spec.policy ? "" : `${label}\n`;
    (json ? stderr : stdout).write(`${head}${explanation}\n`);
  }
}

function writeReports(
  runs: readonly FinishedRun[],
  settings: SimulateSettings,
  { args }: CommandContext,
  lead?: string,
): void {
  const { report, inferencePerf } = settings;
  if (report !== undefined) {
    writing("--report", report, () => writeFileSync(report, htmlReport(runs, settings, args, lead)));
  }
  if (inferencePerf === undefined) return;
  const labelOf = labelsOf(settings);
  writing("--inference-perf", inferencePerf, () => {
    for (const { spec, result } of runs) {
      const folder = join(inferencePerf, labelOf(spec).replaceAll(/[^\w.]+/g, "-"));
      mkdirSync(folder, { recursive: true });
      const text = JSON.stringify(summaryLifecycleMetrics(result.summary), null, 2);
      writeFileSync(join(folder, "summary_lifecycle_metrics.json"), `${text}\n`);
    }
  });
}

/** @throws PickerError where the file system refuses */
function writing(path: string, value: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PickerError("CONFIG_REFERENCE", `${JSON.stringify(value)} cannot be written: ${reason}`, {
      path,
      value,
      cause,
    });
  }
}
