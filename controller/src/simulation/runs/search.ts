/**
 * Where a pool's goodput crosses a bound: over its size or over the rate, by doubling and then by halving
 * what is left. Both take goodput to rise with servers and to fall with the rate, which holds but for chance
 * near the bound.
 */

/** Steps of a search over speeds end when the bounds are within this ratio. */
const SPEED_RATIO = 1.02;
/** A search over speeds leaves its start by at most this factor. */
const MOST_FACTOR = 1024;

/**
 * Fewest servers that are enough.
 * @param start first size tried, 1 to `most`
 * @returns undefined where not even `most` are enough
 */
export async function fewest(
  isEnough: (endpoints: number) => Promise<boolean>,
  start: number,
  most: number,
): Promise<number | undefined> {
  let tooFew = 0;
  let enough = start;
  while (!(await isEnough(enough))) {
    if (enough === most) return undefined;
    tooFew = enough;
    enough = Math.min(2 * enough, most);
  }
  while (enough - tooFew > 1) {
    const middle = Math.floor((enough + tooFew) / 2);
    if (await isEnough(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
}

/**
 * Highest speed that is borne, within 2 % and of as few digits as that allows.
 * @param start first speed tried, > 0
 * @returns undefined where not even start / 1024 is borne; start × 1024 where that is
 */
export async function fastest(
  isBorne: (speed: number) => Promise<boolean>,
  start: number,
): Promise<number | undefined> {
  let borne = 0;
  let tooFast = Number.POSITIVE_INFINITY;
  for (let speed = start; borne === 0 || tooFast === Number.POSITIVE_INFINITY; ) {
    if (await isBorne(speed)) {
      borne = speed;
      if (speed >= start * MOST_FACTOR) return borne;
      speed *= 2;
    } else {
      tooFast = speed;
      if (speed <= start / MOST_FACTOR) return undefined;
      speed /= 2;
    }
  }
  while (tooFast / borne > SPEED_RATIO) {
    const middle = Number(Math.sqrt(tooFast * borne).toPrecision(3));
    if (middle <= borne || middle >= tooFast) break;
    if (await isBorne(middle)) borne = middle;
    else tooFast = middle;
  }
  return borne;
}
