import type { Dice } from "../dice.ts";

/**
 * Ends of the pieces in which `length` bytes arrive, the last one `length`: a few of any size, or many small ones up to
 * `mostPieces`; some are empty.
 */
export function splitEnds(dice: Dice, length: number, mostPieces = 4096): readonly number[] {
  const ends: number[] = [];
  const most = dice.percent(30) ? 1 + dice.below(5) : 1 + dice.below(Math.max(1, length));
  for (let at = 0; at < length && ends.length < mostPieces - 1; ) {
    at = Math.min(length, at + (dice.percent(2) ? 0 : 1 + dice.below(most)));
    ends.push(at);
  }
  if (ends.at(-1) !== length) ends.push(length);
  return ends;
}
