import { MAX_ENDPOINTS } from "../../../../assembly/wire/layout.ts";
import { PickerError } from "../../errors.ts";
import { type Flag, flagLines, parseFlags } from "../../flags.ts";
import type { ProfileName } from "../../model.ts";
import type { PoolRow } from "../../table/rows.ts";
import { SCORER_NUMBERS } from "../../table/names.ts";
import { PROFILE_LIST } from "../../../../assembly/wire/profiles.ts";
import { HARDWARE_NAMES } from "../hardware.ts";
import { ENGINE_NAMES, type EngineName } from "../step-engines.ts";
import { parseServerMix, type ServerMix } from "../runs/server-mix.ts";
import { type Objectives, parseTpotObjective, parseTtftObjective, type TtftObjective } from "./objectives.ts";
import { formatOf, TRACE_FORMATS, type TraceFormat, type TraceWindow } from "./trace-source.ts";

const POLICIES: readonly ProfileName[] = PROFILE_LIST;
const SCORERS = Object.keys(SCORER_NUMBERS) as readonly PoolRow["scorers"][number]["name"][];

/** What is looked for, so that at least this share of the requests keeps its objectives. */
export interface Search {
  readonly kind: "replicas" | "max-rate";
  /** > 0, at most 1 */
  readonly goodputRatio: number;
}

export interface SimulateSettings {
  /** The first one. */
  readonly window: TraceWindow;
  /** Windows of as many requests each, one behind the other. */
  readonly windows: number;
  readonly servers: ServerMix;
  readonly engine: EngineName;
  /** Ascending, each once. */
  readonly speeds: readonly number[];
  /** Each once, in the order given. */
  readonly policies: readonly ProfileName[];
  /** Of the policy `weighted`. */
  readonly scorers: PoolRow["scorers"];
  /** Envoys, and workers of each, that pick in turn. */
  readonly envoys: number;
  readonly workers: number;
  readonly scrapeIntervalMs: number;
  readonly objectives: Objectives;
  readonly seed: number;
  readonly explain: number | undefined;
  readonly search: Search | undefined;
  /** Runs at a time; absent: as many as there are cores. */
  readonly jobs: number | undefined;
  /** Folder of finished runs; absent: none is kept. */
  readonly state: string | undefined;
  /** File of the HTML report. */
  readonly report: string | undefined;
  /** Folder of reports in inference-perf's form. */
  readonly inferencePerf: string | undefined;
  /** Absent: the one that was built with this program. */
  readonly core: string | undefined;
  readonly json: boolean;
}

const DEFAULT_ENDPOINTS = 8;
const MOST_JOBS = 256;
const MOST_PICKERS = 64;
const MOST_WINDOWS = 1000;

const SETTINGS = {
  trace: { flag: "trace", help: "a recording; default: conversations generated after the format's" },
  format: {
    flag: "format",
    help: `${TRACE_FORMATS.join(", ")}; default: by the ending: azure for *.csv, access-log for *.log, else mooncake`,
  },
  skip: { flag: "skip", fallback: "0", help: "requests of the trace to pass over" },
  requests: { flag: "requests", fallback: "3000", help: "requests to take" },
  windows: {
    flag: "windows",
    fallback: "1",
    help: "so many times as many requests, each by itself; figures of people's tables are means",
  },
  qps: { flag: "qps", help: "of generated traffic: conversations that begin a second" },
  endpoints: { flag: "endpoints", help: `servers, 1 to ${MAX_ENDPOINTS} (default ${DEFAULT_ENDPOINTS})` },
  server: {
    flag: "server",
    fallback: "llama-3.1-8b-h100",
    help: `${HARDWARE_NAMES.join(", ")}; a mix: KIND:4,KIND@0.4:4, the second at 0.4 of its speed`,
  },
  engine: {
    flag: "engine",
    fallback: "linear",
    help: `how steps take their time: ${ENGINE_NAMES.join(" or ")}, the second with noise and stalls`,
  },
  speed: { flag: "speed", fallback: "1", help: "times as fast as recorded, above 0" },
  speeds: { flag: "speeds", help: "several of them, such as 3,4,5" },
  policies: {
    flag: "policies",
    fallback: "net-goodput,lmetric,sticky,epp,round-robin",
    help: `comma-separated: ${POLICIES.join(", ")}`,
  },
  scorers: { flag: "scorers", help: "of weighted, such as in-flight=1,queue-depth=2" },
  envoys: { flag: "envoys", fallback: "1", help: "gateways that requests come to in turn" },
  workers: { flag: "workers", fallback: "1", help: "workers of each, each with a picker of its own" },
  scrapeInterval: { flag: "scrape-interval", fallback: "50", help: "ms between two scrapes of a server" },
  ttftObjective: {
    flag: "ttft-objective",
    fallback: "1s+62.5ms/1k",
    help: "for goodput; the second part for each 1,000 prompt tokens",
  },
  tpotObjective: { flag: "tpot-objective", fallback: "40ms", help: "for goodput" },
  seed: { flag: "seed", fallback: "1", help: "of ties, chance and generated traffic" },
  explain: { flag: "explain", help: "print why request N went where; 1 is the first" },
  findReplicas: {
    flag: "find-replicas",
    help: "fewest servers by which such a share of the requests is good, such as 95%",
  },
  findMaxRate: { flag: "find-max-rate", help: "highest speed at which such a share of the requests is good" },
  jobs: { flag: "jobs", help: "runs at a time; default: as many as there are cores" },
  state: {
    flag: "state",
    help: "folder of finished runs: the same command goes on where it was interrupted",
  },
  report: { flag: "report", help: "write a page with plots to this file (HTML)" },
  inferencePerf: {
    flag: "inference-perf",
    help: "write summary_lifecycle_metrics.json of each run below this folder",
  },
  core: { flag: "core", help: "core.wasm; default: the one built with this program" },
} as const satisfies Record<string, Flag>;

