/**
 * A second judge: step times that do not follow the formula of {@link Hardware}, so that a policy whose
 * learning fits that formula cannot be right by construction.
 *
 * A table over computed tokens × context × sequences, linear between its points, on sizes that are rounded up
 * as kernels do; what it holds comes from a roofline with these departures from the formula:
 *
 * | part | formula | here |
 * |---|---|---|
 * | weights and products | the larger of c0 and w0 + cTok·T | a smooth knee (third norm), products up to a quarter less efficient in small steps |
 * | reading the context | cKv per token | up to twice as much for few sequences, a fifth more when memory is nearly full |
 * | attention of prompts | none | grows with the product of new tokens and context: a quarter more per token at 12,000 of context |
 * | sequences | cSeq each | of the next larger captured batch, and more above the largest of these |
 * | tokens | any number | rounded up to whole tiles |
 *
 * Over that come noise of 15 %, half of it drifting over hundreds of steps, a floor, and rare stalls.
 */
import type { Hardware } from "./hardware.ts";
import { exponential, normal, type Random, seededRandom } from "./random.ts";
import type { StepTimes } from "./step-times.ts";

const TOKENS = [1, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384];
const CONTEXT = [0, 2048, 8192, 32_768, 131_072, 262_144, 524_288];
const SEQUENCES = [1, 4, 16, 64, 256, 1024];

/** Above one tile, steps are computed in whole ones. */
const TILE_TOKENS = 64;
/** Batches up to this size are rounded up to multiples of eight (to a power of two below eight), as vLLM captures them. */
const LARGEST_CAPTURED = 512;

/** Standard deviation of the noise, and how far it is let go. */
const NOISE = 0.15;
const MOST_NOISE = 0.4;
/** Of the drifting half, from step to step. */
const DRIFT_KEPT = 0.998;
/** Of stalls: chance in a step, mean and bound in multiples of c0 (of 5.6 ms: 84 and 336 ms). */
const STALL_CHANCE = 1 / 4000;
const STALL_MEAN = 15;
const MOST_STALL = 60;

export class TabulatedStepTimes implements StepTimes {
  readonly #hw: Hardware;
  readonly #random: Random;
  /** ms, by tokens, then context, then sequences. */
  readonly #table: Float64Array;
  #drift = 0;

  /** @param seed of noise and stalls; servers of one simulation need different ones */
  constructor(hw: Hardware, seed: number) {
    this.#hw = hw;
    this.#random = seededRandom(seed);
    this.#table = tabulate(hw);
    this.#drift = normal(this.#random);
  }

  stepMs(tokens: number, contextTokens: number, sequences: number): number {
    const random = this.#random;
    this.#drift = DRIFT_KEPT * this.#drift + Math.sqrt(1 - DRIFT_KEPT ** 2) * normal(random);
    const noise = NOISE * Math.SQRT1_2 * (this.#drift + normal(random));
    const factor = 1 + Math.max(-MOST_NOISE, Math.min(noise, MOST_NOISE));
    const stallMs =
      random() < STALL_CHANCE ? this.#hw.c0Ms * Math.min(exponential(random, STALL_MEAN), MOST_STALL) : 0;
    return Math.max(this.#hw.c0Ms, this.meanMs(tokens, contextTokens, sequences) * factor) + stallMs;
  }

  leastStepMs(tokens: number, contextTokens: number, sequences: number): number {
    return Math.max(this.#hw.c0Ms, this.meanMs(tokens, contextTokens, sequences) * (1 - MOST_NOISE));
  }

  /** ms, without noise, floor and stalls. Never falls as the context grows. */
  meanMs(tokens: number, contextTokens: number, sequences: number): number {
    const [tiled, captured] = [wholeTiles(tokens), capturedBatch(sequences)];
    const t = pointBelow(TOKENS, tiled);
    const c = pointBelow(CONTEXT, contextTokens);
    const s = pointBelow(SEQUENCES, captured);
    const [cShare, sShare] = [share(CONTEXT, c, contextTokens), share(SEQUENCES, s, captured)];
    return between(
      share(TOKENS, t, tiled),
      between(cShare, this.#at(t, c, s, sShare), this.#at(t, c + 1, s, sShare)),
      between(cShare, this.#at(t + 1, c, s, sShare), this.#at(t + 1, c + 1, s, sShare)),
    );
  }

  #at(t: number, c: number, s: number, sShare: number): number {
    const at = (t * CONTEXT.length + c) * SEQUENCES.length + s;
    return between(sShare, this.#table[at]!, this.#table[at + 1]!);
  }
}

function tabulate(hw: Hardware): Float64Array {
  const table = new Float64Array(TOKENS.length * CONTEXT.length * SEQUENCES.length);
  let at = 0;
  for (const tokens of TOKENS) {
    for (const context of CONTEXT) {
      for (const sequences of SEQUENCES) table[at++] = rooflineMs(hw, tokens, context, sequences);
    }
  }
  return table;
}

function rooflineMs(hw: Hardware, tokens: number, context: number, sequences: number): number {
  const products = hw.cTokMs * tokens * (1 + 0.25 * Math.exp(-tokens / 768));
  const weights = Math.cbrt(hw.c0Ms ** 3 + products ** 3) + 0.35 * hw.w0Ms;
  const reading =
    hw.cKvMs * context * (1 + 1 / (1 + sequences / 4)) * (1 + (0.2 * context) / (context + 200_000));
  const newTokens = Math.max(0, tokens - sequences);
  const attention = hw.cTokMs * 2e-5 * newTokens * (context / sequences);
  return weights + reading + attention + hw.cSeqMs * sequences;
}

function wholeTiles(tokens: number): number {
  return tokens <= TILE_TOKENS ? tokens : Math.ceil(tokens / TILE_TOKENS) * TILE_TOKENS;
}

function capturedBatch(sequences: number): number {
  if (sequences <= 8) return 2 ** Math.ceil(Math.log2(Math.max(1, sequences)));
  if (sequences <= LARGEST_CAPTURED) return Math.ceil(sequences / 8) * 8;
  // Without a captured graph every kernel is started by itself.
  return sequences * 1.25;
}

/** Index of the last point at or below a value that has a point above it; the first for what lies below all. */
function pointBelow(points: readonly number[], value: number): number {
  let i = 0;
  while (i < points.length - 2 && points[i + 1]! <= value) i++;
  return i;
}

/** Share of the way from a point to the next one; above 1 beyond the last, where the table goes on straight. */
function share(points: readonly number[], index: number, value: number): number {
  const [from, to] = [points[index]!, points[index + 1]!];
  return Math.max(0, (value - from) / (to - from));
}

function between(share: number, from: number, to: number): number {
  return from + (to - from) * share;
}
