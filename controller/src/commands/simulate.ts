import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { findCoreFile, loadCoreModule, PickingCore } from "../core/picking-core.ts";
import { PickerError } from "../errors.ts";
import { hardware } from "../simulation/hardware.ts";
import { explanationText } from "../simulation/replay/explanation.ts";
import type { PolicyFigures } from "../simulation/replay/outcomes.ts";
import { replay } from "../simulation/replay/replay.ts";
import { jsonReport, textReport } from "../simulation/replay/report.ts";
import { parseSimulateSettings, simulateHelp, type SimulateSettings } from "../simulation/replay/settings.ts";
import { readWindow } from "../simulation/replay/trace-source.ts";
import { SimulationError } from "../simulation/simulation-error.ts";
import { SCORER_NAMES } from "../table/names.ts";
import { type CommandContext, EXIT_USAGE } from "./command.ts";

const USAGE = `inference-picker simulate

Replays a trace against simulated model servers in virtual time, picked by the filter's own code.

`;
/** Real time between two words of progress. */
const PROGRESS_INTERVAL_MS = 200;

/** 0: simulated, 2: wrong flags or trace. */
export async function runSimulate(context: CommandContext): Promise<number> {
  const { args, stdout, stderr } = context;
  if (args.includes("--help")) {
    stdout.write(USAGE + simulateHelp());
    return 0;
  }
  try {
    const settings = parseSimulateSettings(args);
    const module = loadCoreModule(settings.core ?? builtCore());
    const figures: PolicyFigures[] = [];
    for (const policy of settings.policies) figures.push(await simulate(policy, settings, module, context));
    stdout.write(settings.json ? jsonReport(figures) : textReport(figures));
    return 0;
  } catch (error) {
    if (!(error instanceof PickerError || error instanceof SimulationError)) throw error;
    stderr.write(`${error.message}\n`);
    return EXIT_USAGE;
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

async function simulate(
  policy: SimulateSettings["policies"][number],
  settings: SimulateSettings,
  module: WebAssembly.Module,
  { stdout, stderr }: CommandContext,
): Promise<PolicyFigures> {
  const { window, endpoints, speed, scrapeIntervalMs, objectives } = settings;
  const core = new PickingCore(module, BigInt(settings.seed));
  const progress = new Progress(stderr, policy, window.requests);
  const { outcomes, explanation } = await replay(readWindow(window), {
    core,
    profile: { profile: policy, scorers: policy === "weighted" ? settings.scorers : [] },
    hardware: hardware(settings.server),
    endpoints,
    scrapeIntervalMs,
    speed,
    objectives,
    explain: settings.explain,
    onProgress: (arrived) => progress.show(arrived),
  });
  progress.clear();
  const missing = missingTerms(core);
  if (missing.length > 0) stderr.write(`${policy}: without ${missing.join(", ")}, which nothing computes\n`);
  if (outcomes.arrived < window.requests) {
    stderr.write(`${policy}: the trace ended after ${outcomes.arrived} of ${window.requests} requests\n`);
  }
  if (explanation !== undefined && settings.explain !== undefined) {
    const out = settings.json ? stderr : stdout;
    out.write(`${explanationText(settings.explain, policy, explanation)}\n`);
  } else if (settings.explain !== undefined) {
    stderr.write(`${policy}: there is no request ${settings.explain} of ${outcomes.arrived}\n`);
  }
  return outcomes.figures(policy);
}

/** Scorers that the policy names and that the core does not have. */
function missingTerms(core: PickingCore): readonly string[] {
  const kinds = core.exports.missingTerms(0);
  return [...SCORER_NAMES].filter(([kind]) => (kinds & (1 << kind)) !== 0).map(([, name]) => name);
}

/** One line that is written over, on a terminal only. */
class Progress {
  readonly #out: CommandContext["stderr"];
  readonly #policy: string;
  readonly #requests: number;
  #shownMs = Number.NEGATIVE_INFINITY;

  constructor(out: CommandContext["stderr"], policy: string, requests: number) {
    this.#out = out;
    this.#policy = policy;
    this.#requests = requests;
  }

  show(arrived: number): void {
    if (this.#out.isTTY !== true) return;
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < PROGRESS_INTERVAL_MS) return;
    this.#shownMs = nowMs;
    const percent = Math.floor((100 * arrived) / this.#requests);
    this.#out.write(`\r\x1b[K${this.#policy}: ${arrived} of ${this.#requests} requests, ${percent} %`);
  }

  clear(): void {
    if (this.#out.isTTY === true && this.#shownMs > 0) this.#out.write("\r\x1b[K");
  }
}
