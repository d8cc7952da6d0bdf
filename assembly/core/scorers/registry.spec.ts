import { ADAPTER_RUNNING, ADAPTER_WAITING, SCORER_IN_FLIGHT } from "../../wire/layout";
import { Random } from "../random";
import { Scoring } from "../testing/scoring";
import { TableBuilder } from "../testing/table_builder";
import { LAST_SCORER_KIND, scorerOf } from "./registry";

// The suite that every scorer of the registry must pass; a new one is covered by being registered.

const SEED: u64 = 20261124;
const ROUNDS: i32 = 200;
const MODELS: string[] = ["base", "adapter-a", "adapter-b"];

/** The kinds whose signal is this Envoy's own knowledge, and therefore never missing. */
function isNeverMissing(kind: u32): bool {
  return kind == SCORER_IN_FLIGHT;
}

/** The kinds that have a scorer. */
function kinds(): u32[] {
  const found: u32[] = [];
  for (let kind: u32 = 0; kind <= LAST_SCORER_KIND; kind++) if (scorerOf(kind) != null) found.push(kind);
  return found;
}

function named(kind: u32): string {
  return "SCORER kind " + kind.toString();
}

function randomTable(random: Random, count: i32): TableBuilder {
  const builder = new TableBuilder();
  for (let index = 0; index < count; index++) {
    const endpoint = builder.add("10.0.0." + index.toString() + ":8000");
    if (random.below(5) == 0) continue;
    endpoint.ageMs = random.below(2000);
    if (random.below(4) > 0) endpoint.queued = random.below(20);
    if (random.below(4) > 0) endpoint.running = random.below(200);
    if (random.below(4) > 0) endpoint.kvUsed = <f32>random.below(1001) / 1000;
    if (random.below(4) > 0) endpoint.remoteRequests = random.below(30);
    if (random.below(4) == 0) continue;
    endpoint.maxAdapters = random.below(4);
    for (let model = 1; model < MODELS.length; model++) {
      const state = random.below(3);
      if (state > 0) endpoint.adapter(MODELS[model], state == 1 ? ADAPTER_RUNNING : ADAPTER_WAITING);
    }
  }
  return builder;
}

function randomScoring(random: Random, builder: TableBuilder): Scoring {
  const scoring = new Scoring().take(builder);
  for (let row = 0; row < builder.endpoints.length; row++) scoring.open(row, random.below(10));
  if (random.below(4) > 0) scoring.ask(MODELS[random.below(MODELS.length)]);
  return scoring;
}

