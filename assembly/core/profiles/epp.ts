import { SCORER_KV_CACHE_UTILIZATION, SCORER_PREFIX_AFFINITY, SCORER_QUEUE_DEPTH } from "../../wire/layout";
import { PickContext } from "../pick_context";
import { Table } from "../table";
import { Profile } from "./profile";

/** The default mix of the Gateway API reference endpoint picker: queue 2, KV cache 2, prefix 3. */
export class Epp extends Profile {
  rank(context: PickContext): void {
    context.clearScores();
    context.add(SCORER_QUEUE_DEPTH, 2);
    context.add(SCORER_KV_CACHE_UTILIZATION, 2);
    context.add(SCORER_PREFIX_AFFINITY, 3);
  }

  terms(table: Table, pool: i32): u32 {
    return (1 << SCORER_QUEUE_DEPTH) | (1 << SCORER_KV_CACHE_UTILIZATION) | (1 << SCORER_PREFIX_AFFINITY);
  }
}
