import { grown } from "../columns";
import { Flight } from "./flight";
import { normal } from "./normal";

/** Paces at which a row knows how many will be late: 0, a step, 2 steps … */
export const POINTS: i32 = 24;
/** Points up to the objective. */
const POINTS_TO_TARGET: f64 = 9;
/** A row is built anew when the step that it should have is this many times more or less than its own. */
const MAX_STEP_RATIO: f64 = 1.25;

/**
 * Those that wait for their first token, taken for a short and for a long answer, then those that decode, by tokens left: below 16,
 * below 32, and so on, and the rest. Within a class all are taken to have the same number left, the harmonic mean.
 */
export const CLASSES: i32 = 9;
export const FIRST_DECODING: i32 = 2;
const FIRST_CLASS_BITS: i32 = 4;

/** An answer's remaining tokens are taken for each of these times what is expected, with half the weight each. */
export const SHORT: f64 = 0.3;
export const LONG: f64 = 1.7;

/**
 * Of a probability, for one of a flight's two cases. Sums are integers, so that what is taken out again is exactly what was put
 * in. They may wrap: only differences are read, and these are right up to 16,384 flights in a row.
 */
const UNIT: f64 = 65536;
const INVERSE_UNIT: f64 = 65536;

/** What a flight can bear: one of its two cases. */
export class Tolerance {
  /** Index of its class; -1: in no row. */
  kind: i32 = -1;
  /** ms for each token left at which its chance of being late is a half, and how far that is spread. */
  middleMs: f64 = 0;
  spreadMs: f64 = 0;
  inverse: i32 = 0;
  /** What its being late counts for, 0 to 1. */
  weight: f64 = 1;

  /** So many tokens have come in `elapsedMs`, `left` are to come, all within `targetMs` each in the mean, an objective of `objectiveMs`. */
  set(
    isDecoding: bool,
    isLong: bool,
    tokens: f64,
    elapsedMs: f64,
    left: f64,
    targetMs: f64,
    objectiveMs: f64,
  ): void {
    const all = tokens + left;
    this.middleMs = (targetMs * all - elapsedMs) / left;
    this.spreadMs = (spreadOf(objectiveMs, all) * all) / left;
    this.inverse = <i32>(INVERSE_UNIT / left);
    // Of `left` in binary, the digits beyond the first class's.
    const digits = 32 - clz<i32>(<i32>min<f64>(left, 1e9)) - FIRST_CLASS_BITS;
    this.kind = isDecoding ? min<i32>(FIRST_DECODING + max<i32>(0, digits), CLASSES - 1) : <i32>isLong;
  }
}

/** Standard deviation of the mean time per token of an answer of so many tokens, around what is forecast; 0.1 to 0.25 do as well. */
export function spreadOf(objectiveMs: f64, tokens: f64): f64 {
  return 0.15 * objectiveMs * Math.sqrt(1 + 100 / tokens);
}

/**
 * How many of those in flight will be late at which pace, by row (an endpoint's account, or one for a pool): for each class and each
 * of a grid of paces the sum of their chances. Whoever comes makes a pace slower for all; how many become late by that is
 * the difference of two readings, whatever the number in flight.
 */
export class Tolerances {
  private sums: StaticArray<i32> = new StaticArray<i32>(0);
  /** By row and class: cases in it, and the sum of 1 / tokens left. */
  private cases: StaticArray<i32> = new StaticArray<i32>(0);
  private inverses: StaticArray<i32> = new StaticArray<i32>(0);
  private steps: StaticArray<f64> = new StaticArray<f64>(0);
  private rows: i32 = 0;

  /** Room for rows below `count`. */
  reserve(count: i32): void {
    if (count <= this.rows) return;
    this.sums = grown<i32>(this.sums, count * CLASSES * POINTS);
    this.cases = grown<i32>(this.cases, count * CLASSES);
    this.inverses = grown<i32>(this.inverses, count * CLASSES);
    this.steps = grown<f64>(this.steps, count);
    this.rows = count;
  }

