import { Flights } from "../flights/flights";
import { normal } from "../flights/normal";
import { spreadOf } from "../flights/tolerances";
import { PickCosts } from "./pick_costs";

/** A first token's time is forecast within this share of its objective. */
const TTFT_SPREAD: f64 = 0.2;
/** Flights that what the whole pool bears counts for, where an endpoint's own flights stand for those of other roots too. */
const POOL_WEIGHT: f64 = 2;

/** How many objectives a pick is expected to break, of the candidate that `PickCosts` has read. */
export class Violations {
  /** Chance that the request's first token comes too late, and that its later ones are too slow. */
  late: f64 = 0;
  slow: f64 = 0;
  /** How many of those already there it makes too slow. */
  others: f64 = 0;

  read(flights: Flights, costs: PickCosts): void {
    const learned = costs.learned;
    const targetMs = learned.targetMs(costs.tpotMs);
    this.late = normal((costs.waitMs + costs.memoryMs - costs.ttftMs) / (TTFT_SPREAD * costs.ttftMs));
    this.slow = normal((costs.paceMs - targetMs) / spreadOf(costs.tpotMs, costs.outputTokens));
    this.others = costs.requests > 0 ? this.othersOf(flights, costs) : 0;
  }

  private othersOf(flights: Flights, costs: PickCosts): f64 {
    const paceMs = costs.stepMs * costs.inflation;
    const waitingMs = costs.waitingTokens * costs.promptMs;
    const promptMs = costs.newTokens * costs.promptMs;
    const output = costs.outputTokens;
    const added = costs.addedMs;
    const own = costs.ownRequests;
    let late =
      own > 0 ? flights.tolerances.late(costs.account, paceMs, waitingMs, promptMs, added, output) : 0;
    const foreign = costs.requests - own;
    if (foreign <= 0) return late;
    // Those of other roots bear what our own there do, and what the pool's do where these are few.
    const pool = costs.learned.tolerances;
    const count = pool.flights(0);
    const mean = count > 0 ? pool.late(0, paceMs, waitingMs, promptMs, added, output) / count : 0;
    late += (foreign * (late + POOL_WEIGHT * mean)) / (own + POOL_WEIGHT);
    return late;
  }
}
