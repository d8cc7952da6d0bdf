import { MAX_ENDPOINTS } from "../../../../assembly/wire/layout.ts";
import { PickerError } from "../../errors.ts";
import { type Flag, flagLines, parseFlags } from "../../flags.ts";
import type { ProfileName } from "../../model.ts";
import type { PoolRow } from "../../table/rows.ts";
import { PROFILE_NUMBERS, SCORER_NUMBERS } from "../../table/names.ts";
import { HARDWARE_NAMES, type HardwareName } from "../hardware.ts";
import { type Objectives, parseTpotObjective, parseTtftObjective } from "./objectives.ts";
import { TRACE_FORMATS, type TraceWindow } from "./trace-source.ts";

const POLICIES = Object.keys(PROFILE_NUMBERS) as readonly ProfileName[];
const SCORERS = Object.keys(SCORER_NUMBERS) as readonly PoolRow["scorers"][number]["name"][];

export interface SimulateSettings {
  readonly window: TraceWindow;
  readonly endpoints: number;
  readonly server: HardwareName;
  readonly speed: number;
  /** Each once, in the order given. */
  readonly policies: readonly ProfileName[];
  /** Of the policy `weighted`. */
  readonly scorers: PoolRow["scorers"];
  readonly scrapeIntervalMs: number;
  readonly objectives: Objectives;
  readonly seed: number;
  readonly explain: number | undefined;
  /** Absent: the one that was built with this program. */
  readonly core: string | undefined;
  readonly json: boolean;
}

const SETTINGS = {
  trace: { flag: "trace", help: "a recording; default: conversations generated after the format's" },
  format: {
    flag: "format",
    help: `${TRACE_FORMATS.join(" or ")}; default: azure for *.csv, otherwise mooncake`,
  },
  skip: { flag: "skip", fallback: "0", help: "requests of the trace to pass over" },
  requests: { flag: "requests", fallback: "3000", help: "requests to take" },
  endpoints: { flag: "endpoints", fallback: "8", help: `servers, 1 to ${MAX_ENDPOINTS}` },
  server: { flag: "server", fallback: "llama-3.1-8b-h100", help: HARDWARE_NAMES.join(", ") },
  speed: { flag: "speed", fallback: "1", help: "times as fast as recorded, above 0" },
  policies: {
    flag: "policies",
    fallback: "epp,least-request,round-robin,random",
    help: `comma-separated: ${POLICIES.join(", ")}`,
  },
  scorers: { flag: "scorers", help: "of weighted, such as in-flight=1,queue-depth=2" },
  scrapeInterval: { flag: "scrape-interval", fallback: "50", help: "ms between two scrapes of a server" },
  ttftObjective: {
    flag: "ttft-objective",
    fallback: "1s+62.5ms/1k",
    help: "for goodput; the second part for each 1,000 prompt tokens",
  },
  tpotObjective: { flag: "tpot-objective", fallback: "40ms", help: "for goodput" },
  seed: { flag: "seed", fallback: "1", help: "of ties, chance and generated traffic" },
  explain: { flag: "explain", help: "print why request N went where; 1 is the first" },
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
  const file = optional("trace");
  const seed = integer("seed", 0, Number.MAX_SAFE_INTEGER);
  const policies = list("policies", required("policies")).map((name) => oneOf("policies", name, POLICIES));
  const scorers = scorersOf(optional("scorers"));
  if (policies.includes("weighted") && scorers.length === 0) {
    throw new PickerError("CONFIG_MISSING", "is needed for the policy weighted", { path: "--scorers" });
  }
  if (!policies.includes("weighted") && scorers.length > 0) {
    throw new PickerError("CONFIG_CONFLICT", "is for the policy weighted, which --policies does not name", {
      path: "--scorers",
      value: optional("scorers"),
    });
  }
  return {
    window: {
      file,
      format: oneOf("format", optional("format") ?? formatOf(file), TRACE_FORMATS),
      skip: integer("skip", 0, 1e12),
      requests: integer("requests", 1, 1e12),
      seed,
    },
    endpoints: integer("endpoints", 1, MAX_ENDPOINTS),
    server: oneOf("server", required("server"), HARDWARE_NAMES),
    speed: number("speed", required("speed"), 1e-6, 1e6, false),
    policies,
    scorers,
    scrapeIntervalMs: number("scrapeInterval", required("scrapeInterval"), 1, 3_600_000, false),
    objectives: {
      ttft: parseTtftObjective(required("ttftObjective"), "--ttft-objective"),
      tpotMs: parseTpotObjective(required("tpotObjective"), "--tpot-objective"),
    },
    seed,
    explain: optional("explain") === undefined ? undefined : integer("explain", 1, 1e12),
    core: optional("core"),
    json: args.includes(JSON_FLAG),
  };
}

/** One line a flag, for `--help`. */
export function simulateHelp(): string {
  const lines = flagLines(SETTINGS, 16);
  return `${[...lines, `  ${JSON_FLAG.padEnd(18)} print one JSON array, an object for each policy`].join("\n")}\n`;
}

function formatOf(file: string | undefined): string {
  return file?.endsWith(".csv") === true ? "azure" : "mooncake";
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
