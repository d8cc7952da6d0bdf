import { PickContext } from "../pick_context";
import { Filter } from "./filter";

/** Keeps endpoints that are for requests of this class: the one that the request's header names. */
export class ByClass extends Filter {
  apply(context: PickContext): void {
    const bit = context.request.classBit;
    if (bit != 0) keep(context, bit);
  }
}

/**
 * Keeps endpoints that are for prompts as long as the request's, if any is: the length is an estimate until a server has
 * counted, which is no reason to serve nobody. A prompt of unknown length goes anywhere.
 */
export class ByLength extends Filter {
  apply(context: PickContext): void {
    const table = context.table;
    const pool = context.pool;
    if (unchecked(table.poolClassCount[pool]) == 0) return;
    const flights = context.flights;
    const learned = flights.learning.poolOf(unchecked(table.poolId[pool]));
    const tokens = flights.promptTokens(learned, context.request);
    if (tokens == 0) return;
    const bit = table.classes.ofLength(table, pool, tokens);
    if (bit == 0) return;
    for (let index = 0, count = context.count; index < count; index++) {
      if ((unchecked(table.rowClasses[unchecked(context.candidates[index])]) & bit) == 0) continue;
      keep(context, bit);
      return;
    }
  }
}

function keep(context: PickContext, bit: u32): void {
  const classes = context.table.rowClasses;
  const candidates = context.candidates;
  let kept = 0;
  for (let index = 0, count = context.count; index < count; index++) {
    const row = unchecked(candidates[index]);
    if ((unchecked(classes[row]) & bit) != 0) unchecked((candidates[kept++] = row));
  }
  context.count = kept;
}
