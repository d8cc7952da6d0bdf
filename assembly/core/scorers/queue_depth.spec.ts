import { SCORER_QUEUE_DEPTH } from "../../wire/layout";
import { Scoring } from "../testing/scoring";
import { TableBuilder } from "../testing/table_builder";

describe("queue_depth", () => {
  test("gives the shortest queue 1, the longest 0, and the others their place between", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1").measured(2, 0, 0);
    builder.add("10.0.0.2:1").measured(10, 0, 0);
    builder.add("10.0.0.3:1").measured(4, 0, 0);
    const scoring = new Scoring().take(builder);
    scoring.run(SCORER_QUEUE_DEPTH);
    expect(scoring.of(0)).toBe(1);
    expect(scoring.of(1)).toBe(0);
    expect(scoring.of(2)).toBe(0.75);
  });

  test("gives equal queues 1 and an unmeasured one 0, which takes no part in the range", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1").measured(7, 0, 0);
    builder.add("10.0.0.2:1");
    builder.add("10.0.0.3:1").measured(7, 0, 0);
    const scoring = new Scoring().take(builder);
    scoring.run(SCORER_QUEUE_DEPTH);
    expect(scoring.of(0)).toBe(1);
    expect(scoring.of(1)).toBe(0);
    expect(scoring.of(2)).toBe(1);
  });
});
