/** A simulation as one page that needs nothing else: plots, tables, and the command that made it. */
import { FIGURE_TITLES, figureCells, percent } from "../../replay/report.ts";
import type { PolicyFigures } from "../../replay/outcomes.ts";
import type { SimulateSettings } from "../../replay/settings.ts";
import { BASELINE } from "../comparison.ts";
import { labelsOf } from "../plan.ts";
import type { FinishedRun } from "../run-spec.ts";
import { mixText } from "../server-mix.ts";
import { type Group, groupsOf, seriesOf } from "./curves.ts";
import { HEAT_GRADIENT, heatMap, mostInFlight } from "./heat-map.ts";
import { escaped, shellWord } from "./html.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { type Axis, barChart, legendMark, lineChart } from "./svg-chart.ts";

interface Plot {
  readonly title: string;
  readonly figure: (figures: PolicyFigures) => number;
  readonly format: (value: number) => string;
  readonly isLog?: boolean;
  readonly spans?: readonly number[];
  readonly isTpot?: boolean;
}

const seconds = (value: number): string =>
  value >= 1 ? `${Number(value.toPrecision(3))} s` : `${Number((1000 * value).toPrecision(3))} ms`;
const milliseconds = (value: number): string => `${Number(value.toPrecision(3))} ms`;
const wholePercent = (ratio: number): string => `${Number((100 * ratio).toFixed(1))} %`;
const plain = (value: number): string => String(Number(value.toPrecision(3)));

const PLOTS: readonly Plot[] = [
  {
    title: "Goodput: requests within both objectives",
    figure: ({ goodputRatio }) => goodputRatio,
    format: wholePercent,
    spans: [0, 1],
  },
  ...(["Mean", "P50", "P90", "P99"] as const).map((which) => ({
    title: `Time to first token, ${which.toLowerCase()}`,
    figure: (figures: PolicyFigures) => figures[`ttft${which}Ms`] / 1000,
    format: seconds,
    isLog: true,
  })),
  ...(["Mean", "P90"] as const).map((which) => ({
    title: `Time per output token, ${which.toLowerCase()}`,
    figure: (figures: PolicyFigures) => figures[`tpot${which}Ms`],
    format: milliseconds,
    spans: [0],
    isTpot: true,
  })),
  {
    title: "Time to the whole answer, p90",
    figure: ({ e2eP90Ms }) => e2eP90Ms / 1000,
    format: seconds,
    spans: [0],
  },
  {
    title: "Prompt tokens found in a prefix cache",
    figure: ({ cacheHitRatio }) => cacheHitRatio,
    format: wholePercent,
    spans: [0],
  },
  {
    title: "Requests answered a second",
    figure: ({ requestsPerSecond }) => requestsPerSecond,
    format: plain,
    spans: [0],
  },
];

/** @param args of the command that made it; @param lead the answer in a sentence; default: the best policy */
export function htmlReport(
  runs: readonly FinishedRun[],
  settings: SimulateSettings,
  args: readonly string[],
  lead?: string,
): string {
  const groups = groupsOf(runs, settings);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Simulated policies</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>What each policy makes of the traffic</h1>
<p class="lead">${escaped(lead ?? conclusion(groups))}</p>
${factsOf(settings)}
<h2>Figures</h2>
${legend(settings.policies)}
${plots(groups, settings)}
<h2>Requests in flight on each endpoint over time</h2>
${heatMaps(groups, settings)}
<h2>All runs</h2>
${tableOf(runs, settings)}
<h2>The command</h2>
<p>It gives the same figures again, to the last digit.</p>
<pre>${escaped(["npx", "inference-picker", "simulate", ...args].map(shellWord).join(" "))}</pre>
</main>
</body>
</html>
`;
}

/** The best policy where the load is highest, and what the baseline or else the worst makes of that. */
function conclusion(groups: readonly Group[]): string {
  const key = Math.max(...groups.map((group) => group.key));
  const [best, ...others] = groups
    .filter((group) => group.key === key)
    .sort((a, b) => b.mean.goodputRatio - a.mean.goodputRatio);
  if (best === undefined) return "";
  const other = others.find(({ policy }) => policy === BASELINE) ?? others.at(-1);
  const first =
    `At ${plain(best.x)} requests a second (speed ${key}), ${best.policy} keeps ` +
    `${percent(best.mean.goodputRatio)} of the requests within their objectives`;
  return other === undefined ? `${first}.` : `${first}, ${other.policy} ${percent(other.mean.goodputRatio)}.`;
}

function factsOf(settings: SimulateSettings): string {
  const { window, windows, servers, engine, envoys, workers, objectives, scrapeIntervalMs, seed } = settings;
  const { ttft, tpotMs } = objectives;
  const slope =
    ttft.perThousandMs === 0 ? "" : ` and ${ttft.perThousandMs} ms more for each 1,000 prompt tokens`;
  const facts: readonly (readonly [string, string])[] = [
    [
      "traffic",
      `${window.file ?? `generated, seed ${seed}`} (${window.format}): ` +
        `${windows === 1 ? "" : `${windows} windows of `}${window.requests} requests from the ${ordinal(window.skip + 1)} on`,
    ],
    ["servers", `${mixText(servers)}; engine ${engine}`],
    ["objectives", `first token within ${ttft.baseMs} ms${slope}; ${tpotMs} ms per token after it`],
    ["pickers", `${envoys} × ${workers} (Envoys × workers), scrapes every ${scrapeIntervalMs} ms`],
  ];
  const rows = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`);
  return `<dl>${rows.join("")}</dl>`;
}

