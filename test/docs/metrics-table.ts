/**
 * The table of metrics in docs/metrics.md, made of the catalogue that the controller's page is made of too:
 * `npx tsx test/docs/metrics-table.ts` writes it, test/docs.test.ts compares it.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  CONTROLLER_METRICS,
  ENVOY_METRICS,
  type Metric,
} from "../../controller/src/telemetry/metric-catalogue.ts";
import { read, ROOT } from "./page.ts";

const PAGE = "docs/metrics.md";
const BLOCK = /<!-- metrics -->\n[\s\S]*?<!-- \/metrics -->/;

/** The block with its marks. */
export function metricsBlock(): string {
  const rows = [
    ...ENVOY_METRICS.map((metric) => row(metric, "Envoy")),
    ...CONTROLLER_METRICS.map((metric) => row(metric, "controller")),
  ];
  const head = ["| metric | page | type | unit | labels | what |", "|---|---|---|---|---|---|"];
  return ["<!-- metrics -->", ...head, ...rows, "<!-- /metrics -->"].join("\n");
}

/** The block as the page has it; undefined if it has none. */
export function writtenBlock(): string | undefined {
  return BLOCK.exec(read(PAGE))?.[0];
}

function row({ name, type, unit, labels, what }: Metric, page: string): string {
  const marked = labels.map((label) => `\`${label}\``).join(", ");
  return `| \`${name}\` | ${page} | ${type} | ${unit} | ${marked} | ${what} |`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  writeFileSync(
    join(ROOT, PAGE),
    read(PAGE).replace(BLOCK, () => metricsBlock()),
  );
}
