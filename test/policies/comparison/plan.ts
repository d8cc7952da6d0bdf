/** What the comparison of the policies simulates: windows, loads, and what is made hard for the policies. */
import { join } from "node:path";
import type { TraceWindow } from "../../../controller/src/simulation/replay/trace-source.ts";
import type { RunSpec } from "../../../controller/src/simulation/runs/run-spec.ts";
import type { ServerMix } from "../../../controller/src/simulation/runs/server-mix.ts";

export interface Traffic {
  readonly title: string;
  readonly windows: readonly TraceWindow[];
}

const WINDOWS = 3;
/** Requests of a window: minutes of Mooncake's traffic and half a minute of Azure's, at the knee. */
const MOONCAKE_REQUESTS = 3000;
const AZURE_REQUESTS = 4300;
/** Nothing was tuned on what comes after these. */
const MOONCAKE_TUNED = 3000;
const AZURE_TUNED = 6400;

/** Windows of the recordings in a folder; without one, of traffic generated after them. */
export function trafficOf(folder: string | undefined): readonly Traffic[] {
  const windows = (
    format: "mooncake" | "azure",
    file: string,
    tuned: number,
    requests: number,
  ): readonly TraceWindow[] =>
    Array.from({ length: WINDOWS }, (_, index) =>
      folder === undefined
        ? { format, skip: 0, requests, seed: 101 + index }
        : { format, file: join(folder, file), skip: tuned + index * requests, requests, seed: 1 },
    );
  return [
    {
      title: "Mooncake conversation",
      windows: windows("mooncake", "mooncake_conversation_trace.jsonl", MOONCAKE_TUNED, MOONCAKE_REQUESTS),
    },
    {
      title: "Azure conversation",
      windows: windows("azure", "AzureLLMInferenceTrace_conv.csv", AZURE_TUNED, AZURE_REQUESTS),
    },
  ];
}

export const SERVERS: ServerMix = [{ name: "llama-3.1-8b-h100", speed: 1, count: 8 }];
/** Half of them 2.5 times slower, which nobody is told. */
export const MIXED_SERVERS: ServerMix = [
  { name: "llama-3.1-8b-h100", speed: 1, count: 4 },
  { name: "llama-3.1-8b-h100", speed: 0.4, count: 4 },
];

/** Rates in percent of the one at which round robin's goodput is a half. */
const LOADS = [60, 80, 95, 100, 110, 120] as const;
const KNEE_LOADS = [80, 100, 110] as const;
const OURS = "net-goodput";
const ALL = [OURS, "marginal-cost", "lmetric", "sticky", "epp", "least-request", "round-robin"] as const;

/** One table: its rows are policies or what was made hard, its columns loads. */
export interface Section {
  readonly name: string;
  readonly title: string;
  readonly servers: ServerMix;
  readonly engine: RunSpec["engine"];
  /**
   * The knee is that of equal servers, times this share, which is the pool's capacity. Absent: the section's servers have their own.
   * Round robin fails half of the requests on unequal ones while the faster half is idle.
   */
  readonly kneeShare?: number;
  readonly loads: readonly number[];
  readonly rows: readonly Row[];
}

export interface Row {
  readonly title: string;
  readonly policy: string;
  readonly change?: Partial<RunSpec>;
}

const rowsOf = (policies: readonly string[]): readonly Row[] =>
  policies.map((policy) => ({ title: policy, policy }));

export const SECTIONS: readonly Section[] = [
  {
    name: "policies",
    title: "8 × Llama-3.1-8B on H100",
    servers: SERVERS,
    engine: "linear",
    loads: LOADS,
    rows: rowsOf(ALL),
  },
  {
    name: "errors",
    title: "`net-goodput` with wrong priors, wrong token counts, and from several workers",
    servers: SERVERS,
    engine: "linear",
    loads: KNEE_LOADS,
    rows: [
      { title: "as it is", policy: OURS },
      { title: "priors × 2", policy: OURS, change: { priorFactor: 2 } },
      { title: "priors × ½", policy: OURS, change: { priorFactor: 0.5 } },
      { title: "tokens ± 20 %", policy: OURS, change: { tokenError: 0.2 } },
      { title: "2 workers", policy: OURS, change: { workers: 2 } },
      { title: "2 Envoys of 2 workers", policy: OURS, change: { envoys: 2, workers: 2 } },
    ],
  },
  {
    name: "hashing",
    title: "`net-goodput` and `sticky` by what is hashed of a prompt",
    servers: SERVERS,
    engine: "linear",
    loads: KNEE_LOADS,
    rows: [OURS, "sticky"].flatMap((policy) =>
      [0, 32, 64, 128, 256].map((hashedBlocks) => ({
        title: `${policy}, ${hashedBlocks / 2} KB`,
        policy,
        change: { hashedBlocks },
      })),
    ),
  },
  {
    name: "mixed",
    title: "Half of the servers 2.5 times slower, so that the pool is worth 0.7 of the equal one's rate",
    servers: MIXED_SERVERS,
    kneeShare: 0.7,
    engine: "linear",
    loads: KNEE_LOADS,
    rows: rowsOf(ALL),
  },
  {
    name: "judge",
    title: "The second engine: step times by table, with noise and stalls",
    servers: SERVERS,
    engine: "tabulated",
    loads: KNEE_LOADS,
    rows: rowsOf(ALL),
  },
];

/** The run of a row, at a speed. */
export function specOf(section: Section, row: Row, window: TraceWindow, speed: number): RunSpec {
  return {
    window,
    servers: section.servers,
    engine: section.engine,
    speed,
    policy: row.policy,
    scorers: [],
    envoys: 1,
    workers: 1,
    scrapeIntervalMs: 50,
    objectives: { ttft: { baseMs: 1000, perThousandMs: 62.5 }, tpotMs: 40 },
    seed: 1,
    ...row.change,
  };
}
