import { PickContext } from "../pick_context";
import { Scorer } from "./scorer";

/**
 * Blocks of the prompt that the endpoint is believed to hold, of all its blocks (the reference picker's prefix-cache scorer). 0 for
 * all where nothing is known of the prompt, and where it has no whole block.
 */
export class PrefixAffinity extends Scorer {
  score(context: PickContext, out: StaticArray<f32>): void {
    context.lookUpPrefix();
    const blocks = <f32>max<i32>(1, context.request.blocks);
    const cachedBlocks = context.cachedBlocks;
    for (let index = 0, count = context.count; index < count; index++) {
      unchecked((out[index] = min<f32>(1, <f32>unchecked(cachedBlocks[index]) / blocks)));
    }
  }
}
