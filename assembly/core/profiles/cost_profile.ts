import { Explanation } from "../costs/explanation";
import { PickCosts } from "../costs/pick_costs";
import { PickContext } from "../pick_context";
import { Table } from "../table";
import { Profile } from "./profile";

/** Taken off the score of a candidate that is to come behind all others. */
const BEHIND: f64 = 1e15;

/** A profile that ranks by what a request is expected to cost at each candidate, and so by who holds its prompt. */
export abstract class CostProfile extends Profile {
  protected readonly costs: PickCosts = new PickCosts();

  usesPrefix(table: Table, pool: i32): bool {
    return true;
  }

  explain(context: PickContext, index: i32, terms: Explanation): void {
    this.costs.begin(context);
    this.costs.read(context, index);
    terms.read(this.costs);
  }

  /** Puts a candidate that has its score behind all that are not put there; among those the scores hardly matter. */
  protected putBehind(context: PickContext, index: i32): void {
    unchecked((context.scores[index] -= <f32>BEHIND));
  }
}
