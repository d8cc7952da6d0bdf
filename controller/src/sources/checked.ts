import * as v from "valibot";

/** Why a value is refused: `bound` is what it was held against, absent where the form is wrong. */
export interface Refusal {
  readonly refused: string;
  readonly bound?: string;
}

export type Checked<Value> = v.GenericSchema<unknown, Value>;

function isRefusal(outcome: unknown): outcome is Refusal {
  return typeof outcome === "object" && outcome !== null && "refused" in outcome;
}

/** A schema out of one function from the raw value to the parsed one or a refusal. */
export function checked<Value>(parse: (input: unknown) => Value | Refusal): Checked<Value> {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, Value>(({ dataset, addIssue, NEVER }) => {
      const outcome = parse(dataset.value);
      if (!isRefusal(outcome)) return outcome;
      addIssue({
        message: outcome.refused,
        input: dataset.value,
        received: show(dataset.value),
        ...(outcome.bound === undefined ? {} : { expected: outcome.bound }),
      });
      return NEVER;
    }),
  );
}

/** A value for an error message: short, on one line. */
export function show(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  const text = typeof value === "string" ? value : String(value);
  const short = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return typeof value === "string" && /^\s*$|[\n\r]/.test(text) ? JSON.stringify(short) : short;
}

/** In place of `show` where a secret may have been written by mistake. */
export function withheld(_value: unknown): string {
  return "the value";
}

function outside(shown: string, low: string, high: string, isLow: boolean): Refusal {
  return isLow
    ? { refused: `${shown} is below ${low}`, bound: low }
    : { refused: `${shown} is above ${high}`, bound: high };
}

/** A whole number from `low` to `high`. */
export function integer(low: number, high: number): Checked<number> {
  return checked((input) => {
    if (typeof input !== "number" || !Number.isInteger(input)) {
      return { refused: `${show(input)} is not a whole number` };
    }
    if (input >= low && input <= high) return input;
    return outside(show(input), String(low), String(high), input < low);
  });
}

/** A number from `low` to `high`, fractions included. */
export function real(low: number, high: number): Checked<number> {
  return checked((input) => {
    if (typeof input !== "number" || Number.isNaN(input))
      return { refused: `${show(input)} is not a number` };
    if (input >= low && input <= high) return input;
    return outside(show(input), String(low), String(high), input < low);
  });
}

export function flag(shown: (value: unknown) => string = show): Checked<boolean> {
  return checked<boolean>((input) =>
    typeof input === "boolean" ? input : { refused: `${shown(input)} is not true or false` },
  );
}

/** One of a few words. */
export function word<const Words extends readonly string[]>(...words: Words): Checked<Words[number]> {
  return checked<Words[number]>(
    (input) =>
      words.find((known) => known === input) ?? {
        refused: `${show(input)} is not one of ${words.join(", ")}`,
        bound: words.join(", "),
      },
  );
}

/** Text of 1 to `maxBytes` bytes without control characters, of the given form if one is given. */
export function text(
  maxBytes: number,
  form?: { readonly pattern: Pick<RegExp, "test">; readonly is: string },
  shown: (value: unknown) => string = show,
): Checked<string> {
  return checked<string>((input) => {
    if (typeof input !== "string") return { refused: `${shown(input)} is not text` };
    const bytes = Buffer.byteLength(input);
    if (bytes === 0) return { refused: "is empty", bound: "1 byte" };
    if (bytes > maxBytes)
      return { refused: `${bytes} bytes is above ${maxBytes}`, bound: `${maxBytes} bytes` };
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (/[\x00-\x1f\x7f]/.test(input)) return { refused: "holds a control character" };
    if (form !== undefined && !form.pattern.test(input))
      return { refused: `${shown(input)} is not ${form.is}` };
    return input;
  });
}

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const MS_OF = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** A duration such as `500ms`, `2s`, `1m`, from `low` to `high`; parsed to whole ms. */
export function duration(low: string, high: string): Checked<number> {
  const [lowMs, highMs] = [parseDuration(low), parseDuration(high)];
  if (lowMs === undefined || highMs === undefined) throw new RangeError(`no durations: ${low}, ${high}`);
  return checked((input) => {
    const ms = typeof input === "string" ? parseDuration(input) : undefined;
    if (ms === undefined) return { refused: `${show(input)} is not a duration such as 500ms or 2s` };
    if (ms >= lowMs && ms <= highMs) return ms;
    return outside(show(input), low, high, ms < lowMs);
  });
}

/** Whole ms, undefined if `written` is not a duration. */
export function parseDuration(written: string): number | undefined {
  const match = DURATION.exec(written);
  return match === null ? undefined : Math.round(Number(match[1]) * MS_OF[match[2] as keyof typeof MS_OF]);
}

const SIZE = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/;
const BYTES_OF = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** A size such as `64KiB` or `16MiB`, from `low` to `high`; parsed to whole bytes. */
export function size(low: string, high: string): Checked<number> {
  const [lowBytes, highBytes] = [parseSize(low), parseSize(high)];
  if (lowBytes === undefined || highBytes === undefined) throw new RangeError(`no sizes: ${low}, ${high}`);
  return checked((input) => {
    const bytes = typeof input === "string" ? parseSize(input) : undefined;
    if (bytes === undefined) return { refused: `${show(input)} is not a size such as 64KiB or 16MiB` };
    if (bytes >= lowBytes && bytes <= highBytes) return bytes;
    return outside(show(input), low, high, bytes < lowBytes);
  });
}

/** Whole bytes, undefined if `written` is not a size. */
export function parseSize(written: string): number | undefined {
  const match = SIZE.exec(written);
  return match === null
    ? undefined
    : Math.round(Number(match[1]) * BYTES_OF[match[2] as keyof typeof BYTES_OF]);
}
