/** Carries out one run in this thread. */
import { PickingCore } from "../../core/picking-core.ts";
import { PickerError } from "../../errors.ts";
import { SCORER_NAMES } from "../../table/names.ts";
import { explanationText } from "../replay/explanation.ts";
import { seededRandom } from "../random.ts";
import { GatewayPicker } from "../replay/gateway-picker.ts";
import { type LoadSamples, LoadSeries } from "../replay/load-series.ts";
import type { PolicyFigures, RunSummary } from "../replay/outcomes.ts";
import { replay } from "../replay/replay.ts";
import { readWindow } from "../replay/trace-source.ts";
import type { AccessLogCounts } from "../traces/access-log-reader.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import type { RunSpec } from "./run-spec.ts";
import { endpointsOf, hardwareOf } from "./server-mix.ts";

/** Between the seeds of two workers: 2⁶⁴ over the golden ratio, so that no two seeds meet. */
const SEED_STEP = 0x9e3779b97f4a7c15n;

/** What a run gives: plain values alone, so that it can be sent and kept. */
export interface RunResult {
  readonly figures: PolicyFigures;
  readonly summary: RunSummary;
  readonly load: LoadSamples;
  /** Scorers that the policy names and that nothing computes. */
  readonly missing: readonly string[];
  /** Absent: the trace is no access log. */
  readonly accessLog?: AccessLogCounts | undefined;
  /** Absent: none was asked for, or the trace ended before the request. */
  readonly explanation?: string | undefined;
}

/** @throws PickerError or SimulationError for a trace that cannot be read or a policy that a table cannot hold */
export async function executeRun(
  spec: RunSpec,
  module: WebAssembly.Module,
  onProgress?: (arrived: number) => void,
): Promise<RunResult> {
  const { window, servers, engine, speed, policy, scorers, scrapeIntervalMs, objectives, explain } = spec;
  const cores = coresOf(spec, module);
  const core = cores[0]![0]!;
  const profile = { profile: policy, scorers };
  const known = { tokenEstimate: tokenEstimateOf(spec), hashedBlocks: spec.hashedBlocks };
  const load = new LoadSeries();
  let accessLog: AccessLogCounts | undefined;
  const requests = readWindow(window, (counts) => {
    if (counts.requests === 0) {
      throw new PickerError(
        "CONFIG_RANGE",
        `none of ${counts.lines} lines has prompt_tokens and completion_tokens`,
        {
          path: "--trace",
          value: window.file,
          bound: "at least one answer with usage",
        },
      );
    }
    accessLog = counts;
  });
  const { outcomes, explanation } = await replay(requests, {
    ...(spec.envoys * spec.workers === 1
      ? { core, profile, ...known }
      : {
          picker: (all) => new GatewayPicker(all, { cores, profile, scrapeIntervalMs, objectives, ...known }),
        }),
    hardware: hardwareOf(servers),
    endpoints: endpointsOf(servers),
    engine,
    engineSeed: spec.seed,
    scrapeIntervalMs,
    speed,
    objectives,
    explain,
    onProgress,
    load,
  });
  return {
    figures: outcomes.figures(policy),
    summary: outcomes.summary(),
    load: load.samples(),
    missing: missingTerms(core),
    accessLog,
    explanation:
      explanation === undefined || explain === undefined
        ? undefined
        : explanationText(explain, policy, explanation),
  };
}

/** By Envoy, by worker; what chance decides differs between them. */
function coresOf(
  { envoys, workers, seed, priorFactor = 1 }: RunSpec,
  module: WebAssembly.Module,
): readonly (readonly PickingCore[])[] {
  return Array.from({ length: envoys }, (_, envoy) =>
    Array.from({ length: workers }, (_, worker) => {
      const own = envoy * workers + worker;
      const core = new PickingCore(module, BigInt(seed) + BigInt(own) * SEED_STEP);
      core.exports.setPriors(priorFactor);
      return core;
    }),
  );
}

/** Undefined: the core's own estimate by bytes, which is right in a replay. */
function tokenEstimateOf({ tokenError, seed }: RunSpec): ((asked: TraceRequest) => number) | undefined {
  if (tokenError === undefined) return undefined;
  const random = seededRandom(seed);
  return ({ promptTokens }) => Math.max(1, promptTokens * (1 + tokenError * (2 * random() - 1)));
}

function missingTerms(core: PickingCore): readonly string[] {
  const kinds = core.exports.missingTerms(0);
  return [...SCORER_NAMES].filter(([kind]) => (kinds & (1 << kind)) !== 0).map(([, name]) => name);
}
