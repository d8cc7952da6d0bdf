import { PickCosts } from "./pick_costs";
import { Violations } from "./violations";

export const TERMS: i32 = 16;

/**
 * Why a candidate scored as it did. Terms that the profile does not have are NaN.
 *
 *  | term | what                                               | term | what                                          |
 *  |-----:|----------------------------------------------------|-----:|-----------------------------------------------|
 *  |    0 | ms to its first token                              |    8 | its prompt tokens still to be computed        |
 *  |    1 | ms of all later tokens                             |    9 | prompt tokens waiting there                   |
 *  |    2 | ms that it takes from those already there          |   10 | requests in flight there                      |
 *  |    3 | chance that its first token is late                |   11 | prompt tokens of these                        |
 *  |    4 | chance that its later tokens are too slow          |   12 | how much slower than the pool's mean it is    |
 *  |    5 | others that become too slow, in expectation        |   13 | tokens expected of its answer                 |
 *  |    6 | ms for want of KV cache                            |   14 | ms to load its adapter                        |
 *  |    7 | its prompt tokens believed to be in the cache      |   15 | ms for a wait far beyond the objective        |
 */
export class Explanation {
  readonly terms: StaticArray<f64> = new StaticArray<f64>(TERMS);

  clear(): void {
    this.terms.fill(f64.NaN);
  }

  read(costs: PickCosts): void {
    const terms = this.terms;
    terms[0] = costs.waitMs;
    terms[1] = costs.outputTokens * costs.paceMs;
    terms[2] = costs.harmMs;
    terms[6] = costs.overflowMs;
    terms[7] = costs.cachedTokens;
    terms[8] = costs.newTokens;
    terms[9] = costs.waitingTokens;
    terms[10] = costs.requests;
    terms[11] = costs.residentTokens;
    terms[12] = costs.factor;
    terms[13] = costs.outputTokens;
    terms[14] = costs.adapterMs;
  }

  readViolations(violations: Violations): void {
    const terms = this.terms;
    terms[3] = violations.late;
    terms[4] = violations.slow;
    terms[5] = violations.others;
  }
}
