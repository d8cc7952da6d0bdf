import { VALID_KV_USED } from "../../wire/layout";
import { PickContext } from "../pick_context";
import { Scorer } from "./scorer";

/** The free part of the KV cache, 1 - used; 0 if it was not measured, as if the cache were full. */
export class KvCacheUtilization extends Scorer {
  score(context: PickContext, out: StaticArray<f32>): void {
    const valid = context.table.rowValid;
    const used = context.table.rowKvUsed;
    const candidates = context.candidates;
    for (let index = 0, count = context.count; index < count; index++) {
      const row = unchecked(candidates[index]);
      unchecked((out[index] = unchecked(valid[row]) & VALID_KV_USED ? 1 - unchecked(used[row]) : 0));
    }
  }
}
