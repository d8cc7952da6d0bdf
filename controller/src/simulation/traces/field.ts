import { SimulationError } from "../simulation-error.ts";

/** Where a value was read, for errors. */
export interface LineOrigin {
  /** File name or another name of the source. */
  readonly source: string;
  /** 1 is the first. */
  readonly line: number;
}

export function lineError(
  at: LineOrigin,
  what: string,
  value: unknown,
  bound: unknown,
  cause?: unknown,
): Error {
  return new SimulationError("bad-trace-line", `${at.source}:${at.line}: ${what}`, value, bound, cause);
}

/** A number within [least, most]; an integer when both bounds are. */
export function boundedNumber(
  at: LineOrigin,
  what: string,
  value: unknown,
  least: number,
  most: number,
  integer = true,
): number {
  if (
    typeof value !== "number" ||
    !(value >= least && value <= most) ||
    (integer && !Number.isInteger(value))
  ) {
    throw lineError(at, what, value, `${integer ? "an integer" : "a number"} from ${least} to ${most}`);
  }
  return value;
}

/** Longest prompt or answer that a trace may hold, tokens. */
export const MOST_TOKENS = 10_000_000;
/** Longest trace, ms: 30 days. */
export const MOST_MS = 30 * 24 * 3600 * 1000;
