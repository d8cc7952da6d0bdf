import { SCORER_RUNNING_REQUESTS } from "../../wire/layout";
import { Scoring } from "../testing/scoring";
import { TableBuilder } from "../testing/table_builder";

describe("running_requests", () => {
  test("gives the fewest running 1, the most 0, and the unmeasured 0", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1").measured(0, 100, 0);
    builder.add("10.0.0.2:1").measured(0, 20, 0);
    builder.add("10.0.0.3:1").measured(0, 40, 0);
    builder.add("10.0.0.4:1").measured(0, -1, 0);
    const scoring = new Scoring().take(builder);
    scoring.run(SCORER_RUNNING_REQUESTS);
    expect(scoring.of(0)).toBe(0);
    expect(scoring.of(1)).toBe(1);
    expect(scoring.of(2)).toBe(0.75);
    expect(scoring.of(3)).toBe(0);
  });
});
