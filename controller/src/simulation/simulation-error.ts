export type SimulationErrorCode =
  | "request-too-long"
  | "bad-length"
  | "adapters-not-served"
  | "time-went-back"
  | "bad-trace-line"
  | "bad-option";

/** Says what was refused, its value and the bound that it broke. */
export class SimulationError extends Error {
  readonly code: SimulationErrorCode;
  readonly value: unknown;
  readonly bound: unknown;

  constructor(code: SimulationErrorCode, what: string, value: unknown, bound: unknown, cause?: unknown) {
    super(`${code}: ${what} is ${show(value)}, bound ${show(bound)}`, cause === undefined ? {} : { cause });
    this.name = "SimulationError";
    this.code = code;
    this.value = value;
    this.bound = bound;
  }
}

function show(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
