/** The tables of the page that shows the benchmark, each between its engine's marks. */
import type { EngineName } from "../../../controller/src/simulation/step-engines.ts";
import type { Figures } from "./figures.ts";
import { POLICIES } from "./plan.ts";

/** @throws if the page lacks the engine's marks */
export function withTable(page: string, engine: EngineName, all: readonly Figures[]): string {
  const [begin, end] = [`<!-- figures: ${engine} -->`, `<!-- /figures: ${engine} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page lacks ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${table(all)}\n${page.slice(to)}`;
}

/** A row for each rate; a figure's column has the policies' values in the order of {@link POLICIES}. */
function table(all: readonly Figures[]): string {
  const rates = [...new Set(all.map(({ rate }) => rate))];
  const cells = (rate: number, written: (figures: Figures) => string): string =>
    POLICIES.map((policy) => {
      const found = all.find((figures) => figures.policy === policy && figures.rate === rate);
      return found === undefined ? "-" : written(found);
    }).join(" / ");
  const rows = rates.map((rate) =>
    [
      String(rate),
      cells(rate, ({ outputTokensPerSecond }) => (outputTokensPerSecond / 1000).toFixed(1)),
      cells(rate, ({ perTokenP90Ms }) => perTokenP90Ms.toFixed(0)),
      cells(rate, ({ latencyP90S }) => latencyP90S.toFixed(1)),
      cells(rate, ({ ttftP99S }) => ttftP99S.toFixed(1)),
      cells(rate, ({ goodPercent }) => goodPercent.toFixed(1)),
    ].join(" | "),
  );
  return [
    `Each column: ${POLICIES.map((policy) => `\`${policy}\``).join(" / ")}.`,
    "",
    "| requests/s | 1,000 output tokens/s | per token p90, ms | latency p90, s | TTFT p99, s | good, % |",
    "|---|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
    "",
  ].join("\n");
}
