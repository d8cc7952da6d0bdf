import { VALID_QUEUED } from "../../wire/layout";
import { PickContext } from "../pick_context";
import { scoreFewestFirst } from "./fewest_first";
import { Scorer } from "./scorer";

/** Requests waiting at the endpoint, fewest first; 0 if the queue was not measured. */
export class QueueDepth extends Scorer {
  score(context: PickContext, out: StaticArray<f32>): void {
    scoreFewestFirst(context, context.table.rowQueued, VALID_QUEUED, out);
  }
}
