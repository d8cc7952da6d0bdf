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

  /** The SCORER_* kinds that rank the pool, as bits `1 << kind`. */
  terms(table: Table, pool: i32): u32 {
    return 0;
  }
}
