import { PickContext } from "../pick_context";
import { Filter } from "./filter";

/** Keeps endpoints that the request's subset hint lists. */
export class Subset extends Filter {
  apply(context: PickContext): void {
    const subset = context.request.subset;
    if (!subset.isSet) return;
    const table = context.table;
    const candidates = context.candidates;
    let kept = 0;
    for (let index = 0, count = context.count; index < count; index++) {
      const row = unchecked(candidates[index]);
      if (subset.has(table, row)) unchecked((candidates[kept++] = row));
    }
    context.count = kept;
  }
}
