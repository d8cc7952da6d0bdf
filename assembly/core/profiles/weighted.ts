import { PickContext } from "../pick_context";
import { Table } from "../table";
import { Profile } from "./profile";

/** The pool's own mix, its rows in SCORERS. Without any, requests in flight decide. */
export class Weighted extends Profile {
  rank(context: PickContext): void {
    const table = context.table;
    const start = unchecked(table.poolScorerStart[context.pool]);
    const end = start + unchecked(table.poolScorerCount[context.pool]);
    context.clearScores();
    for (let scorer = start; scorer < end; scorer++) {
      context.add(unchecked(table.scorerKind[scorer]), unchecked(table.scorerWeight[scorer]));
    }
  }

  terms(table: Table, pool: i32): u32 {
    const start = unchecked(table.poolScorerStart[pool]);
    const end = start + unchecked(table.poolScorerCount[pool]);
    let kinds: u32 = 0;
    for (let scorer = start; scorer < end; scorer++) kinds |= 1 << unchecked(table.scorerKind[scorer]);
    return kinds;
  }
}