describe("every scorer of the registry", () => {
  test("is there", () => {
    log("seed " + SEED.toString());
    expect(kinds().length).toBe(<i32>LAST_SCORER_KIND);
    expect(scorerOf(0)).toBeNull();
    expect(scorerOf(LAST_SCORER_KIND + 1)).toBeNull();
  });

  test("scores every row within 0 and 1 and writes nothing else", () => {
    const all = kinds();
    const random = new Random(SEED);
    for (let round = 0; round < ROUNDS; round++) {
      const count = 1 + random.below(12);
      const scoring = randomScoring(random, randomTable(random, count));
      for (let index = 0; index < all.length; index++) {
        const scored = scoring.run(all[index]);
        let within = scored == count;
        for (let row = 0; row < scored; row++)
          within = within && scoring.of(row) >= 0 && scoring.of(row) <= 1;
        if (!within || !scoring.keptToItself(count)) {
          expect(within).toBe(true, named(all[index]) + " within 0 and 1");
          expect(scoring.keptToItself(count)).toBe(true, named(all[index]) + " keeps to its rows");
        }
      }
    }
    expect(all.length).toBeGreaterThan(0);
  });

  test("gives an endpoint the same score wherever its row stands", () => {
    const all = kinds();
    const random = new Random(SEED + 1);
    let compared = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const count = 2 + random.below(10);
      const builder = randomTable(random, count);
      const scoring = randomScoring(random, builder);
      const turned = new TableBuilder();
      const turn = 1 + random.below(count - 1);
      for (let row = 0; row < count; row++) turned.endpoints.push(builder.endpoints[(row + turn) % count]);
      for (let index = 0; index < all.length; index++) {
        scoring.take(builder);
        scoring.run(all[index]);
        const before: f32[] = [];
        for (let row = 0; row < count; row++) before.push(scoring.of((row + turn) % count));
        scoring.take(turned);
        scoring.run(all[index]);
        for (let row = 0; row < count; row++, compared++) {
          if (scoring.of(row) != before[row]) expect(scoring.of(row)).toBe(before[row], named(all[index]));
        }
      }
    }
    expect(compared).toBeGreaterThan(1000);
  });

  test("never prefers an endpoint that nothing is known of, and gives it 0 unless its signal is our own", () => {
    const all = kinds();
    const random = new Random(SEED + 2);
    for (let round = 0; round < ROUNDS; round++) {
      const count = 2 + random.below(10);
      const builder = randomTable(random, count);
      const ghost = builder.add("10.0.1.1:8000");
      ghost.remoteRequests = 0;
      for (let row = 0; row < count; row++) builder.endpoints[row].remoteRequests = 0;
      const scoring = new Scoring().take(builder).ask(MODELS[random.below(MODELS.length)]);
      for (let index = 0; index < all.length; index++) {
        scoring.run(all[index]);
        for (let row = 0; row < count; row++) {
          if (scoring.of(count) > scoring.of(row))
            expect(scoring.of(row)).toBe(scoring.of(count), named(all[index]));
        }
        if (!isNeverMissing(all[index]) && scoring.of(count) != 0) {
          expect(scoring.of(count)).toBe(0, named(all[index]));
        }
      }
    }
    expect(all.length).toBeGreaterThan(0);
  });

  test("treats a stale row as one that nothing is known of", () => {
    const all = kinds();
    for (let index = 0; index < all.length; index++) {
      const builder = new TableBuilder();
      const stale = builder
        .add("10.0.0.1:1")
        .measured(0, 0, 0)
        .adapters(4)
        .adapter("adapter-a", ADAPTER_RUNNING);
      stale.ageMs = 60000;
      builder.add("10.0.0.2:1").measured(9, 99, 0.9).adapters(1).adapter("adapter-b", ADAPTER_RUNNING);
      const scoring = new Scoring().take(builder).ask("adapter-a");
      scoring.run(all[index]);
      if (!isNeverMissing(all[index])) expect(scoring.of(0)).toBe(0, named(all[index]));
      expect(scoring.of(0) <= scoring.of(1) || isNeverMissing(all[index])).toBe(true, named(all[index]));
    }
  });

  test("gives equal endpoints equal scores", () => {
    const all = kinds();
    for (let index = 0; index < all.length; index++) {
      const builder = new TableBuilder();
      for (let row = 0; row < 5; row++) {
        builder
          .add("10.0.0." + row.toString() + ":1")
          .measured(3, 7, 0.25)
          .adapters(2)
          .adapter("adapter-a", ADAPTER_WAITING);
      }
      const scoring = new Scoring().take(builder).ask("adapter-a");
      for (let row = 0; row < 5; row++) scoring.open(row, 2);
      scoring.run(all[index]);
      for (let row = 1; row < 5; row++) expect(scoring.of(row)).toBe(scoring.of(0), named(all[index]));
    }
  });

  test("gives equal scores to endpoints that nothing at all is known of", () => {
    const all = kinds();
    for (let index = 0; index < all.length; index++) {
      const builder = new TableBuilder();
      for (let row = 0; row < 4; row++) builder.add("10.0.0." + row.toString() + ":1");
      const scoring = new Scoring().take(builder).ask("adapter-a");
      scoring.run(all[index]);
      for (let row = 1; row < 4; row++) expect(scoring.of(row)).toBe(scoring.of(0), named(all[index]));
    }
  });

  test("scores a single endpoint, measured or not, and the largest numbers", () => {
    const all = kinds();
    for (let index = 0; index < all.length; index++) {
      for (let form = 0; form < 3; form++) {
        const builder = new TableBuilder();
        const endpoint = builder.add("10.0.0.1:1");
        if (form == 1) endpoint.measured(4, 5, 0.5);
        if (form == 2) endpoint.measured(i32.MAX_VALUE, i32.MAX_VALUE, 1).adapters(i32.MAX_VALUE);
        const scoring = new Scoring().take(builder).ask("base");
        expect(scoring.run(all[index])).toBe(1);
        expect(scoring.of(0) >= 0 && scoring.of(0) <= 1).toBe(true, named(all[index]));
      }
    }
  });
});
