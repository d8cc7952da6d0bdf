import { Random } from "../random";
import { RunningMedian } from "./running_median";

describe("RunningMedian", () => {
  test("comes near the median, not the mean, and follows it", () => {
    const random = new Random(20261126);
    const median = new RunningMedian();
    for (let at = 0; at < 500; at++) median.add(at % 3 == 0 ? 1000 : 18 + <f64>random.below(5));
    expect(Math.abs(median.value - 21)).toBeLessThan(4);
    for (let at = 0; at < 100; at++) median.add(40);
    expect(median.value).toBe(40);
  });

  test("is not set by one stalled answer, were it the first", () => {
    const median = new RunningMedian();
    median.add(60000);
    for (let at = 0; at < 60; at++) median.add(20);
    expect(median.value).toBeLessThan(21);
    median.add(60000);
    expect(median.value).toBeLessThan(22);
  });
});
