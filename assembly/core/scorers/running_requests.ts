import { VALID_RUNNING } from "../../wire/layout";
import { PickContext } from "../pick_context";
import { scoreFewestFirst } from "./fewest_first";
import { Scorer } from "./scorer";

/** Requests that the endpoint is computing, fewest first; 0 if they were not measured. */
export class RunningRequests extends Scorer {
  score(context: PickContext, out: StaticArray<f32>): void {
    scoreFewestFirst(context, context.table.rowRunning, VALID_RUNNING, out);
  }
}
