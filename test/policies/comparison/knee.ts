/** Slowest and fastest replay that is tried, and how near the knee is found, as a ratio. */
const SLOWEST = 0.25;
const FASTEST = 256;
const PRECISION = 1.005;

/**
 * Where goodput falls below a half, as a speed. Goodput need not fall with the speed everywhere: a knee is
 * looked for from the slow side.
 * @param goodputOf share of requests within their objectives at a speed
 */
export async function kneeOf(goodputOf: (speed: number) => Promise<number>): Promise<number> {
  let low = SLOWEST;
  while (low < FASTEST && (await goodputOf(2 * low)) > 0.5) low *= 2;
  let high = 2 * low;
  while (high / low > PRECISION) {
    const middle = Math.sqrt(low * high);
    if ((await goodputOf(middle)) > 0.5) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}
