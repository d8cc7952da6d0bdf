import { ERROR_CODES, HISTOGRAM_BOUNDS } from "../../../assembly/wire/accounts.ts";
import * as L from "../../../assembly/wire/layout.ts";
import { countKey } from "../table/accounts.ts";
import type { AccountTotals } from "./accounts-totals.ts";
import {
  ACCOUNT_HISTOGRAMS,
  ACCOUNT_METRICS,
  type AccountHistogram,
  helpOf,
  type Metric,
} from "./metric-catalogue.ts";

type Labels = Readonly<Record<string, string>>;

/**
 * Totals of accounts in the text format of Prometheus, each family with its HELP and TYPE, whether or not it has
 * a series. prom-client's histograms take one observation at a time; these are counted elsewhere.
 */
export function accountsPage(totals: readonly AccountTotals[]): string {
  const rows = totals.map((row) => ({ ...row, labels: labelsOf(row) }));
  const { requests, errors, running, attempts, rewrites } = ACCOUNT_METRICS;
  const counter = (counts: AccountTotals["counts"], group: number, index: number) =>
    counts.get(countKey(group, index)) ?? 0;
  const sum = (index: number) =>
    rows.reduce((all, { counts }) => all + counter(counts, L.GROUP_COUNTERS, index), 0);
  const lines = [
    ...head(requests),
    ...rows.map(({ labels, counts }) =>
      sample(requests.name, labels, counter(counts, L.GROUP_COUNTERS, L.COUNTER_REQUESTS)),
    ),
    ...head(errors),
    ...rows.flatMap(({ labels, counts }) =>
      ERROR_CODES.flatMap((error_code, index) => {
        const count = counter(counts, L.GROUP_ERRORS, index);
        return count === 0 ? [] : [sample(errors.name, { ...labels, error_code }, count)];
      }),
    ),
    ...head(running),
    ...rows.map((row) => sample(running.name, row.labels, row.running)),
    ...head(attempts),
    sample(attempts.name, { status: "success" }, sum(L.COUNTER_PICKED)),
    sample(attempts.name, { status: "failure" }, sum(L.COUNTER_UNPICKED)),
    ...head(rewrites),
    ...rows.flatMap(({ model, target, labels, counts }) =>
      model === target
        ? []
        : [sample(rewrites.name, labels, counter(counts, L.GROUP_COUNTERS, L.COUNTER_REQUESTS))],
    ),
    ...ACCOUNT_HISTOGRAMS.flatMap((family) => [
      ...head(family),
      ...rows.flatMap(({ labels, counts }) => histogram(family, labels, counts)),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

/** Nothing for a row that has no value in it: a histogram without observations says nothing. */
function histogram(
  family: AccountHistogram,
  labels: Labels,
  counts: AccountTotals["counts"],
): readonly string[] {
  const bounds = HISTOGRAM_BOUNDS[family.histogram]!;
  let below = 0;
  const lines = [...bounds, Number.POSITIVE_INFINITY].map((bound, index) => {
    below += counts.get(countKey(L.GROUP_BUCKETS + family.histogram, index)) ?? 0;
    const le = bound === Number.POSITIVE_INFINITY ? "+Inf" : String(bound / family.divisor);
    return sample(`${family.name}_bucket`, { ...labels, le }, below);
  });
  if (below === 0) return [];
  const sum = counts.get(countKey(L.GROUP_SUMS, family.histogram)) ?? 0;
  return [
    ...lines,
    sample(`${family.name}_sum`, labels, sum / family.divisor),
    sample(`${family.name}_count`, labels, below),
  ];
}

function labelsOf({ pool, model, target }: AccountTotals): Labels {
  const slash = pool.indexOf("/");
  return {
    model_name: model,
    target_model_name: target,
    namespace: pool.slice(0, Math.max(slash, 0)),
    name: pool.slice(slash + 1),
  };
}

function head(metric: Metric): readonly string[] {
  return [`# HELP ${metric.name} ${helpOf(metric)}`, `# TYPE ${metric.name} ${metric.type}`];
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

/** As the text format asks for. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
