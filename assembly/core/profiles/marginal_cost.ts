import { PickContext } from "../pick_context";
import { CostProfile } from "./cost_profile";

/** What a ms until the first token counts for, against one of the answer. */
const WAIT_WEIGHT: f64 = 5;
/** And one taken from those already there. */
const HARM_WEIGHT: f64 = 0.3;

/**
 * The endpoint where the request's own wait and answer and what it takes from those already there are least in all, by fixed
 * weights. Asks nothing of objectives.
 */
export class MarginalCost extends CostProfile {
  rank(context: PickContext): void {
    const costs = this.costs;
    costs.begin(context);
    const scores = context.scores;
    for (let index = 0, count = context.count; index < count; index++) {
      costs.read(context, index);
      unchecked((scores[index] = <f32>-this.costMs()));
    }
  }

  private costMs(): f64 {
    const costs = this.costs;
    const aheadTokens = costs.waitingTokens + costs.newTokens;
    return (
      WAIT_WEIGHT * aheadTokens * costs.promptMs +
      costs.outputTokens * costs.stepMs +
      HARM_WEIGHT * costs.harmMs +
      costs.overflowMs +
      costs.adapterMs
    );
  }
}
