import { Random } from "../random";
import { normal } from "./normal";
import { LONG, SHORT, Tolerance, Tolerances, spreadOf } from "./tolerances";

const SEED: u64 = 20261126;
const TARGET_MS: f64 = 40;

/** One in flight: what is exact, and what the grid is told. */
class Case {
  short: Tolerance = new Tolerance();
  long: Tolerance = new Tolerance();
  constructor(
    public isDecoding: bool,
    public tokens: f64,
    public elapsedMs: f64,
    public left: f64,
  ) {
    this.short.set(isDecoding, false, tokens, elapsedMs, max<f64>(1, SHORT * left), TARGET_MS, TARGET_MS);
    this.long.set(isDecoding, true, tokens, elapsedMs, max<f64>(1, LONG * left), TARGET_MS, TARGET_MS);
  }

  /** How much more likely it is late by the newcomer: the sum that the grid stands for. */
  late(paceMs: f64, waitingMs: f64, promptMs: f64, addedMs: f64, output: f64): f64 {
    return (
      (this.lateIn(max<f64>(1, SHORT * this.left), paceMs, waitingMs, promptMs, addedMs, output) +
        this.lateIn(max<f64>(1, LONG * this.left), paceMs, waitingMs, promptMs, addedMs, output)) /
      2
    );
  }

  private lateIn(left: f64, paceMs: f64, waitingMs: f64, promptMs: f64, addedMs: f64, output: f64): f64 {
    const all = this.tokens + left;
    const before = (this.elapsedMs + left * paceMs + (this.isDecoding ? waitingMs : 0)) / all;
    const after = before + (promptMs + min<f64>(output, left) * addedMs) / all;
    const spread = spreadOf(TARGET_MS, all);
    return normal((after - TARGET_MS) / spread) - normal((before - TARGET_MS) / spread);
  }
}

function randomCase(random: Random): Case {
  const isDecoding = random.below(5) > 0;
  const tokens = isDecoding ? <f64>(1 + random.below(600)) : 0;
  const pace = 10 + <f64>random.below(40);
  return new Case(isDecoding, tokens, tokens * pace, 20 + <f64>random.below(500));
}

describe("Tolerances", () => {
  test("come near the sum over all in flight, whatever the newcomer", () => {
    log("seed " + SEED.toString());
    const random = new Random(SEED);
    const grid = new Tolerances();
    grid.reserve(1);
    let exactSum: f64 = 0;
    let errorSum: f64 = 0;
    for (let round = 0; round < 200; round++) {
      grid.clear(0, TARGET_MS);
      const cases: Case[] = [];
      for (let at = 0; at < 40; at++) {
        const one = randomCase(random);
        cases.push(one);
        grid.add(0, one.short);
        grid.add(0, one.long);
      }
      const paceMs = 10 + <f64>random.below(50);
      const waitingMs = <f64>random.below(500);
      const promptMs = 5 + <f64>random.below(600);
      const addedMs = 0.05 + <f64>random.below(100) / 100;
      const output = 50 + <f64>random.below(400);
      let exact: f64 = 0;
      for (let at = 0; at < cases.length; at++) {
        exact += cases[at].late(paceMs, waitingMs, promptMs, addedMs, output);
      }
      exactSum += exact;
      errorSum += Math.abs(grid.late(0, paceMs, waitingMs, promptMs, addedMs, output) - exact);
    }
    expect(exactSum / 200).toBeGreaterThan(0.5);
    expect(errorSum / exactSum).toBeLessThan(0.1, "mean error, of the mean");
  });

  test("are exactly empty when all that was put in is taken out, in any order", () => {
    const random = new Random(SEED + 1);
    const grid = new Tolerances();
    grid.reserve(2);
    grid.clear(1, TARGET_MS);
    const cases: Case[] = [];
    for (let at = 0; at < 300; at++) {
      const one = randomCase(random);
      one.short.weight = <f64>random.below(100) / 100;
      one.long.weight = one.short.weight;
      cases.push(one);
      grid.add(1, one.short);
      grid.add(1, one.long);
    }
    expect(grid.flights(1)).toBe(300);
    while (cases.length > 0) {
      const one = cases.splice(random.below(cases.length), 1)[0];
      grid.remove(1, one.short);
      grid.remove(1, one.long);
    }
    expect(grid.flights(1)).toBe(0);
    expect(grid.late(1, 40, 100, 300, 1, 200)).toBe(0);
    const again = new Case(true, 100, 3500, 100);
    grid.add(1, again.short);
    grid.add(1, again.long);
    const exact = again.late(40, 0, 300, 0.5, 200);
    expect(Math.abs(grid.late(1, 40, 0, 300, 0.5, 200) - exact)).toBeLessThan(0.1 * exact + 0.001);
  });

  test("do not count what is lost already", () => {
    const grid = new Tolerances();
    grid.reserve(1);
    grid.clear(0, TARGET_MS);
    const one = new Case(true, 100, 3500, 100);
    one.short.weight = 0;
    one.long.weight = 0;
    grid.add(0, one.short);
    grid.add(0, one.long);
    expect(grid.late(0, 40, 0, 300, 0.5, 200)).toBe(0);
  });

  test("are built anew when the target has moved by more than a quarter", () => {
    const grid = new Tolerances();
    grid.reserve(1);
    grid.clear(0, TARGET_MS);
    expect(grid.isOutgrown(0, TARGET_MS * 1.2)).toBe(false);
    expect(grid.isOutgrown(0, TARGET_MS * 1.3)).toBe(true);
    expect(grid.isOutgrown(0, TARGET_MS / 1.3)).toBe(true);
  });

  test("stay finite for paces beyond the grid, and none below it", () => {
    const grid = new Tolerances();
    grid.reserve(1);
    grid.clear(0, TARGET_MS);
    const one = new Case(true, 100, 3500, 100);
    grid.add(0, one.short);
    grid.add(0, one.long);
    const late = grid.late(0, 1e9, 1e9, 1e12, 1e9, 1e9);
    expect(late >= 0 && late <= 1).toBe(true);
    expect(grid.late(0, 0, 0, 0, 0, 0)).toBe(0);
  });
});
