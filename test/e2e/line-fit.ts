/** A straight line through points by least squares. */
export interface LineFit {
  readonly slope: number;
  /** Standard error of the slope, for points whose deviations are independent of each other. */
  readonly slopeError: number;
}

/** Needs at least three points with differing x. */
export function fitLine(points: readonly { readonly x: number; readonly y: number }[]): LineFit {
  const count = points.length;
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / count;
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const residual = points.reduce((sum, { x, y }) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, slopeError: Math.sqrt(residual / (count - 2) / spread) };
}
