/** Which servers a simulated pool has: so many of each kind. */
import { MAX_ENDPOINTS } from "../../../../assembly/wire/layout.ts";
import { PickerError } from "../../errors.ts";
import { HARDWARE_NAMES, type Hardware, type HardwareName, hardware, withSpeed } from "../hardware.ts";

export interface ServerKind {
  readonly name: HardwareName;
  /** Times as fast as the kind is, > 0. */
  readonly speed: number;
  /** ≥ 1 */
  readonly count: number;
}

export type ServerMix = readonly ServerKind[];

const PATH = "--server";
const KIND = /^([^@:]+)(?:@([^@:]*))?(?::([^@:]*))?$/;
const LEAST_SPEED = 0.01;
const MOST_SPEED = 100;

/**
 * `KIND`, or `KIND[@SPEED][:COUNT],…`: kinds with their speeds and numbers.
 *
 * @param endpoints of all servers, for a single kind without a number; absent: not given, then `fallback`
 * @throws PickerError with the flag, the value and the bound
 */
export function parseServerMix(written: string, endpoints: number | undefined, fallback: number): ServerMix {
  const parts = written.split(",").map((part) => part.trim());
  const kinds = parts.map((part) => {
    const [, name = "", speed, count] = KIND.exec(part) ?? [];
    const known = HARDWARE_NAMES.find((each) => each === name);
    if (known === undefined) {
      const bound = HARDWARE_NAMES.join(", ");
      const value = name === "" ? part : name;
      throw new PickerError("CONFIG_REFERENCE", `${JSON.stringify(value)} is none of ${bound}`, {
        path: PATH,
        value,
        bound,
      });
    }
    return {
      name: known,
      speed: speed === undefined ? 1 : within(speed, part, LEAST_SPEED, MOST_SPEED, false),
      count: count === undefined ? undefined : within(count, part, 1, MAX_ENDPOINTS, true),
    };
  });
  const counted = kinds.filter(({ count }) => count !== undefined).length;
  if (counted === 0 && kinds.length === 1) return [{ ...kinds[0]!, count: endpoints ?? fallback }];
  if (counted < kinds.length) {
    throw new PickerError("CONFIG_MISSING", "needs a number for each kind, such as KIND:4,KIND@0.4:4", {
      path: PATH,
      value: written,
    });
  }
  if (endpoints !== undefined) {
    throw new PickerError("CONFIG_CONFLICT", "is given where --server has numbers of its own", {
      path: "--endpoints",
      value: endpoints,
    });
  }
  const mix = kinds.map(({ count, ...kind }) => ({ ...kind, count: count! }));
  const total = endpointsOf(mix);
  if (total <= MAX_ENDPOINTS) return mix;
  throw outOfRange(String(total), `at most ${MAX_ENDPOINTS} servers`);
}

export function endpointsOf(mix: ServerMix): number {
  return mix.reduce((sum, { count }) => sum + count, 0);
}

/** Hardware of each server, kind after kind. */
export function hardwareOf(mix: ServerMix): readonly Hardware[] {
  return mix.flatMap(({ name, speed, count }) => {
    const of = withSpeed(hardware(name), speed);
    return Array.from({ length: count }, () => of);
  });
}

/** As many servers as asked for in the same proportions, as nearly as whole ones allow. @param endpoints ≥ 1 */
export function scaled(mix: ServerMix, endpoints: number): ServerMix {
  const share = endpoints / endpointsOf(mix);
  const exact = mix.map(({ count }) => count * share);
  const counts = exact.map(Math.floor);
  const missing = endpoints - counts.reduce((sum, count) => sum + count, 0);
  // The largest remainders get one more; of equal ones the first.
  const order = mix.map((_, kind) => kind).sort((a, b) => exact[b]! - counts[b]! - (exact[a]! - counts[a]!));
  for (const kind of order.slice(0, missing)) counts[kind]!++;
  return mix.map((kind, index) => ({ ...kind, count: counts[index]! })).filter(({ count }) => count > 0);
}

/** `4 × llama-3.1-8b-h100, 4 × llama-3.1-8b-h100 at 0.4 of its speed`. */
export function mixText(mix: ServerMix): string {
  return mix
    .map(({ name, speed, count }) => `${count} × ${name}${speed === 1 ? "" : ` at ${speed} of its speed`}`)
    .join(", ");
}

function within(written: string, part: string, low: number, high: number, isInteger: boolean): number {
  const value = /^\d+(?:\.\d+)?$/.test(written) ? Number(written) : Number.NaN;
  if (value >= low && value <= high && (!isInteger || Number.isInteger(value))) return value;
  const [what, kind] = isInteger ? ["number", "an integer"] : ["speed", "a number"];
  throw outOfRange(part, `a kind whose ${what} is ${kind} from ${low} to ${high}`);
}

function outOfRange(value: string, bound: string): PickerError {
  return new PickerError("CONFIG_RANGE", `${JSON.stringify(value)} is not ${bound}`, {
    path: PATH,
    value,
    bound,
  });
}
