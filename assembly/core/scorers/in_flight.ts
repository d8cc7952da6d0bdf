import { PickContext } from "../pick_context";
import { Scorer } from "./scorer";

/**
 * Requests in flight to the endpoint over all Envoys, fewest first, in the form of `fewest_first`.
 * Our own count is never missing; where the other Envoys' is, only our own is compared.
 */
export class InFlight extends Scorer {
  score(context: PickContext, out: StaticArray<f32>): void {
    const inFlight = context.inFlight;
    const count = context.count;
    let fewest: u32 = u32.MAX_VALUE;
    let most: u32 = 0;
    for (let index = 0; index < count; index++) {
      const requests = unchecked(inFlight[index]);
      fewest = min<u32>(fewest, requests);
      most = max<u32>(most, requests);
    }
    const span: f32 = most > fewest ? <f32>(most - fewest) : 0;
    for (let index = 0; index < count; index++) {
      unchecked((out[index] = span == 0 ? 1 : <f32>(most - unchecked(inFlight[index])) / span));
    }
  }
}
