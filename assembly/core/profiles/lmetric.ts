import { HotPrefixes } from "../costs/hot_prefixes";
import { PickContext } from "../pick_context";
import { CostProfile } from "./cost_profile";

/**
 * The least product of work and company (LMETRIC, OSDI '26): prompt tokens still to be computed there, the request's own among them,
 * times the requests there, the request itself among them. A prefix that is asked for out of proportion to the endpoints that
 * hold it is sent elsewhere now and then, so that others come to hold it too.
 */
export class Lmetric extends CostProfile {
  private readonly hot: HotPrefixes = new HotPrefixes();

  rank(context: PickContext): void {
    const costs = this.costs;
    costs.begin(context);
    const scores = context.scores;
    const cachedBlocks = context.cachedBlocks;
    let holders = 0;
    let bestHolder: f64 = Infinity;
    let bestOther: f64 = Infinity;
    for (let index = 0, count = context.count; index < count; index++) {
      costs.read(context, index);
      const product = max<f64>(1, costs.waitingTokens + costs.newTokens) * (costs.requests + 1);
      unchecked((scores[index] = <f32>-product));
      if (unchecked(cachedBlocks[index]) > 0) {
        holders++;
        bestHolder = min<f64>(bestHolder, product);
      } else bestOther = min<f64>(bestOther, product);
    }
    if (!this.hot.excludes(context, holders, bestHolder < bestOther)) return;
    for (let index = 0, count = context.count; index < count; index++) {
      if (unchecked(cachedBlocks[index]) > 0) this.putBehind(context, index);
    }
  }
}
