import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LoadSeries, MOST_SAMPLES } from "./load-series.ts";

describe("a series of what is in flight", () => {
  it("takes a sample of every server each 100 ms, batch and queue together", () => {
    const series = new LoadSeries();
    for (let atMs = 0; atMs <= 205; atMs += 5) {
      const running = Math.floor(atMs / 100);
      series.sample(atMs, [
        { running, waiting: 2 },
        { running: 7, waiting: 0 },
      ]);
    }
    assert.deepEqual(series.samples(), {
      intervalMs: 100,
      inFlight: [
        [2, 3, 4],
        [7, 7, 7],
      ],
    });
  });

  it("stays bounded by samples that lie farther apart, evenly", () => {
    const series = new LoadSeries();
    const last = 10 * MOST_SAMPLES;
    for (let tick = 0; tick <= last; tick++) {
      series.sample(100 * tick, [{ running: tick, waiting: 0 }]);
    }
    const { intervalMs, inFlight } = series.samples();
    const [samples] = inFlight;
    assert.equal(intervalMs, 1600);
    assert.ok(samples!.length <= MOST_SAMPLES, `${samples!.length}`);
    assert.deepEqual(
      samples,
      samples!.map((_, index) => 16 * index),
    );
    assert.equal(samples!.length, Math.floor(last / 16) + 1);
  });

  it("fills what lies between two scrapes that are farther apart than samples", () => {
    const series = new LoadSeries();
    series.sample(0, [{ running: 1, waiting: 0 }]);
    series.sample(300, [{ running: 5, waiting: 0 }]);
    assert.deepEqual(series.samples().inFlight, [[1, 5, 5, 5]]);
  });
});
