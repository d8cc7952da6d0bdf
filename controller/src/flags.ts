import { PickerError } from "./errors.ts";

/** A flag with a value, as a command declares it. */
export interface Flag {
  /** Its name without dashes. */
  readonly flag: string;
  readonly fallback?: string;
  readonly help: string;
}

/** One line a flag, for `--help`; names in a column of `width` characters. */
export function flagLines(flags: Readonly<Record<string, Flag>>, width: number): readonly string[] {
  return Object.values(flags).map(({ flag, fallback, help }) => {
    const note = fallback === undefined ? "" : ` (default ${fallback})`;
    return `  --${flag.padEnd(width)} ${help}${note}`;
  });
}

/**
 * Reads a command line: `--flag value` or `--flag=value`, each flag once.
 *
 * @throws PickerError CONFIG_UNKNOWN_KEY, CONFIG_MISSING or CONFIG_DUPLICATE, with the flag
 */
export function parseFlags(
  args: readonly string[],
  declared: Readonly<Record<string, Flag>>,
): ReadonlyMap<string, string> {
  const known = Object.values(declared).map(({ flag }) => flag);
  const flags = new Map<string, string>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    const [, flag, inline] = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (flag === undefined || !known.includes(flag)) {
      throw new PickerError("CONFIG_UNKNOWN_KEY", "is not a flag (try --help)", { path: arg, value: arg });
    }
    const value = inline ?? args[++index];
    if (value === undefined) throw new PickerError("CONFIG_MISSING", "needs a value", { path: arg });
    if (flags.has(flag))
      throw new PickerError("CONFIG_DUPLICATE", "is given twice", { path: `--${flag}`, value });
    flags.set(flag, value);
  }
  return flags;
}

/** @throws PickerError CONFIG_RANGE for what is none of the words */
export function oneOf<Word extends string>({ flag }: Flag, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  throw new PickerError("CONFIG_RANGE", `${JSON.stringify(text)} is none of ${words.join(", ")}`, {
    path: `--${flag}`,
    value: text,
    bound: words,
  });
}

/** The variable that stands for a flag where that is absent: `INFERENCE_PICKER_POOLS_FILE` for `pools-file`. */
export function environmentName(flag: string): string {
  return `INFERENCE_PICKER_${flag.toUpperCase().replaceAll("-", "_")}`;
}
