/** Faults that a simulated server can be told to have. */
import { SimulationError } from "./simulation-error.ts";

export const FAULT_MODES = ["none", "refuse", "hang", "reset-mid-stream", "500", "slow"] as const;
export type FaultMode = (typeof FAULT_MODES)[number];

/**
 * - `refuse`: the port is closed and open connections are cut; only a duration or the program ends it
 * - `hang`: requests to an API are read and never answered (the lists of models are none)
 * - `reset-mid-stream`: answers that the engine works on are cut after their first tokens
 * - `500`: requests to an API are answered with 500 at once
 * - `slow`: steps last `factor` times as long
 * `/metrics` and `/health` answer in all but `refuse`, as an engine's web front does when the engine fails.
 */
export interface Fault {
  readonly mode: FaultMode;
  /** For `slow`, > 0. Default 4. */
  readonly factor?: number;
  /** Requests to an API that meet it before it ends by itself; absent: no end. Not for `refuse` and `slow`. */
  readonly count?: number;
  /** It ends by itself after this time, > 0. */
  readonly durationMs?: number;
}

export const NO_FAULT: Fault = { mode: "none" };

/** @throws SimulationError `bad-option` with the field, its value and what is allowed */
export function parseFault(json: unknown): Fault {
  if (typeof json !== "object" || json === null)
    throw new SimulationError("bad-option", "fault", json, "an object");
  const { mode, ...rest } = json as Readonly<Record<string, unknown>>;
  const known = FAULT_MODES.find((each) => each === mode);
  if (known === undefined) throw new SimulationError("bad-option", "mode", mode, FAULT_MODES.join(" | "));
  const fault: { mode: FaultMode; factor?: number; count?: number; durationMs?: number } = { mode: known };
  for (const [name, value] of Object.entries(rest)) {
    if (name !== "factor" && name !== "count" && name !== "durationMs") {
      throw new SimulationError("bad-option", "field", name, "mode, factor, count, durationMs");
    }
    if (typeof value !== "number" || !(value > 0))
      throw new SimulationError("bad-option", name, value, "> 0");
    fault[name] = value;
  }
  return fault;
}
