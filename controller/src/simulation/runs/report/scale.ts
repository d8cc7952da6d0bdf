/** Numbers to places on an axis, and the round numbers that stand there. */

export interface Scale {
  /** Place of a value, in pixels. */
  readonly at: (value: number) => number;
  /** Round values within the range, ascending. */
  readonly ticks: readonly number[];
}

/**
 * Linear from below `from` to above `to`, both rounded outwards to ticks.
 * @param start place of the lower end, px; @param end of the upper one
 */
export function linearScale(from: number, to: number, start: number, end: number, wanted = 5): Scale {
  const span = to > from ? to - from : Math.abs(from) || 1;
  const step = roundStep(span / wanted);
  const low = Math.floor(from / step + 1e-9) * step;
  const high = Math.max(low + step, Math.ceil((from + span) / step - 1e-9) * step);
  const count = Math.round((high - low) / step);
  return {
    at: (value) => start + ((value - low) / (high - low)) * (end - start),
    // Multiplied rather than added up, and rid of the last bits.
    ticks: Array.from({ length: count + 1 }, (_, index) => Number((low + index * step).toPrecision(12))),
  };
}

/** Logarithmic, for values above 0; ticks at 1, 2 and 5 of each decade, or at 1 where there are many decades. */
export function logScale(from: number, to: number, start: number, end: number): Scale {
  const decades = Math.log10(to / from);
  const digits = decades > 2.5 ? [1] : [1, 2, 5];
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(from)) - 1; power <= Math.ceil(Math.log10(to)) + 1; power++) {
    for (const digit of digits) all.push(Number(`${digit}e${power}`));
  }
  const first = Math.max(
    0,
    all.findLastIndex((tick) => tick <= from),
  );
  const found = all.findIndex((tick) => tick >= to);
  const last = Math.max(first + 1, found);
  const ticks = all.slice(first, last + 1);
  const [low, high] = [Math.log(ticks[0]!), Math.log(ticks.at(-1)!)];
  return { at: (value) => start + ((Math.log(value) - low) / (high - low)) * (end - start), ticks };
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least * (1 - 1e-9)) ?? 10 * power;
}
