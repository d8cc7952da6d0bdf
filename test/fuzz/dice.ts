import { SeededRandom } from "../emulator/random.ts";

/** Choices for generators: the same seed, the same choices. */
export class Dice {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** 32 random bits. */
  word(): number {
    return this.#random.word();
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return this.#random.below(bound);
  }

  /** An integer in [least, most]. */
  between(least: number, most: number): number {
    return least + this.#random.below(most - least + 1);
  }

  /** True in `percent` of 100 throws; fractions count. */
  percent(percent: number): boolean {
    return this.#random.word() < (percent / 100) * 2 ** 32;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!;
  }

  /** A length: mostly small, each doubling of `typical` about three times rarer, up to `most`. */
  length(typical: number, most: number): number {
    let bound = typical;
    while (bound < most && this.percent(33)) bound *= 2;
    return this.below(Math.min(bound, most) + 1);
  }

  /** Draws one of `choices` by its weight. */
  weighted<T>(choices: readonly (readonly [weight: number, choice: T])[]): T {
    let total = 0;
    for (const [weight] of choices) total += weight;
    let rest = this.below(total);
    for (const [weight, choice] of choices) {
      if (rest < weight) return choice;
      rest -= weight;
    }
    throw new Error(`weights must be at least 1 in sum, they are ${total}`);
  }

  shuffle<T>(list: T[]): T[] {
    for (let at = list.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      [list[at], list[other]] = [list[other]!, list[at]!];
    }
    return list;
  }
}

/** The seed of one case: of the run's seed, of what is fuzzed and of the case's number (FNV-1a over words). */
export function caseSeed(runSeed: number, kind: number, index: number): number {
  let hash = 0x811c9dc5;
  for (const word of [runSeed, kind, index]) {
    for (let shift = 0; shift < 32; shift += 8)
      hash = Math.imul(hash ^ ((word >>> shift) & 0xff), 0x01000193);
  }
  return hash >>> 0;
}
