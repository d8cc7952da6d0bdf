import { PickContext } from "../pick_context";

/**
 * (max - x) / (max - min) over the candidates for which `bit` is valid: the fewest get 1, the most 0,
 * and all get 1 when they are equal; 0 where the measurement is missing. `column` is by endpoint row.
 * This is the form of the reference picker's queue and running-requests scorers.
 */
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
    const row = unchecked(candidates[index]);
    if (!(unchecked(valid[row]) & bit)) continue;
    const value = unchecked(column[row]);
    fewest = min<u32>(fewest, value);
    most = max<u32>(most, value);
  }
  const span: f32 = most > fewest ? <f32>(most - fewest) : 0;
  for (let index = 0; index < count; index++) {
    const row = unchecked(candidates[index]);
    let score: f32 = 0;
    if (unchecked(valid[row]) & bit) score = span == 0 ? 1 : <f32>(most - unchecked(column[row])) / span;
    unchecked((out[index] = score));
  }
}
