import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PickingCore } from "../../controller/src/core/picking-core.ts";
import { coreModule } from "../core/core.ts";
import { type BurstTimes, burst } from "./burst.ts";

const SEEDS = [1, 2, 3, 4, 5] as const;

/** Cores that know of each other what Envoys and workers tell each other. */
function cores(envoys: number, workers: number, seed: number): readonly (readonly PickingCore[])[] {
  return Array.from({ length: envoys }, (_, envoy) =>
    Array.from(
      { length: workers },
      (_, worker) => new PickingCore(coreModule(), BigInt(100 * seed + envoy * workers + worker)),
    ),
  );
}

/** How many times as long it takes as with one core that sees everything, over all seeds. */
async function compared(envoys: number, workers: number, profile: string, spanMs: number) {
  const several: BurstTimes[] = [];
  const one: BurstTimes[] = [];
  for (const seed of SEEDS) {
    several.push(await burst(cores(envoys, workers, seed), profile, spanMs, seed));
    one.push(await burst(cores(1, 1, seed), profile, spanMs, seed));
  }
  const ratio = (of: (times: BurstTimes) => number): number =>
    several.reduce((sum, times) => sum + of(times), 0) / one.reduce((sum, times) => sum + of(times), 0);
  return {
    end: ratio(({ endMs }) => endMs),
    ttft: ratio(({ ttftMs }) => ttftMs),
    slowestTtft: ratio(({ slowestTtftMs }) => slowestTtftMs),
  };
}

describe(`a burst of 200 unequal requests on 16 unequally loaded servers (seeds ${SEEDS.join(", ")})`, () => {
  // All before anybody was scraped again; the shortest also before Envoys or workers hear of each other.
  for (const spanMs of [25, 100, 500]) {
    for (const profile of ["net-goodput", "least-request"]) {
      it(`in ${spanMs} ms over 2 Envoys of 2 workers takes at most 15 % longer than over one, by ${profile}`, async () => {
        const { end, ttft, slowestTtft } = await compared(2, 2, profile, spanMs);
        assert.ok(end < 1.15, `its requests took ${end} times as long`);
        // Each picks the least loaded before it hears of the others: the first tokens lose more than the whole.
        assert.ok(ttft < 1.35, `its first tokens came ${ttft} times as late`);
        assert.ok(slowestTtft < 1.25, `the slowest first token took ${slowestTtft} times as long`);
      });
    }
  }

  it("over 2 workers of one Envoy has its first tokens at most 15 % later than over one", async () => {
    const { ttft } = await compared(1, 2, "net-goodput", 50);
    assert.ok(ttft < 1.15, `${ttft} times as long`);
  });
});
