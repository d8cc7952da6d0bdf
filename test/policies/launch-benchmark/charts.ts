/** The figures as pictures that stand by themselves, with their colours and names in them. */
import { escaped } from "../../../controller/src/simulation/runs/report/html.ts";
import {
  CHART_STYLE,
  legendMark,
  lineChart,
} from "../../../controller/src/simulation/runs/report/svg-chart.ts";
import type { Figures } from "./figures.ts";
import { POLICIES } from "./plan.ts";

export interface Chart {
  /** Of the file, without its ending. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly valueOf: (figures: Figures) => number;
  readonly format: (value: number) => string;
  readonly isLog?: boolean;
}

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const short = (value: number): string => (value < 10 ? String(Number(value.toPrecision(2))) : whole(value));

export const CHARTS: readonly Chart[] = [
  {
    name: "throughput",
    title: "Throughput",
    unit: "output tokens a second",
    valueOf: (figures) => figures.outputTokensPerSecond,
    format: whole,
  },
  {
    name: "per-token-p90",
    title: "Latency per output token, p90",
    unit: "ms, the wait for the first token included",
    valueOf: (figures) => figures.perTokenP90Ms,
    format: short,
    isLog: true,
  },
  {
    name: "latency-p90",
    title: "Latency, p90",
    unit: "seconds",
    valueOf: (figures) => figures.latencyP90S,
    format: short,
    isLog: true,
  },
  {
    name: "goodput",
    title: "Requests within TTFT and TPOT objectives",
    unit: "percent",
    valueOf: (figures) => figures.goodPercent,
    format: whole,
  },
];

const WIDTH = 460;
const HEAD = 46;
const BODY = 270;

/** A whole SVG file. */
export function chartFile(chart: Chart, all: readonly Figures[]): string {
  const body = lineChart({
    title: chart.title,
    x: { title: "requests a second", format: whole },
    y: {
      title: chart.unit,
      format: chart.format,
      ...(chart.isLog === true ? { isLog: true } : { spans: [0] }),
    },
    series: POLICIES.map((policy, place) => ({
      name: policy,
      place,
      points: all
        .filter((figures) => figures.policy === policy)
        .map((figures) => ({ x: figures.rate, y: chart.valueOf(figures) })),
    })),
  });
  const legend = POLICIES.map(
    (policy, place) =>
      `<g transform="translate(${12 + place * 112} 26)">${legendMark(place)}<text class="name" x="31" y="11">${escaped(policy)}</text></g>`,
  );
  return (
    `<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEAD + BODY}" role="img" ` +
    `aria-label="${escaped(chart.title)}"><style>${CHART_STYLE}.chart .paper{fill:var(--paper)}</style>` +
    `<rect class="paper" width="${WIDTH}" height="${HEAD + BODY}"/>` +
    `<text class="name" x="12" y="17">${escaped(`${chart.title} (${chart.unit})`)}</text>${legend.join("")}` +
    `<svg y="${HEAD}" width="${WIDTH}" height="${BODY}">${body}</svg></svg>\n`
  );
}
