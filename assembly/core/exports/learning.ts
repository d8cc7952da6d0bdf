import { addressOf } from "../../wire/bytes";
import { BASE, COEFFICIENTS } from "../learning/step_model";
import { flights, request, table } from "./state";

/** Before the values of endpoints: see `learnedPtr`. */
const POOL_VALUES: i32 = 16;
let report = new StaticArray<f64>(POOL_VALUES);

/**
 * What is learned of a pool, as f64s: 0 to 3 coefficients in ms (a step, a resident token, a sequence, a prompt token), 4 to 7
 * their deviations, 8 mean answer in tokens, 9 tokens in a byte, 10 prompt tokens to compute in a ms, 11 median ms of a token,
 * 12 rows learned from; from 16 on each endpoint's factor, in the order of its rows.
 */
export function learnedPtr(pool: i32): usize {
  const count = table.poolEndpointCount[pool];
  if (report.length < POOL_VALUES + count) report = new StaticArray<f64>(POOL_VALUES + count);
  const learned = flights.learning.poolOf(table.poolId[pool]);
  for (let at = BASE; at < COEFFICIENTS; at++) {
    report[at] = learned.steps.theta[at];
    report[COEFFICIENTS + at] = learned.steps.deviation(at);
  }
  report[8] = learned.lengths.mean;
  report[9] = learned.ratios.of(0);
  report[10] = learned.prompts.perMs(request.nowMs);
  report[11] = learned.pace.value;
  report[12] = learned.steps.rows;
  const start = table.poolEndpointStart[pool];
  for (let row = 0; row < count; row++) {
    report[POOL_VALUES + row] = flights.learning.factorOf(learned, table.rowAccount[start + row]);
  }
  return addressOf<f64>(report);
}

/** All pools' coefficients are forgotten and begin at the prior times `factor`. */
export function setPriors(factor: f64): void {
  flights.learning.setPriors(factor);
}
