import { SCORER_PREFIX_AFFINITY } from "../../wire/layout";
import { Explanation } from "../costs/explanation";
import { PickContext } from "../pick_context";
import { Table } from "../table";

/** A named way to rank the candidates of a pool. */
export abstract class Profile {
  /** Among equal scores, the candidate with fewer requests in flight comes first. */
  get prefersFewerInFlight(): bool {
    return true;
  }

  /** Writes `context.scores` for every candidate; the highest wins, equal ones are put in random order. */
  abstract rank(context: PickContext): void;

  /** The terms of a candidate's score, as far as the profile has any, as things are now: after `rank`, before anything changes. */
  explain(context: PickContext, index: i32, terms: Explanation): void {}

  /** Whether ranking the pool asks who holds how much of a prompt: only then are prompts hashed. */
  usesPrefix(table: Table, pool: i32): bool {
    return (this.terms(table, pool) & (1 << SCORER_PREFIX_AFFINITY)) != 0;
  }

  /** The SCORER_* kinds that rank the pool, as bits `1 << kind`. */
  terms(table: Table, pool: i32): u32 {
    return 0;
  }
}
