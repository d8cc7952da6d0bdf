import { SCORER_IN_FLIGHT } from "../../wire/layout";
import { Scoring } from "../testing/scoring";
import { TableBuilder } from "../testing/table_builder";

describe("in_flight", () => {
  test("adds own, merged and remote requests, fewest first", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1").remoteRequests = 2;
    builder.add("10.0.0.2:1").remoteRequests = 1;
    builder.add("10.0.0.3:1");
    const scoring = new Scoring().take(builder);
    scoring.open(0, 1).open(2, 4);
    scoring.ledger.beginMerge();
    scoring.ledger.mergeRow(scoring.table.rowId[0], 2, 0, 0);
    scoring.ledger.endMerge();
    scoring.run(SCORER_IN_FLIGHT);
    expect(scoring.of(0)).toBe(0, "1 own + 2 merged + 2 remote");
    expect(scoring.of(1)).toBe(1, "1 remote");
    expect(scoring.of(2)).toBe(0.25, "4 own");
  });

  test("gives all 1 when nothing is in flight", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1");
    builder.add("10.0.0.2:1").measured(1, 2, 0.5);
    const scoring = new Scoring().take(builder);
    scoring.run(SCORER_IN_FLIGHT);
    expect(scoring.of(0)).toBe(1);
    expect(scoring.of(1)).toBe(1);
  });

  test("leaves out what other Envoys had in flight once the message is stale", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1").remoteRequests = 9;
    builder.add("10.0.0.2:1").remoteRequests = 0;
    const scoring = new Scoring().take(builder);
    scoring.table.age(60000);
    scoring.open(1, 1);
    scoring.run(SCORER_IN_FLIGHT);
    expect(scoring.of(0)).toBe(1);
    expect(scoring.of(1)).toBe(0);
  });
});
