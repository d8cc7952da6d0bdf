/** The figures of a simulation, for programs and for people. */
import { TextTable } from "../../cli/text-table.ts";
import type { PolicyFigures } from "./outcomes.ts";

/** Digits behind the point: a microsecond, a millionth. */
const MS_DIGITS = 3;
const RATIO_DIGITS = 6;

/** Figures with what tells their runs apart, such as `speed`. */
export type ReportedFigures = PolicyFigures & Readonly<Record<string, unknown>>;

/** One array, an object for each run; null where no request gave a figure. */
export function jsonReport(figures: readonly (PolicyFigures | ReportedFigures)[]): string {
  const rounded = (key: string, value: unknown): unknown =>
    typeof value === "number" ? Number(value.toFixed(key.endsWith("Ms") ? MS_DIGITS : RATIO_DIGITS)) : value;
  return `${JSON.stringify(figures, rounded, 2)}\n`;
}

/** A row of figures, and cells that stand before them. */
export interface TextRow {
  readonly lead: readonly string[];
  readonly figures: PolicyFigures;
}

/** @param lead titles of the cells before the figures, behind the policy's name */
export function textReport(rows: readonly TextRow[], lead: readonly string[]): string {
  const table = new TextTable([
    { title: "policy" },
    ...[...lead, ...FIGURE_TITLES].map((title) => ({ title, right: true })),
  ]);
  for (const { lead: cells, figures } of rows) {
    table.add([figures.policy, ...cells, ...figureCells(figures)]);
  }
  return `${table.lines(Number.POSITIVE_INFINITY).join("\n")}\n`;
}

/** Titles of {@link figureCells}. */
export const FIGURE_TITLES = [
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
] as const;

export function figureCells(of: PolicyFigures): readonly string[] {
  return [
    seconds(of.ttftMeanMs),
    seconds(of.ttftP50Ms),
    seconds(of.ttftP90Ms),
    seconds(of.ttftP99Ms),
    unit(of.tpotMeanMs, 1, "ms"),
    unit(of.tpotP90Ms, 1, "ms"),
    seconds(of.e2eP90Ms),
    percent(of.cacheHitRatio),
    String(Math.round(of.preemptions)),
    percent(of.goodputRatio),
    of.requestsPerSecond.toFixed(2),
    percent(of.rejectedRatio),
  ];
}

/**
 * What each policy makes better or worse than `baseline`, a line each: points of goodput, and by how much its
 * waits are longer or shorter. Empty without the baseline or without others.
 */
export function gainLines(figures: readonly PolicyFigures[], baseline: string): readonly string[] {
  const base = figures.find(({ policy }) => policy === baseline);
  if (base === undefined || figures.length < 2) return [];
  const table = new TextTable([
    { title: `against ${baseline}` },
    ...["goodput", "TTFT mean", "TTFT p99", "TPOT mean", "e2e p90"].map((title) => ({ title, right: true })),
  ]);
  for (const of of figures) {
    if (of === base) continue;
    table.add([
      of.policy,
      signed(100 * (of.goodputRatio - base.goodputRatio), "points"),
      change(of.ttftMeanMs, base.ttftMeanMs),
      change(of.ttftP99Ms, base.ttftP99Ms),
      change(of.tpotMeanMs, base.tpotMeanMs),
      change(of.e2eP90Ms, base.e2eP90Ms),
    ]);
  }
  return table.lines(Number.POSITIVE_INFINITY);
}

/** By how much a value differs from another, `-63.0 %`. */
export function change(value: number, base: number): string {
  return signed(100 * (value / base - 1), "%");
}

function signed(value: number, name: string): string {
  return Number.isFinite(value) ? `${value > 0 ? "+" : ""}${value.toFixed(1)} ${name}` : "-";
}

function unit(value: number, digits: number, name: string): string {
  return Number.isFinite(value) ? `${value.toFixed(digits)} ${name}` : "-";
}

export function seconds(ms: number): string {
  return unit(ms / 1000, 3, "s");
}

export function percent(ratio: number): string {
  return unit(100 * ratio, 1, "%");
}
