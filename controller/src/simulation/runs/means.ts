/** Figures of several windows as one. */
import type { PolicyFigures } from "../replay/outcomes.ts";

/**
 * The mean of each figure over the windows that gave one; NaN where none did. A percentile becomes the mean
 * of the windows' percentiles.
 */
export function meanFigures(windows: readonly PolicyFigures[]): PolicyFigures {
  const [first] = windows;
  if (first === undefined) throw new RangeError("no figures to take the mean of");
  const { policy, ...numbers } = first;
  const names = Object.keys(numbers) as (keyof typeof numbers)[];
  const means = names.map((name) => {
    const given = windows.map((figures) => figures[name]).filter((value) => !Number.isNaN(value));
    const sum = given.reduce((total, value) => total + value, 0);
    return [name, given.length === 0 ? Number.NaN : sum / given.length];
  });
  return { policy, ...Object.fromEntries(means) } as PolicyFigures;
}
