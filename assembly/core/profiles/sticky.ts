import { PickContext } from "../pick_context";
import { CostProfile } from "./cost_profile";

/** Share of the prompt that an endpoint has to hold for the request to stick to it. */
const STICKY_SHARE: f64 = 0.8;

/**
 * To an endpoint that holds nearly all of the prompt, until its queue is longer than elsewhere by the whole time that a first token
 * may take (llm-d, August 2026); among those, or among all, the one with the least to compute where computing prompts takes most of
 * the time, else the one with the fewest requests.
 */
export class Sticky extends CostProfile {
  rank(context: PickContext): void {
    const costs = this.costs;
    costs.begin(context);
    const scores = context.scores;
    const cachedBlocks = context.cachedBlocks;
    const needed = costs.blocksOf(STICKY_SHARE * costs.promptTokens);
    let sticky: f64 = Infinity;
    let other: f64 = Infinity;
    for (let index = 0, count = context.count; index < count; index++) {
      costs.read(context, index);
      const queueMs = costs.waitingTokens * costs.promptMs;
      if (unchecked(cachedBlocks[index]) >= needed) sticky = min<f64>(sticky, queueMs);
      else other = min<f64>(other, queueMs);
      const isPromptBound = costs.promptTokens * costs.promptMs > costs.outputTokens * costs.addedMs;
      const cost = isPromptBound ? (costs.waitingTokens + costs.newTokens) * costs.factor : costs.requests;
      unchecked((scores[index] = <f32>-cost));
    }
    if (!(sticky - other <= costs.ttftMs)) return;
    for (let index = 0, count = context.count; index < count; index++) {
      if (unchecked(cachedBlocks[index]) < needed) this.putBehind(context, index);
    }
  }
}
