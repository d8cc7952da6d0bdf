/** A simulation as one page that needs nothing else: plots, tables, and the command that made it. */
import { FIGURE_TITLES, figureCells } from "../../replay/report.ts";
import type { SimulateSettings } from "../../replay/settings.ts";
import { labelsOf } from "../plan.ts";
import type { FinishedRun } from "../run-spec.ts";
import { escaped, shellWord } from "./html.ts";

/** @param args of the command that made it */
export function htmlReport(
  runs: readonly FinishedRun[],
  settings: SimulateSettings,
  args: readonly string[],
): string {
  const labelOf = labelsOf(settings);
  const head = ["run", ...FIGURE_TITLES].map((title) => `<th>${escaped(title)}</th>`).join("");
  const rows = runs.map(({ spec, result }) =>
    [labelOf(spec), ...figureCells(result.figures)].map((cell) => `<td>${escaped(cell)}</td>`).join(""),
  );
  const command = ["npx", "inference-picker", "simulate", ...args].map(shellWord).join(" ");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Simulation</title>
<pre>${escaped(command)}</pre>
<table><tr>${head}</tr>${rows.map((row) => `<tr>${row}</tr>`).join("\n")}</table>
</html>
`;
}
