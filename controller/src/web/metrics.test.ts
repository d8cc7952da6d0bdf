import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FeedServer } from "../push/feed-server.ts";
import { ModelDiscovery } from "../scrape/model-discovery.ts";
import { createScraper } from "../scrape/scraper.ts";
import type { StatusWriterStats } from "../status/writer.ts";
import { AccountsTotals } from "../telemetry/accounts-totals.ts";
import { AdsServer } from "../xds/ads-server.ts";
import { createMetrics } from "./metrics.ts";

const STATS: StatusWriterStats = {
  leading: true,
  statusWrites: 5,
  statusConflicts: 2,
  statusFailures: 1,
  eventsWritten: 7,
  eventsDropped: 3,
  eventFailures: 4,
};

/** The page's lines of the metrics whose name has `part`. */
async function linesOf(part: string, stats: StatusWriterStats | undefined): Promise<readonly string[]> {
  const setTimer = () => () => undefined;
  const onNothing = () => undefined;
  const clocks = { nowMs: () => 0, random: () => 0, setTimer };
  const scraper = createScraper({ onSample: onNothing, ...clocks });
  const discovery = new ModelDiscovery({ onModels: onNothing, onOutcome: onNothing, ...clocks });
  const page = createMetrics({
    rows: onNothing,
    scrapes: () => scraper.stats(),
    modelLists: () => discovery.stats(),
    feed: new FeedServer({ nowMs: () => 0, setTimer, onAccounts: onNothing, onTrouble: onNothing }),
    accounts: new AccountsTotals(() => 0),
    ads: new AdsServer({ setTimer, onNack: onNothing }),
    tableErrors: () => 0,
    strandedPools: () => 0,
    configErrors: () => new Map(),
    status: () => stats,
    version: "0",
  });
  const lines = (await page.text()).split("\n");
  return lines.filter((line) => line.startsWith(`inference_picker_${part}`));
}

describe("the metrics of statuses and Events", () => {
  it("say who writes, how often and how well", async () => {
    assert.deepEqual(await linesOf("leading", STATS), ["inference_picker_leading 1"]);
    assert.deepEqual(await linesOf("leading", { ...STATS, leading: false }), ["inference_picker_leading 0"]);
    assert.deepEqual(await linesOf("status", STATS), [
      'inference_picker_status_writes_total{result="success"} 5',
      'inference_picker_status_writes_total{result="conflict"} 2',
      'inference_picker_status_writes_total{result="failure"} 1',
    ]);
    assert.deepEqual(await linesOf("events", STATS), [
      'inference_picker_events_total{result="success"} 7',
      'inference_picker_events_total{result="dropped"} 3',
      'inference_picker_events_total{result="failure"} 4',
    ]);
  });

  it("have no values where there is nobody to tell", async () => {
    for (const part of ["leading", "status", "events"])
      assert.deepEqual(await linesOf(part, undefined), [], part);
  });
});
