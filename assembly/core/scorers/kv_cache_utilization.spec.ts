import { SCORER_KV_CACHE_UTILIZATION } from "../../wire/layout";
import { Scoring } from "../testing/scoring";
import { TableBuilder } from "../testing/table_builder";

describe("kv_cache_utilization", () => {
  test("is the free part of the cache, and 0 where it was not measured", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1").measured(0, 0, 0.25);
    builder.add("10.0.0.2:1").measured(0, 0, 1);
    builder.add("10.0.0.3:1").measured(0, 0, 0);
    builder.add("10.0.0.4:1").measured(0, 0, -1);
    const scoring = new Scoring().take(builder);
    scoring.run(SCORER_KV_CACHE_UTILIZATION);
    expect(scoring.of(0)).toBe(0.75);
    expect(scoring.of(1)).toBe(0);
    expect(scoring.of(2)).toBe(1);
    expect(scoring.of(3)).toBe(0);
  });
});
