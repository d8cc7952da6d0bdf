import { Random } from "../random";
import { BASE, COEFFICIENTS, CONTEXT, PROMPT, SEQUENCE, StepModel } from "./step_model";

const SEED: u64 = 20261126;
const TRUTH: f64[] = [14, 0.00012, 0.03, 0.05];

function uniform(random: Random): f64 {
  return <f64>random.next32() / 4294967296;
}

/** Learns from `rows` answers of a pool with the coefficients of TRUTH; every `oddEvery`-th takes 50 times as long. */
function taught(model: StepModel, rows: i32, oddEvery: i32): StepModel {
  const random = new Random(SEED);
  const features = new StaticArray<f64>(COEFFICIENTS);
  for (let row = 0; row < rows; row++) {
    features[BASE] = 1;
    features[CONTEXT] = 400000 * uniform(random);
    features[SEQUENCE] = 1 + 80 * uniform(random);
    features[PROMPT] = 100 * uniform(random);
    let observed: f64 = 0;
    for (let at = 0; at < COEFFICIENTS; at++) observed += TRUTH[at] * features[at];
    observed *= 0.9 + 0.2 * uniform(random);
    if (oddEvery > 0 && row % oddEvery == 0) observed *= 50;
    model.learn(features, observed, 0.2 * observed);
  }
  return model;
}

/** Mean error of what a busy endpoint's step is expected to take, as a share. */
function error(model: StepModel): f64 {
  const random = new Random(SEED + 1);
  const features = new StaticArray<f64>(COEFFICIENTS);
  let sum: f64 = 0;
  for (let row = 0; row < 200; row++) {
    features[BASE] = 1;
    features[CONTEXT] = 400000 * uniform(random);
    features[SEQUENCE] = 1 + 80 * uniform(random);
    features[PROMPT] = 100 * uniform(random);
    let truth: f64 = 0;
    for (let at = 0; at < COEFFICIENTS; at++) truth += TRUTH[at] * features[at];
    sum += Math.abs(model.expected(features) / truth - 1);
  }
  return sum / 200;
}

describe("StepModel", () => {
  test("learns a pool of other coefficients, whatever the prior is wrong by", () => {
    for (let factor: f64 = 0.5; factor <= 4; factor *= 2) {
      const model = new StepModel();
      model.reset(factor);
      expect(error(taught(model, 600, 0))).toBeLessThan(0.06, "prior times " + factor.toString());
    }
  });

  test("is not carried away by one answer in twenty that takes fifty times as long", () => {
    expect(error(taught(new StepModel(), 1000, 20))).toBeLessThan(0.35);
  });

  test("follows when the servers change", () => {
    const model = taught(new StepModel(), 3000, 0);
    for (let at = 0; at < COEFFICIENTS; at++) TRUTH[at] *= 2;
    expect(error(taught(model, 1500, 0))).toBeLessThan(0.15);
    for (let at = 0; at < COEFFICIENTS; at++) TRUTH[at] /= 2;
  });

  test("stays within a tenth and ten times the prior, and finite, whatever it is told", () => {
    const model = new StepModel();
    const prior = new StepModel();
    const features = new StaticArray<f64>(COEFFICIENTS);
    const odd: f64[] = [0, 1e-300, 1e300, f64.NaN, Infinity, -1, 1];
    const random = new Random(SEED + 2);
    for (let row = 0; row < 5000; row++) {
      for (let at = 0; at < COEFFICIENTS; at++) features[at] = odd[random.below(odd.length)];
      model.learn(features, odd[random.below(odd.length)], odd[random.below(odd.length)]);
      for (let at = 0; at < COEFFICIENTS; at++) {
        const ratio = model.theta[at] / prior.theta[at];
        if (!(ratio > 0.0999 && ratio < 10.001)) expect(ratio).toBe(1, "within bounds");
      }
    }
    expect(error(taught(model, 2000, 0))).toBeLessThan(0.15, "and it can still learn");
  });

  test("knows how sure it is", () => {
    const model = new StepModel();
    const before = model.deviation(PROMPT);
    expect(taught(model, 500, 0).deviation(PROMPT)).toBeLessThan(before / 2);
  });
});