type Key = keyof typeof SETTINGS;
const JSON_FLAG = "--json";

/** @throws PickerError with the flag, the value and the bound */
export function parseSimulateSettings(args: readonly string[]): SimulateSettings {
  const flags = parseFlags(
    args.filter((arg) => arg !== JSON_FLAG),
    SETTINGS,
  );
  const optional = (key: Key): string | undefined => {
    const { flag, fallback }: Flag = SETTINGS[key];
    return flags.get(flag) ?? fallback;
  };
  const required = (key: Key): string => optional(key) ?? "";
  const integer = (key: Key, low: number, high: number) => number(key, required(key), low, high, true);
  const optionalInteger = (key: Key, low: number, high: number) =>
    flags.has(SETTINGS[key].flag) ? integer(key, low, high) : undefined;
  const seed = integer("seed", 0, Number.MAX_SAFE_INTEGER);
  const policies = list("policies", required("policies")).map((name) => oneOf("policies", name, POLICIES));
  const scorers = scorersOf(optional("scorers"));
  if (policies.includes("weighted") && scorers.length === 0) {
    throw new PickerError("CONFIG_MISSING", "is needed for the policy weighted", { path: "--scorers" });
  }
  if (!policies.includes("weighted") && scorers.length > 0) {
    throw conflict(
      "scorers",
      "is for the policy weighted, which --policies does not name",
      optional("scorers"),
    );
  }
  const search = searchOf(optional("findReplicas"), optional("findMaxRate"));
  if (search !== undefined) {
    for (const key of ["speeds", "explain", "inferencePerf"] as const) {
      if (optional(key) !== undefined)
        throw conflict(key, `is not for a search (--find-${search.kind})`, optional(key));
    }
  }
  return {
    window: windowOf({
      file: optional("trace"),
      format: optional("format"),
      skip: integer("skip", 0, 1e12),
      requests: integer("requests", 1, 1e12),
      seed,
      qps: optional("qps"),
    }),
    windows: integer("windows", 1, MOST_WINDOWS),
    servers: parseServerMix(
      required("server"),
      optionalInteger("endpoints", 1, MAX_ENDPOINTS),
      DEFAULT_ENDPOINTS,
    ),
    speeds: speedsOf(flags.get("speed"), required("speed"), optional("speeds")),
    policies,
    scorers,
    envoys: integer("envoys", 1, MOST_PICKERS),
    workers: integer("workers", 1, MOST_PICKERS),
    scrapeIntervalMs: number("scrapeInterval", required("scrapeInterval"), 1, 3_600_000, false),
    objectives: {
      ttft: ttftObjectiveOf(required("ttftObjective")),
      tpotMs: parseTpotObjective(required("tpotObjective"), "--tpot-objective"),
    },
    engine: oneOf("engine", required("engine"), ENGINE_NAMES),
    seed,
    explain: optionalInteger("explain", 1, 1e12),
    search,
    jobs: optionalInteger("jobs", 1, MOST_JOBS),
    state: optional("state"),
    report: optional("report"),
    inferencePerf: optional("inferencePerf"),
    core: optional("core"),
    json: args.includes(JSON_FLAG),
  };
}

/** One line a flag, for `--help`. */
export function simulateHelp(): string {
  const lines = flagLines(SETTINGS, 16);
  return `${[...lines, `  ${JSON_FLAG.padEnd(18)} print one JSON array, an object for each run`].join("\n")}\n`;
}

interface WrittenWindow extends Omit<TraceWindow, "format" | "qps"> {
  readonly format: string | undefined;
  readonly qps: string | undefined;
}

