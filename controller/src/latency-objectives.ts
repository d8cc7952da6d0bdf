import { MAX_OBJECTIVE_MS } from "../../assembly/wire/layout.ts";
import { PickerError } from "./errors.ts";
import type { TtftObjective } from "./model.ts";

const DURATION = String.raw`(\d+(?:\.\d+)?)(ms|s)`;
const ALONE = new RegExp(`^${DURATION}$`);
const WITH_SLOPE = new RegExp(`^${DURATION}(?:\\+${DURATION}/1k)?$`);
const MS_OF = { ms: 1, s: 1000 } as const;

/** No objective is below this: far below what any server can do, and above what an f32 rounds to 0. */
export const MIN_OBJECTIVE_MS = 1e-6;
/** For messages. */
export const OBJECTIVE_BOUNDS = `from ${MIN_OBJECTIVE_MS.toFixed(6)}ms to ${MAX_OBJECTIVE_MS / 1000}s`;

/** Whether a table can carry it. */
export function isObjectiveMs(ms: number): boolean {
  return ms >= MIN_OBJECTIVE_MS && ms <= MAX_OBJECTIVE_MS;
}

/** Whether a table can carry it; the slope may be 0. */
export function isTtftObjective({ baseMs, perThousandMs }: TtftObjective): boolean {
  return isObjectiveMs(baseMs) && (perThousandMs === 0 || isObjectiveMs(perThousandMs));
}

/** What the two forms are, for messages. */
export const TTFT_FORM = "a duration, or one that grows, such as 1s+62.5ms/1k";
export const TPOT_FORM = "a duration above 0, such as 40ms";

/** `1s`, or `1s+62.5ms/1k`: so much, and so much more for each 1,000 prompt tokens. @throws PickerError */
export function parseTtftObjective(written: string, path: string): TtftObjective {
  const match = WITH_SLOPE.exec(written.replaceAll(" ", ""));
  if (match === null) throw badObjective(path, written, TTFT_FORM);
  const [, base, baseUnit, slope, slopeUnit] = match;
  return {
    baseMs: milliseconds(base!, baseUnit!),
    perThousandMs: slope === undefined ? 0 : milliseconds(slope, slopeUnit!),
  };
}

/** `40ms`. @throws PickerError */
export function parseTpotObjective(written: string, path: string): number {
  const match = ALONE.exec(written);
  const ms = match === null ? 0 : milliseconds(match[1]!, match[2]!);
  if (!(ms > 0)) throw badObjective(path, written, TPOT_FORM);
  return ms;
}

function milliseconds(number: string, unit: string): number {
  return Number(number) * MS_OF[unit as keyof typeof MS_OF];
}

function badObjective(path: string, value: string, bound: string): PickerError {
  return new PickerError("CONFIG_FORMAT", `${JSON.stringify(value)} is not ${bound}`, { path, value, bound });
}
