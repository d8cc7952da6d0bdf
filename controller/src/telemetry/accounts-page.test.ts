import assert from "node:assert/strict";
import { describe, it } from "node:test";
import parsePrometheusTextFormat from "parse-prometheus-text-format";
import { HISTOGRAM_DURATION, HISTOGRAM_ESTIMATE_ERROR } from "../../../assembly/wire/accounts.ts";
import * as L from "../../../assembly/wire/layout.ts";
import { countKey } from "../table/accounts.ts";
import { accountsPage } from "./accounts-page.ts";
import type { AccountTotals } from "./accounts-totals.ts";
import { ACCOUNT_HISTOGRAMS, ACCOUNT_METRICS } from "./metric-catalogue.ts";

const LABELS = 'model_name="llama",target_model_name="llama",namespace="ns",name="a"';

function totals(
  counts: readonly (readonly [group: number, index: number, value: number])[],
  over: Partial<AccountTotals> = {},
): AccountTotals {
  return {
    pool: "ns/a",
    model: "llama",
    target: "llama",
    running: 0,
    counts: new Map(counts.map(([group, index, value]) => [countKey(group, index), value])),
    ...over,
  };
}

const line = (page: string, start: string) => page.split("\n").find((each) => each.startsWith(start));

describe("the page of accounts", () => {
  it("has each family's type before there is anything to show", () => {
    const page = accountsPage([]);
    for (const { name, type } of [...Object.values(ACCOUNT_METRICS), ...ACCOUNT_HISTOGRAMS]) {
      assert.ok(page.includes(`# TYPE ${name} ${type}\n`), name);
    }
    assert.ok(page.endsWith("\n"));
  });

  it("adds buckets up to their bounds, in seconds", () => {
    const buckets = L.GROUP_BUCKETS + HISTOGRAM_DURATION;
    const page = accountsPage([
      totals([
        [L.GROUP_SUMS, HISTOGRAM_DURATION, 3_612_030_000],
        [buckets, 0, 2],
        [buckets, 1, 3],
        [buckets, 35, 1],
      ]),
    ]);
    const name = "inference_objective_request_duration_seconds";
    assert.equal(
      line(page, `${name}_bucket{${LABELS},le="0.005"}`),
      `${name}_bucket{${LABELS},le="0.005"} 2`,
    );
    for (const [le, count] of [
      ["0.025", 5],
      ["1.25", 5],
      ["3600", 5],
      ["+Inf", 6],
    ]) {
      assert.ok(page.includes(`${name}_bucket{${LABELS},le="${le}"} ${count}\n`), `${le}`);
    }
    assert.ok(page.includes(`${name}_sum{${LABELS}} 3612.03\n`));
    assert.ok(page.includes(`${name}_count{${LABELS}} 6\n`));
    assert.equal(line(page, "inference_objective_request_ttft_seconds_bucket"), undefined);
  });

  it("shows the estimate's error as a ratio", () => {
    const page = accountsPage([
      totals([
        [L.GROUP_SUMS, HISTOGRAM_ESTIMATE_ERROR, 50],
        [L.GROUP_BUCKETS + HISTOGRAM_ESTIMATE_ERROR, 2, 1],
      ]),
    ]);
    const name = "inference_picker_estimated_tokens_relative_error";
    assert.ok(page.includes(`${name}_bucket{${LABELS},le="0.05"} 1\n`));
    assert.ok(page.includes(`${name}_sum{${LABELS}} 0.05\n`));
  });

  it("has errors by their word, rewrites by their names, and attempts over all", () => {
    const page = accountsPage([
      totals(
        [
          [L.GROUP_COUNTERS, L.COUNTER_REQUESTS, 7],
          [L.GROUP_COUNTERS, L.COUNTER_PICKED, 5],
          [L.GROUP_COUNTERS, L.COUNTER_UNPICKED, 2],
          [L.GROUP_ERRORS, L.ERROR_UNAVAILABLE, 2],
        ],
        { running: 3 },
      ),
      totals([[L.GROUP_COUNTERS, L.COUNTER_REQUESTS, 4]], { target: "llama-v2" }),
    ]);
    for (const each of [
      `inference_objective_request_total{${LABELS}} 7`,
      `inference_objective_request_error_total{${LABELS},error_code="ServiceUnavailable"} 2`,
      `inference_objective_running_requests{${LABELS}} 3`,
      'inference_extension_scheduler_attempts_total{status="success"} 5',
      'inference_extension_scheduler_attempts_total{status="failure"} 2',
      'inference_extension_model_rewrite_decisions_total{model_name="llama",target_model_name="llama-v2",namespace="ns",name="a"} 4',
    ]) {
      assert.ok(page.includes(`${each}\n`), each);
    }
    assert.equal(page.match(/^inference_objective_request_error_total/gm)?.length, 1);
    assert.equal(page.match(/^inference_extension_model_rewrite/gm)?.length, 1);
  });

  it("is read by a parser of the format, whatever the names hold", () => {
    const model = 'q"uo\\te\nü,{}';
    const page = accountsPage([
      totals([[L.GROUP_COUNTERS, L.COUNTER_REQUESTS, 1]], { model, target: model, pool: "" }),
    ]);
    const family = parsePrometheusTextFormat(page).find(
      ({ name }) => name === "inference_objective_request_total",
    );
    assert.deepEqual(family?.metrics[0]?.labels, {
      model_name: model,
      target_model_name: model,
      namespace: "",
      name: "",
    });
  });
});
