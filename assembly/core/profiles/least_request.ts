import { SCORER_IN_FLIGHT } from "../../wire/layout";
import { PickContext } from "../pick_context";
import { Table } from "../table";
import { Profile } from "./profile";

/** Fewest requests in flight, over all Envoys; no measurement of the endpoints is needed. */
export class LeastRequest extends Profile {
  rank(context: PickContext): void {
    context.clearScores();
    context.add(SCORER_IN_FLIGHT, 1);
  }

  terms(table: Table, pool: i32): u32 {
    return 1 << SCORER_IN_FLIGHT;
  }
}
