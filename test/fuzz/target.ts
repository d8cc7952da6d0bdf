import type { Dice } from "./dice.ts";

/** `accepted`: what was fed was good; `refused`: both sides say that it is not. */
export type Verdict = "accepted" | "refused";

/** The code under test and the oracle say different things, or one cut of the same bytes says other than another. */
export class Disagreement extends Error {
  constructor(what: string, expected: unknown, found: unknown) {
    super(`${what}: expected ${shown(expected)}, found ${shown(found)}`);
    this.name = "Disagreement";
  }
}

/** What is fuzzed: where inputs come from, and what must hold for each. */
export interface Target<Input> {
  /** In the plural, as the summary names it. */
  readonly name: string;
  /** Makes ready what the next cases choose from, where that cannot be done at once. */
  prepare?(dice: Dice): Promise<void>;
  /** Inputs that every run tries, whatever its seed. */
  always?(): Iterable<Input>;
  generate(dice: Dice): Input;
  /** The same input and the same dice give the same. @throws {Disagreement}; any other error is a trap. */
  check(input: Input, dice: Dice): Verdict;
  /** A smaller input on which `fails` still holds. */
  shrink(input: Input, fails: (input: Input) => boolean): Input;
  /** The bytes of a corpus file. */
  encode(input: Input): Uint8Array;
  /** @throws if the bytes are none of `encode`'s. */
  decode(bytes: Uint8Array): Input;
}

function shown(value: unknown): string {
  const text = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? "undefined");
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

/** @throws {Disagreement} unless both are the same number, text, truth or nothing. */
export function agree(what: string, expected: unknown, found: unknown): void {
  if (!Object.is(expected, found)) throw new Disagreement(what, expected, found);
}
