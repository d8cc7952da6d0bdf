/** The figures of a simulation, for programs and for people. */
import { TextTable } from "../../cli/text-table.ts";
import type { PolicyFigures } from "./outcomes.ts";

/** Digits behind the point: a microsecond, a millionth. */
const MS_DIGITS = 3;
const RATIO_DIGITS = 6;

/** One array, an object for each policy; null where no request gave a figure. */
export function jsonReport(figures: readonly PolicyFigures[]): string {
  const rounded = (key: string, value: unknown): unknown =>
    typeof value === "number" ? Number(value.toFixed(key.endsWith("Ms") ? MS_DIGITS : RATIO_DIGITS)) : value;
  return `${JSON.stringify(figures, rounded, 2)}\n`;
}

export function textReport(figures: readonly PolicyFigures[]): string {
  const table = new TextTable([
    { title: "policy" },
    ...[
      "TTFT mean",
      "p50",
      "p90",
      "p99",
      "TPOT mean",
      "p90",
      "e2e p90",
      "cached",
      "pre-empted",
      "goodput",
      "req/s",
      "rejected",
    ].map((title) => ({ title, right: true })),
  ]);
  for (const of of figures) {
    table.add([
      of.policy,
      seconds(of.ttftMeanMs),
      seconds(of.ttftP50Ms),
      seconds(of.ttftP90Ms),
      seconds(of.ttftP99Ms),
      unit(of.tpotMeanMs, 1, "ms"),
      unit(of.tpotP90Ms, 1, "ms"),
      seconds(of.e2eP90Ms),
      percent(of.cacheHitRatio),
      String(of.preemptions),
      percent(of.goodputRatio),
      of.requestsPerSecond.toFixed(2),
      percent(of.rejectedRatio),
    ]);
  }
  return `${table.lines(Number.POSITIVE_INFINITY).join("\n")}\n`;
}

function unit(value: number, digits: number, name: string): string {
  return Number.isFinite(value) ? `${value.toFixed(digits)} ${name}` : "-";
}

function seconds(ms: number): string {
  return unit(ms / 1000, 3, "s");
}

function percent(ratio: number): string {
  return unit(100 * ratio, 1, "%");
}