  /** The row's paces no longer fit a target of `targetMs` > 0: it has to be cleared and filled again. */
  isOutgrown(row: i32, targetMs: f64): bool {
    const step = unchecked(this.steps[row]) * POINTS_TO_TARGET;
    return !(step * MAX_STEP_RATIO >= targetMs && step <= targetMs * MAX_STEP_RATIO);
  }

  /** Empties the row, and sets its paces for a target of `targetMs`. */
  clear(row: i32, targetMs: f64): void {
    unchecked((this.steps[row] = targetMs / POINTS_TO_TARGET));
    for (let at = row * CLASSES, end = at + CLASSES; at < end; at++) {
      unchecked((this.cases[at] = 0));
      unchecked((this.inverses[at] = 0));
    }
    for (let at = row * CLASSES * POINTS, end = at + CLASSES * POINTS; at < end; at++) {
      unchecked((this.sums[at] = 0));
    }
  }


  @inline add(row: i32, tolerance: Tolerance): void {
    this.count(row, tolerance, 1);
  }


  @inline remove(row: i32, tolerance: Tolerance): void {
    this.count(row, tolerance, -1);
  }

  /** Flights in the row. */
  flights(row: i32): f64 {
    let cases = 0;
    for (let at = row * CLASSES, end = at + CLASSES; at < end; at++) cases += unchecked(this.cases[at]);
    return <f64>cases / 2;
  }

  /**
   * How many of the row's flights become late, in expectation, by a newcomer: each token takes `paceMs` without it and
   * `addedMs` more while both last, the newcomer's `output` tokens; and once, before those left, `waitingMs` is spent on prompts
   * that wait already and `promptMs` on the newcomer's.
   */
  late(row: i32, paceMs: f64, waitingMs: f64, promptMs: f64, addedMs: f64, output: f64): f64 {
    const perStep = 1 / unchecked(this.steps[row]);
    let sum: f64 = 0;
    for (let kind = 0; kind < CLASSES; kind++) {
      const at = row * CLASSES + kind;
      const cases = unchecked(this.cases[at]);
      if (cases == 0) continue;
      const inverse = <f64>unchecked(this.inverses[at]) / (<f64>cases * INVERSE_UNIT);
      const before = kind >= FIRST_DECODING ? paceMs + waitingMs * inverse : paceMs;
      const after = before + promptMs * inverse + addedMs * min<f64>(1, output * inverse);
      sum += this.rise(at * POINTS, before * perStep, after * perStep);
    }
    return sum / (2 * UNIT);
  }

  /** Difference of the sums that begin at `start` between two places in steps, both >= 0. */
  private rise(start: i32, from: f64, to: f64): f64 {
    const low = min<i32>(<i32>min<f64>(from, POINTS), POINTS - 2);
    const high = min<i32>(<i32>min<f64>(to, POINTS), POINTS - 2);
    const lowSum = unchecked(this.sums[start + low]);
    const highSum = unchecked(this.sums[start + high]);
    const lowPart = min<f64>(1, from - <f64>low) * <f64>(unchecked(this.sums[start + low + 1]) - lowSum);
    const highPart = min<f64>(1, to - <f64>high) * <f64>(unchecked(this.sums[start + high + 1]) - highSum);
    return <f64>(highSum - lowSum) + highPart - lowPart;
  }

  private count(row: i32, tolerance: Tolerance, sign: i32): void {
    const at = row * CLASSES + tolerance.kind;
    unchecked((this.cases[at] += sign));
    unchecked((this.inverses[at] += sign * tolerance.inverse));
    const unit = UNIT * tolerance.weight;
    const perSpread = 1 / tolerance.spreadMs;
    const step = unchecked(this.steps[row]) * perSpread;
    let z = -tolerance.middleMs * perSpread;
    for (let point = at * POINTS, end = point + POINTS; point < end; point++, z += step) {
      unchecked((this.sums[point] += sign * <i32>(normal(z) * unit)));
    }
  }
}
