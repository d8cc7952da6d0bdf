/** How long an answer gets when the client sets no limit. */
import { logNormal, seededRandom } from "./random.ts";

/** Tokens ≥ 1, drawn from a seed: the same seed gives the same length. */
export type OutputLength = (seed: number) => number;

const MEDIAN_TOKENS = 144;
const SIGMA = 1.065;
const MOST_TOKENS = 1024;

/** Log-normal with the median 144 and the 90th percentile 564 of ShareGPT's answers, cut at 1024. */
export const shareGptOutputLength: OutputLength = (seed) =>
  Math.min(MOST_TOKENS, Math.max(1, Math.round(logNormal(seededRandom(seed), MEDIAN_TOKENS, SIGMA))));
