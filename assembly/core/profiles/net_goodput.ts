import { Explanation } from "../costs/explanation";
import { PickCosts } from "../costs/pick_costs";
import { Violations } from "../costs/violations";
import { PickContext } from "../pick_context";
import { Table } from "../table";
import { Profile } from "./profile";

/** A broken TPOT objective costs as much as so many times what the answer takes at its objective; a broken TTFT objective half. */
const VIOLATION_ANSWERS: f64 = 6;
const LATE_SHARE: f64 = 0.5;

/**
 * The endpoint where the request's own time, the time that it takes from those already there, and the objectives that it is
 * expected to break, its own and theirs, are least in all.
 */
export class NetGoodput extends Profile {
  private readonly costs: PickCosts = new PickCosts();
  private readonly violations: Violations = new Violations();

  usesPrefix(table: Table, pool: i32): bool {
    return true;
  }

  rank(context: PickContext): void {
    const costs = this.costs;
    costs.begin(context);
    const scores = context.scores;
    let fewest = Infinity;
    for (let index = 0, count = context.count; index < count; index++) {
      unchecked((scores[index] = <f32>-this.costMs(context, index)));
      fewest = min<f64>(fewest, this.broken());
    }
    context.violations = fewest;
  }

  explain(context: PickContext, index: i32, terms: Explanation): void {
    this.costs.begin(context);
    this.costMs(context, index);
    terms.read(this.costs);
    terms.readViolations(this.violations);
  }

  /** What the request costs at a candidate. */
  private costMs(context: PickContext, index: i32): f64 {
    const costs = this.costs;
    const violations = this.violations;
    costs.read(context, index);
    violations.read(context.flights, costs);
    const violationMs = VIOLATION_ANSWERS * costs.outputTokens * costs.tpotMs;
    return (
      costs.waitMs +
      costs.outputTokens * costs.paceMs +
      costs.harmMs +
      violationMs *
        (LATE_SHARE * violations.late + violations.slow * (1 - violations.late) + violations.others) +
      costs.overflowMs
    );
  }

  /** Objectives that it breaks there, in expectation. */
  private broken(): f64 {
    const violations = this.violations;
    return violations.late + violations.slow * (1 - violations.late) + violations.others;
  }
}
