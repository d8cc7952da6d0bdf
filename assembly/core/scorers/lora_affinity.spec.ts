import { ADAPTER_RUNNING, ADAPTER_WAITING, SCORER_LORA_AFFINITY } from "../../wire/layout";
import { Scoring } from "../testing/scoring";
import { TableBuilder } from "../testing/table_builder";

/** Active; room; waiting and full; full; not measured. */
function fiveEndpoints(): TableBuilder {
  const builder = new TableBuilder();
  builder.add("10.0.0.1:1").adapters(1).adapter("a", ADAPTER_RUNNING);
  builder.add("10.0.0.2:1").adapters(2).adapter("b", ADAPTER_RUNNING);
  builder.add("10.0.0.3:1").adapters(2).adapter("b", ADAPTER_RUNNING).adapter("a", ADAPTER_WAITING);
  builder.add("10.0.0.4:1").adapters(1).adapter("b", ADAPTER_WAITING);
  builder.add("10.0.0.5:1").measured(0, 0, 0);
  return builder;
}

describe("lora_affinity", () => {
  test("gives active 1, room 0.8, waiting 0.6, full 0 and not measured 0", () => {
    const scoring = new Scoring().take(fiveEndpoints()).ask("a");
    scoring.run(SCORER_LORA_AFFINITY);
    expect(scoring.of(0)).toBe(1);
    expect(scoring.of(1)).toBe(0.8);
    expect(scoring.of(2)).toBe(0.6);
    expect(scoring.of(3)).toBe(0);
    expect(scoring.of(4)).toBe(0);
  });

  test("is neutral for no model, and for one that the pool lists as no adapter", () => {
    const builder = fiveEndpoints();
    builder.baseModels.push("base");
    const scoring = new Scoring().take(builder);
    scoring.run(SCORER_LORA_AFFINITY);
    for (let row = 0; row < 5; row++) expect(scoring.of(row)).toBe(0);
    scoring.ask("base");
    scoring.run(SCORER_LORA_AFFINITY);
    for (let row = 0; row < 5; row++) expect(scoring.of(row)).toBe(0);
  });

  test("sends a model that is loaded nowhere to where there is room, listed as adapter, not listed, or with an empty list", () => {
    for (let form = 0; form < 3; form++) {
      const builder = fiveEndpoints();
      if (form == 0) builder.adapterModels.push("new");
      if (form == 1) builder.baseModels.push("base");
      const scoring = new Scoring().take(builder).ask("new");
      scoring.run(SCORER_LORA_AFFINITY);
      expect(scoring.of(0)).toBe(0);
      expect(scoring.of(1)).toBe(0.8);
      expect(scoring.of(2)).toBe(0);
      expect(scoring.of(3)).toBe(0);
      expect(scoring.of(4)).toBe(0);
    }
  });

  test("believes an endpoint that holds an adapter more than the pool's list", () => {
    const builder = fiveEndpoints();
    builder.baseModels.push("a");
    const scoring = new Scoring().take(builder).ask("a");
    scoring.run(SCORER_LORA_AFFINITY);
    expect(scoring.of(0)).toBe(1);
    expect(scoring.of(1)).toBe(0.8);
  });

  test("takes an adapter that both runs and waits as running", () => {
    const builder = new TableBuilder();
    builder.add("10.0.0.1:1").adapters(2).adapter("a", ADAPTER_WAITING).adapter("a", ADAPTER_RUNNING);
    const scoring = new Scoring().take(builder).ask("a");
    scoring.run(SCORER_LORA_AFFINITY);
    expect(scoring.of(0)).toBe(1);
  });
});
