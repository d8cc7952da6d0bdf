import { PickContext } from "../pick_context";
import { BY_POSITION, scoreFewestFirst } from "./fewest_first";
import { Scorer } from "./scorer";

/**
 * Requests in flight to the endpoint over all Envoys, fewest first. Our own count is never missing;
 * where the other Envoys' is, only our own is compared.
 */
export class InFlight extends Scorer {
  score(context: PickContext, out: StaticArray<f32>): void {
    scoreFewestFirst(context, context.inFlight, BY_POSITION, out);
  }
}
