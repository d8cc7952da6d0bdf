import { PickContext } from "../pick_context";
import { Filter } from "./filter";

/** Keeps endpoints that are ready and not draining. */
export class Ready extends Filter {
  apply(context: PickContext): void {
    const table = context.table;
    const candidates = context.candidates;
    let kept = 0;
    for (let index = 0, count = context.count; index < count; index++) {
      const row = unchecked(candidates[index]);
      if (table.isPickable(row)) unchecked((candidates[kept++] = row));
    }
    context.count = kept;
  }
}
