import { PickContext } from "../pick_context";

/**
 * One signal turned into a preference. A scorer sees all candidates at once and writes one number in
 * [0, 1] for each, higher is better, by position in `context.candidates`. A candidate for which the
 * signal is missing gets 0: an endpoint that nothing is known of is not preferred to any other.
 * No allocation, no state between picks.
 */
export abstract class Scorer {
  abstract score(context: PickContext, out: StaticArray<f32>): void;
}