function legend(policies: readonly string[]): string {
  const items = policies.map((policy, place) => `<li>${legendMark(place)}${escaped(policy)}</li>`);
  return `<ul class="legend">${items.join("")}</ul>`;
}

/** Lines where there are several rates or sizes, bars where there is one. */
function plots(groups: readonly Group[], settings: SimulateSettings): string {
  const { policies, search, windows, objectives } = settings;
  const keys = new Set(groups.map(({ key }) => key));
  const x: Axis =
    search?.kind === "replicas"
      ? { title: "servers", format: plain }
      : { title: "requests offered a second", format: plain };
  const figures = PLOTS.map((plot) => {
    const { title, figure, format, isLog = false, spans = [], isTpot = false } = plot;
    const chart =
      keys.size === 1
        ? barChart({
            title,
            format,
            least: Math.max(0, ...spans),
            bars: groups.map(({ policy, mean }) => ({
              name: policy,
              place: (policies as readonly string[]).indexOf(policy),
              value: figure(mean),
            })),
          })
        : lineChart({
            title,
            x,
            y: { title, format, isLog, spans },
            series: seriesOf(groups, policies, figure),
            ...(isTpot ? { bound: { y: objectives.tpotMs, text: "objective" } } : {}),
          });
    return `<figure><h3>${escaped(title)}</h3>${chart}</figure>`;
  });
  const note =
    windows > 1 && keys.size > 1
      ? "<p>Points are means over the windows, vertical lines reach from the least to the greatest of them.</p>"
      : "";
  return `${note}<div class="charts">${figures.join("\n")}</div>`;
}

/** Of the first window, at each rate or size; the last is open. */
function heatMaps(groups: readonly Group[], settings: SimulateSettings): string {
  const keys = [...new Set(groups.map(({ key }) => key))];
  const parts = keys.map((key, index) => {
    const there = groups.filter((group) => group.key === key);
    const loads = there.map(({ runs }) => runs[0]!.result.load);
    const most = mostInFlight(loads);
    const maps = there.map(({ policy }, at) => {
      const map = heatMap(loads[at]!, most);
      if (map === undefined) return "";
      const rows =
        map.perRow === 1
          ? "a row for each endpoint"
          : `a row for each ${map.perRow} endpoints, the busiest of them`;
      const alt = `${policy}: requests in flight, ${rows}, over ${plain(map.seconds)} seconds`;
      return (
        `<figure><h3>${escaped(policy)}</h3><img class="heat" alt="${escaped(alt)}" src="${map.url}">` +
        `<div class="times"><span>0 s</span><span>${escaped(rows)}</span><span>${plain(map.seconds)} s</span></div></figure>`
      );
    });
    const scale =
      `<div class="key"><span>0</span><span class="ramp" style="background:linear-gradient(to right,${HEAT_GRADIENT})"></span>` +
      `<span>${most} in flight</span></div>`;
    const title = settings.search?.kind === "replicas" ? `${key} servers` : `speed ${key}`;
    const open = index === keys.length - 1 ? " open" : "";
    return `<details${open}><summary>${escaped(title)}</summary>${scale}<div class="charts">${maps.join("\n")}</div></details>`;
  });
  return parts.join("\n");
}

function tableOf(runs: readonly FinishedRun[], settings: SimulateSettings): string {
  const labelOf = labelsOf(settings);
  const head = ["run", ...FIGURE_TITLES].map((title) => `<th scope="col">${escaped(title)}</th>`).join("");
  const rows = runs.map(({ spec, result }) => {
    const cells = figureCells(result.figures).map((cell) => `<td>${escaped(cell)}</td>`);
    return `<tr><th scope="row">${escaped(labelOf(spec))}</th>${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}

/** `1st`, `22nd`, `3001st`. */
function ordinal(number: number): string {
  const teens = number % 100 >= 11 && number % 100 <= 13;
  return `${number}${teens ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th")}`;
}
