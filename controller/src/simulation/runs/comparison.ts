/** What the policies made of the same requests: the command's table and its JSON. */
import type { PolicyFigures } from "../replay/outcomes.ts";
import { gainLines, percent, type ReportedFigures, type TextRow, textReport } from "../replay/report.ts";
import type { SimulateSettings } from "../replay/settings.ts";
import { meanFigures } from "./means.ts";
import type { FinishedRun } from "./run-spec.ts";

/** The policy that balances without looking: what a plain Service would do. */
export const BASELINE = "round-robin";

/** An object for each run; with several speeds or windows `speed` and `skip` tell them apart. */
export function comparisonJson(
  runs: readonly FinishedRun[],
  { speeds, windows }: SimulateSettings,
): readonly ReportedFigures[] {
  return runs.map(({ spec, result }) => ({
    ...result.figures,
    ...(speeds.length > 1 ? { speed: spec.speed } : {}),
    ...(windows > 1 ? { skip: spec.window.skip } : {}),
  }));
}

/** Rows by speed and policy, means over the windows; under them what is gained over round robin. */
export function comparison(runs: readonly FinishedRun[], settings: SimulateSettings): string {
  const { speeds, windows } = settings;
  const lead: string[] = [];
  if (speeds.length > 1) lead.push("speed");
  if (windows > 1) lead.push("least goodput");
  const rows: TextRow[] = [];
  const gains: string[] = [];
  for (const speed of speeds) {
    const means: PolicyFigures[] = [];
    for (const policy of settings.policies) {
      const figures = runs
        .filter(({ spec }) => spec.speed === speed && spec.policy === policy)
        .map(({ result }) => result.figures);
      const mean = meanFigures(figures);
      means.push(mean);
      const cells: string[] = [];
      if (speeds.length > 1) cells.push(String(speed));
      if (windows > 1) cells.push(percent(Math.min(...figures.map(({ goodputRatio }) => goodputRatio))));
      rows.push({ lead: cells, figures: mean });
    }
    const lines = gainLines(means, BASELINE);
    if (lines.length > 0) gains.push("", ...(speeds.length > 1 ? [`speed ${speed}`] : []), ...lines);
  }
  return textReport(rows, lead) + gains.map((line) => `${line}\n`).join("");
}
