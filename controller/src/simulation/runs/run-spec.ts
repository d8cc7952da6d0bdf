/** One run of a simulation: everything that its figures follow from, besides the code. */
import type { ProfileName } from "../../model.ts";
import type { PoolRow } from "../../table/rows.ts";
import type { Objectives } from "../replay/objectives.ts";
import type { TraceWindow } from "../replay/trace-source.ts";
import type { EngineName } from "../step-engines.ts";
import type { RunResult } from "./run.ts";
import type { ServerMix } from "./server-mix.ts";

/** Plain values alone: it goes to other threads, and its JSON is its identity. */
export interface RunSpec {
  readonly window: TraceWindow;
  readonly servers: ServerMix;
  readonly engine: EngineName;
  /** Arrival times are divided by this, > 0. */
  readonly speed: number;
  readonly policy: ProfileName;
  /** Of the policy `weighted`; otherwise none. */
  readonly scorers: PoolRow["scorers"];
  /** Envoys, and workers of each, that pick in turn; ≥ 1. */
  readonly envoys: number;
  readonly workers: number;
  /** > 0 */
  readonly scrapeIntervalMs: number;
  readonly objectives: Objectives;
  /** Of ties, chance and the engine's noise. */
  readonly seed: number;
  /** Times its priors at which the core's learning begins, > 0. Absent: 1. */
  readonly priorFactor?: number | undefined;
  /** Share by which the core takes each prompt's tokens wrong, evenly more or less, 0 to 1. Absent: it estimates by bytes. */
  readonly tokenError?: number | undefined;
  /** Blocks of 512 bytes hashed of a prompt, 0 to 256. Absent: 256. */
  readonly hashedBlocks?: number | undefined;
  /** Number of the request to explain; the first is 1. Absent: none. */
  readonly explain?: number | undefined;
}

export interface FinishedRun {
  readonly spec: RunSpec;
  readonly result: RunResult;
}
