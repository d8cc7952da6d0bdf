import { PickContext } from "../pick_context";

/** In place of a VALID_* bit: the column is by position in `candidates`, and nothing in it is missing. */
export const BY_POSITION: u32 = 0;

/**
 * (max - x) / (max - min) over the candidates for which `bit` is valid: the fewest get 1, the most 0,
 * and all get 1 when they are equal; 0 where the measurement is missing. `column` is by endpoint row,
 * or as BY_POSITION says. This is the form of the reference picker's queue and running-requests
 * scorers. Inlined, so that each scorer gets loops of its own with `bit` known.
 */
// prettier-ignore
@inline
export function scoreFewestFirst(
  context: PickContext,
  column: StaticArray<u32>,
  bit: u32,
  out: StaticArray<f32>,
): void {
  const valid = context.table.rowValid;
  const candidates = context.candidates;
  const count = context.count;
  let fewest: u32 = u32.MAX_VALUE;
  let most: u32 = 0;
  for (let index = 0; index < count; index++) {
    const at = bit == BY_POSITION ? index : unchecked(candidates[index]);
    if (bit != BY_POSITION && !(unchecked(valid[at]) & bit)) continue;
    const value = unchecked(column[at]);
    fewest = min<u32>(fewest, value);
    most = max<u32>(most, value);
  }
  const span: f32 = most > fewest ? <f32>(most - fewest) : 0;
  for (let index = 0; index < count; index++) {
    const at = bit == BY_POSITION ? index : unchecked(candidates[index]);
    let score: f32 = 0;
    if (bit == BY_POSITION || unchecked(valid[at]) & bit)
      score = span == 0 ? 1 : <f32>(most - unchecked(column[at])) / span;
    unchecked((out[index] = score));
  }
}
