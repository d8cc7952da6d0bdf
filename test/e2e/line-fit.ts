export interface Slope {
  readonly slope: number;
  readonly error: number;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Slope of the straight line through points by least squares. Needs at least two that differ in x. */
function slopeOf(points: readonly Point[]): number {
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / points.length;
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
}

/**
 * Slope by least squares with its standard error by jackknife over `blocks` runs of neighbouring points. The usual
 * formula would take the deviations for independent; memory moves in steps that stay, and it would promise too much.
 */
export function fitSlope(points: readonly Point[], blocks = 8): Slope {
  const slope = slopeOf(points);
  const blockOf = (index: number) => Math.floor((index * blocks) / points.length);
  const without = Array.from({ length: blocks }, (_, block) =>
    slopeOf(points.filter((_point, index) => blockOf(index) !== block)),
  );
  const mean = without.reduce((sum, value) => sum + value, 0) / blocks;
  const variance = without.reduce((sum, value) => sum + (value - mean) ** 2, 0) * ((blocks - 1) / blocks);
  return { slope, error: Math.sqrt(variance) };
}
