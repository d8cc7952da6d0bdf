/** A distribution given by some of its quantiles, linear between them. */
import type { Random } from "../random.ts";

export class QuantileTable {
  readonly #points: readonly (readonly [number, number])[];

  /** @param points (probability, value), both ascending, from probability 0 to 1 */
  constructor(points: readonly (readonly [number, number])[]) {
    const [first, last] = [points[0], points.at(-1)];
    if (first?.[0] !== 0 || last?.[0] !== 1) throw new RangeError("quantiles must span probabilities 0 to 1");
    for (let i = 1; i < points.length; i++) {
      const [before, here] = [points[i - 1]!, points[i]!];
      if (here[0] <= before[0] || here[1] < before[1]) throw new RangeError(`quantile ${i} does not ascend`);
    }
    this.#points = points;
  }

  /** Value at probability `p` in [0, 1]. */
  at(p: number): number {
    const points = this.#points;
    let i = 1;
    while (i < points.length - 1 && points[i]![0] < p) i++;
    const [p0, v0] = points[i - 1]!;
    const [p1, v1] = points[i]!;
    return v0 + ((v1 - v0) * (p - p0)) / (p1 - p0);
  }

  sample(random: Random): number {
    return this.at(random());
  }

  /** A whole number ≥ 1. */
  sampleTokens(random: Random): number {
    return Math.max(1, Math.round(this.sample(random)));
  }
}