function windowOf({ file, format: written, qps, ...window }: WrittenWindow): TraceWindow {
  const format: TraceFormat =
    written === undefined ? formatOf(file) : oneOf("format", written, TRACE_FORMATS);
  if (format === "synthetic" && file !== undefined) {
    throw conflict("trace", "is a recording, and the format synthetic is generated", file);
  }
  if (format === "access-log" && file === undefined) {
    throw new PickerError("CONFIG_MISSING", "is needed: no access log can be generated", { path: "--trace" });
  }
  if (qps !== undefined && file !== undefined) {
    throw conflict(
      "qps",
      "is for generated traffic, and --trace is a recording (--speed makes it faster)",
      qps,
    );
  }
  return {
    file,
    format,
    ...window,
    ...(qps === undefined ? {} : { qps: number("qps", qps, 1e-3, 1e6, false) }),
  };
}

function speedsOf(given: string | undefined, speed: string, several: string | undefined): readonly number[] {
  if (several === undefined) return [number("speed", speed, 1e-6, 1e6, false)];
  if (given !== undefined) throw conflict("speeds", "is given beside --speed", several);
  const speeds = list("speeds", several).map((word) => number("speeds", word, 1e-6, 1e6, false));
  return speeds.sort((a, b) => a - b);
}

function searchOf(replicas: string | undefined, maxRate: string | undefined): Search | undefined {
  if (replicas !== undefined && maxRate !== undefined) {
    throw conflict("findMaxRate", "is given beside --find-replicas", maxRate);
  }
  if (replicas !== undefined) return { kind: "replicas", goodputRatio: shareOf("findReplicas", replicas) };
  if (maxRate !== undefined) return { kind: "max-rate", goodputRatio: shareOf("findMaxRate", maxRate) };
  return undefined;
}

function ttftObjectiveOf(written: string): TtftObjective {
  const objective = parseTtftObjective(written, pathOf("ttftObjective"));
  // A pool's table holds none of 0: no answer would keep it.
  if (objective.baseMs > 0) return objective;
  throw badNumber("ttftObjective", written, "of a fixed part above 0");
}

/** `95%` or `0.95`. */
function shareOf(key: Key, written: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?) ?(%)?$/.exec(written) ?? [];
  const share = digits === undefined ? Number.NaN : Number(digits) / (percent === undefined ? 1 : 100);
  if (share > 0 && share <= 1) return share;
  throw badNumber(key, written, "a share above 0 and at most 1, such as 0.95 or 95%");
}

function oneOf<Name extends string>(key: Key, value: string, names: readonly Name[]): Name {
  const name = names.find((known) => known === value);
  if (name !== undefined) return name;
  const bound = names.join(", ");
  throw new PickerError("CONFIG_REFERENCE", `${JSON.stringify(value)} is none of ${bound}`, {
    path: pathOf(key),
    value,
    bound,
  });
}

/** Non-empty words, each once. */
function list(key: Key, written: string): readonly string[] {
  const words = written.split(",").map((word) => word.trim());
  const repeated = words.find((word, index) => words.indexOf(word) !== index);
  if (repeated !== undefined) {
    const value = repeated;
    throw new PickerError("CONFIG_DUPLICATE", `${JSON.stringify(value)} is given twice`, {
      path: pathOf(key),
      value,
    });
  }
  return words;
}

function scorersOf(written: string | undefined): PoolRow["scorers"] {
  if (written === undefined) return [];
  const scorers = written.split(",").map((part) => {
    const [name = "", weight = "", ...more] = part.trim().split("=");
    if (more.length > 0) throw badNumber("scorers", part, "a scorer and its weight, such as in-flight=1");
    return {
      name: oneOf("scorers", name, SCORERS),
      weight: number("scorers", weight, 1e-6, 1e6, false),
    };
  });
  list("scorers", scorers.map(({ name }) => name).join(","));
  return scorers;
}

function number(key: Key, written: string, low: number, high: number, isInteger: boolean): number {
  const value = /^\d+(?:\.\d+)?$/.test(written) ? Number(written) : Number.NaN;
  if (value >= low && value <= high && (!isInteger || Number.isInteger(value))) return value;
  throw badNumber(key, written, `${isInteger ? "an integer" : "a number"} from ${low} to ${high}`);
}

function conflict(key: Key, message: string, value: string | undefined): PickerError {
  return new PickerError("CONFIG_CONFLICT", message, { path: pathOf(key), value });
}

function badNumber(key: Key, value: string, bound: string): PickerError {
  return new PickerError("CONFIG_RANGE", `${JSON.stringify(value)} is not ${bound}`, {
    path: pathOf(key),
    value,
    bound,
  });
}

function pathOf(key: Key): string {
  return `--${SETTINGS[key].flag}`;
}
