/** How large a pool has to be, or how much it bears: the answers for each policy, as text and as JSON. */
import { MAX_ENDPOINTS } from "../../../../assembly/wire/layout.ts";
import { TextTable } from "../../cli/text-table.ts";
import type { PolicyFigures } from "../replay/outcomes.ts";
import { change, jsonReport, percent, seconds } from "../replay/report.ts";
import type { Search, SimulateSettings } from "../replay/settings.ts";
import { BASELINE } from "./comparison.ts";
import { meanFigures } from "./means.ts";
import { specOf } from "./plan.ts";
import type { RunResult } from "./run.ts";
import type { RunSpec } from "./run-spec.ts";
import { fastest, fewest } from "./search.ts";
import { endpointsOf, scaled } from "./server-mix.ts";

export interface SearchAnswer {
  readonly policy: RunSpec["policy"];
  /** Absent: no size or speed within the bounds of the search is enough. */
  readonly found?: {
    readonly endpoints: number;
    readonly speed: number;
    /** Requests that arrive a second, the mean over the windows. */
    readonly offeredPerSecond: number;
    /** Means over the windows. */
    readonly figures: PolicyFigures;
  };
}

/** Searches for every policy at once; whoever carries out the runs says how many run at a time. */
export function search(
  settings: SimulateSettings,
  wanted: Search,
  carryOut: (spec: RunSpec) => Promise<RunResult>,
): Promise<readonly SearchAnswer[]> {
  return Promise.all(settings.policies.map((policy) => searchFor(policy, settings, wanted, carryOut)));
}

async function searchFor(
  policy: RunSpec["policy"],
  settings: SimulateSettings,
  { kind, goodputRatio }: Search,
  carryOut: (spec: RunSpec) => Promise<RunResult>,
): Promise<SearchAnswer> {
  const { windows, servers } = settings;
  const start = endpointsOf(servers);
  const speed = settings.speeds[0]!;
  const tried = new Map<number, NonNullable<SearchAnswer["found"]>>();
  const measure = async (size: number, at: number): Promise<NonNullable<SearchAnswer["found"]>> => {
    const results = await Promise.all(
      Array.from({ length: windows }, (_, window) =>
        carryOut({ ...specOf(settings, policy, at, window), servers: scaled(servers, size) }),
      ),
    );
    const offered = results.map(({ summary }) => (1000 * summary.arrived) / summary.arrivalSpanMs);
    return {
      endpoints: size,
      speed: at,
      offeredPerSecond: offered.reduce((sum, rate) => sum + rate, 0) / offered.length,
      figures: meanFigures(results.map(({ figures }) => figures)),
    };
  };
  const isEnough = async (key: number, size: number, at: number): Promise<boolean> => {
    const measured = await measure(size, at);
    tried.set(key, measured);
    return measured.figures.goodputRatio >= goodputRatio;
  };
  const key =
    kind === "replicas"
      ? await fewest((size) => isEnough(size, size, speed), start, MAX_ENDPOINTS)
      : await fastest((at) => isEnough(at, start, at), speed);
  const found = key === undefined ? undefined : tried.get(key);
  return { policy, ...(found === undefined ? {} : { found }) };
}

/** One array, an object for each policy: its figures with `endpoints` and `speed`; both null: there is no answer. */
export function searchJson(answers: readonly SearchAnswer[]): string {
  return jsonReport(
    answers.map(({ policy, found }) =>
      found === undefined
        ? { ...NO_FIGURES, policy, endpoints: null, speed: null }
        : { ...found.figures, endpoints: found.endpoints, speed: found.speed },
    ),
  );
}

export function searchText(
  answers: readonly SearchAnswer[],
  settings: SimulateSettings,
  { kind, goodputRatio }: Search,
): string {
  const base = answers.find(({ policy }) => policy === BASELINE)?.found;
  const isReplicas = kind === "replicas";
  const table = new TextTable([
    { title: "policy" },
    ...(isReplicas ? ["servers"] : ["speed", "req/s"]).map((title) => ({ title, right: true })),
    ...["goodput", "TTFT p99", "TPOT p90", `against ${BASELINE}`].map((title) => ({ title, right: true })),
  ]);
  for (const { policy, found } of answers) {
    if (found === undefined) {
      table.add([policy, "none", ...(isReplicas ? [] : ["-"]), "-", "-", "-", "-"]);
      continue;
    }
    const { endpoints, speed, offeredPerSecond, figures } = found;
    const gain = base === undefined || policy === BASELINE ? Number.NaN : isReplicas ? endpoints : speed;
    table.add([
      policy,
      ...(isReplicas ? [String(endpoints)] : [String(speed), offeredPerSecond.toFixed(2)]),
      percent(figures.goodputRatio),
      seconds(figures.ttftP99Ms),
      `${figures.tpotP90Ms.toFixed(1)} ms`,
      base === undefined ? "-" : change(gain, isReplicas ? base.endpoints : base.speed),
    ]);
  }
  const head = isReplicas
    ? `fewest servers that keep ${percent(goodputRatio)} of the requests within the objectives, at speed ${settings.speeds[0]}`
    : `highest speed at which ${endpointsOf(settings.servers)} servers keep ${percent(goodputRatio)} of the requests within the objectives`;
  return `${[head, ...table.lines(Number.POSITIVE_INFINITY)].join("\n")}\n`;
}

/** The answers in a sentence. */
export function searchSentence(answers: readonly SearchAnswer[], { kind, goodputRatio }: Search): string {
  const parts = answers.map(({ policy, found }) => {
    if (found === undefined) return `${policy} never`;
    const { endpoints, speed, offeredPerSecond } = found;
    const at = `${offeredPerSecond.toFixed(1)} requests a second (speed ${speed})`;
    return kind === "replicas" ? `${policy} with ${endpoints} servers` : `${policy} up to ${at}`;
  });
  return `${percent(goodputRatio)} of the requests are within their objectives by ${parts.join(", by ")}.`;
}

const NO_FIGURES: Omit<PolicyFigures, "policy"> = {
  ttftMeanMs: Number.NaN,
  ttftP50Ms: Number.NaN,
  ttftP90Ms: Number.NaN,
  ttftP99Ms: Number.NaN,
  tpotMeanMs: Number.NaN,
  tpotP90Ms: Number.NaN,
  e2eP90Ms: Number.NaN,
  cacheHitRatio: Number.NaN,
  preemptions: Number.NaN,
  goodputRatio: Number.NaN,
  requestsPerSecond: Number.NaN,
  rejectedRatio: Number.NaN,
};
