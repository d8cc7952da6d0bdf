/** Charts as SVG that takes its colours from the page: see CHART_STYLE. */
import { escaped } from "./html.ts";
import { linearScale, logScale, type Scale } from "./scale.ts";

export interface Point {
  readonly x: number;
  /** NaN: there is none, and the line has a gap. */
  readonly y: number;
  /** Ends of a line through the point, from the least to the most; absent: none is drawn. */
  readonly range?: readonly [low: number, high: number];
}

export interface Series {
  readonly name: string;
  /** Tells colour and mark, the same for a name in every chart; ≥ 0. */
  readonly place: number;
  /** x ascending. */
  readonly points: readonly Point[];
}

export interface Axis {
  readonly title: string;
  readonly format: (value: number) => string;
  /** Default: linear. Logarithmic axes leave out what is not above 0. */
  readonly isLog?: boolean;
  /** Values that the axis spans at least. */
  readonly spans?: readonly number[];
  /** Where ticks stand; default: at round values. */
  readonly ticks?: readonly number[];
}

export interface LineChart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A line across, such as an objective. */
  readonly bound?: { readonly y: number; readonly text: string };
}

export interface BarChart {
  readonly title: string;
  readonly bars: readonly { readonly name: string; readonly place: number; readonly value: number }[];
  readonly format: (value: number) => string;
  /** Value that the whole width stands for, at least; default: the greatest. */
  readonly least?: number;
}

const WIDTH = 460;
const HEIGHT = 270;
const [LEFT, RIGHT, TOP, BOTTOM] = [58, 446, 16, 222] as const;
const COLOURS = 10;
const MARKS = 7;

/** Colours for light and dark; told apart with colour blindness, and by their marks besides. */
export const CHART_STYLE = `
.chart{--ink:#1d2329;--faint:#667079;--grid:#e3e6e9;--paper:#fff;
--c0:#1b62c4;--c1:#c8560b;--c2:#0c7d5e;--c3:#a32a78;--c4:#6c4fc4;--c5:#8a6a00;--c6:#057a8c;--c7:#4b5d69;--c8:#b8342f;--c9:#5c7a12}
@media (prefers-color-scheme:dark){.chart{--ink:#e7ebee;--faint:#9aa6af;--grid:#333b42;--paper:#171b1f;
--c0:#6ea8ff;--c1:#ff9b57;--c2:#45cfa8;--c3:#f286c8;--c4:#b7a2ff;--c5:#dcbb45;--c6:#4fd0e3;--c7:#a9bbc7;--c8:#ff8a84;--c9:#b3d45c}}
.chart text{font:11px system-ui,sans-serif;fill:var(--faint)}
.chart .name{fill:var(--ink)}
.chart .over{paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.chart .grid{stroke:var(--grid);stroke-width:1}
.chart .axis{stroke:var(--faint);stroke-width:1}
.chart .bound{stroke:var(--ink);stroke-width:1;stroke-dasharray:5 4}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}
.chart .range{stroke-width:1.5;opacity:.55}
.chart .mark{stroke:var(--paper);stroke-width:1}
${Array.from({ length: COLOURS }, (_, c) => `.chart .k${c}{color:var(--c${c})}`).join("")}
.chart .line,.chart .range{stroke:currentColor}.chart .mark,.chart .bar{fill:currentColor}`;

/** A line for each series over a common axis. */
export function lineChart({ title, x, y, series, bound }: LineChart): string {
  const drawn = (point: Point): boolean => Number.isFinite(point.y) && (y.isLog !== true || point.y > 0);
  const points = series.flatMap((each) => each.points.filter(drawn));
  const xs = scaleOf(
    x,
    points.map((point) => point.x),
    LEFT + 10,
    RIGHT - 10,
    true,
  );
  const ys = scaleOf(
    y,
    points.flatMap((point) => [point.y, ...(point.range ?? [])]).concat(bound === undefined ? [] : [bound.y]),
    BOTTOM,
    TOP,
    false,
  );
  const parts: string[] = [];
  for (const tick of ys.ticks) {
    const at = px(ys.at(tick));
    parts.push(`<path class="grid" d="M${LEFT} ${at}H${RIGHT}"/>`);
    parts.push(text(LEFT - 6, ys.at(tick) + 4, y.format(tick), "end"));
  }
  parts.push(`<path class="axis" d="M${LEFT} ${BOTTOM}H${RIGHT}"/>`);
  for (const tick of x.ticks ?? xs.ticks)
    parts.push(text(xs.at(tick), BOTTOM + 16, x.format(tick), "middle"));
  parts.push(text((LEFT + RIGHT) / 2, BOTTOM + 36, x.title, "middle"));
  const boundAt = bound === undefined ? 0 : ys.at(bound.y);
  if (bound !== undefined) parts.push(`<path class="bound" d="M${LEFT} ${px(boundAt)}H${RIGHT}"/>`);
  // The first series lies above the others.
  for (const { name, place, points: all } of [...series].reverse()) {
    const shown = all.filter(drawn);
    const path = linePath(all, drawn, xs, ys);
    const ranges = shown.flatMap(({ x: at, range }) =>
      range === undefined || range[0] === range[1] || (y.isLog === true && range[0] <= 0)
        ? []
        : [`<path class="range" d="M${px(xs.at(at))} ${px(ys.at(range[0]))}V${px(ys.at(range[1]))}"/>`],
    );
    const marks = shown.map(
      (point) =>
        `<g><title>${escaped(`${name} at ${x.format(point.x)} ${x.title}: ${y.format(point.y)}`)}</title>` +
        `${mark(place, xs.at(point.x), ys.at(point.y))}</g>`,
    );
    parts.push(
      `<g class="k${place % COLOURS}"><path class="line" d="${path}"/>${ranges.join("")}${marks.join("")}</g>`,
    );
  }
  if (bound !== undefined) parts.push(text(LEFT + 6, boundAt - 4, bound.text, "start", "over"));
  return svg(title, `${y.title}; ${x.title}`, HEIGHT, parts);
}

/** A bar for each name, its value beside it. */
export function barChart({ title, bars, format, least = 0 }: BarChart): string {
  const [rowPx, left, right] = [26, 130, WIDTH - 70];
  const most = Math.max(...bars.map(({ value }) => value).filter(Number.isFinite), least);
  const parts = bars.flatMap(({ name, place, value }, row) => {
    const top = TOP + row * rowPx;
    const shown = Number.isFinite(value) ? value : 0;
    const length = most > 0 ? (shown / most) * (right - left) : 0;
    return [
      text(left - 8, top + 14, name, "end", "name"),
      `<g class="k${place % COLOURS}"><rect class="bar" x="${left}" y="${top + 3}" width="${px(Math.max(length, 1))}" height="15" rx="2"/></g>`,
      text(left + length + 6, top + 14, Number.isFinite(value) ? format(value) : "-", "start", "name"),
    ];
  });
  parts.push(`<path class="axis" d="M${left} ${TOP}V${TOP + bars.length * rowPx}"/>`);
  return svg(
    title,
    bars.map(({ name, value }) => `${name} ${format(value)}`).join(", "),
    2 * TOP + bars.length * rowPx,
    parts,
  );
}

/** The mark of a series, to stand in a legend. */
export function legendMark(place: number): string {
  const line = '<path class="line" d="M1 7H25"/>';
  return `<svg class="chart" width="26" height="14" aria-hidden="true"><g class="k${place % COLOURS}">${line}${mark(place, 13, 7)}</g></svg>`;
}

function svg(title: string, description: string, height: number, parts: readonly string[]): string {
  return (
    `<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" ` +
    `aria-label="${escaped(title)}"><desc>${escaped(description)}</desc>${parts.join("")}</svg>`
  );
}

function scaleOf(axis: Axis, values: readonly number[], start: number, end: number, isTight: boolean): Scale {
  const all = [...values, ...(axis.spans ?? [])].filter(Number.isFinite);
  const [from, to] = all.length === 0 ? [1, 2] : [Math.min(...all), Math.max(...all)];
  if (axis.isLog === true) return logScale(from, Math.max(to, from * 1.001), start, end);
  if (!isTight) return linearScale(from, to, start, end);
  // Points reach from one side to the other, wherever round numbers are.
  const span = to - from;
  return {
    at: (value) => (span > 0 ? start + ((value - from) / span) * (end - start) : (start + end) / 2),
    ticks: linearScale(from, to, start, end).ticks.filter((tick) => tick >= from && tick <= to),
  };
}

function linePath(all: readonly Point[], drawn: (point: Point) => boolean, xs: Scale, ys: Scale): string {
  let path = "";
  let isDown = false;
  for (const point of all) {
    if (!drawn(point)) {
      isDown = false;
      continue;
    }
    path += `${isDown ? "L" : "M"}${px(xs.at(point.x))} ${px(ys.at(point.y))}`;
    isDown = true;
  }
  return path;
}

/** Shapes differ between neighbours, for whom colours do not. */
function mark(place: number, x: number, y: number): string {
  const polygon = (points: readonly (readonly [number, number])[]): string =>
    `<polygon class="mark" points="${points.map(([dx, dy]) => `${px(x + dx)},${px(y + dy)}`).join(" ")}"/>`;
  switch (place % MARKS) {
    case 0:
      return `<circle class="mark" cx="${px(x)}" cy="${px(y)}" r="4.2"/>`;
    case 1:
      return polygon([
        [-3.8, -3.8],
        [3.8, -3.8],
        [3.8, 3.8],
        [-3.8, 3.8],
      ]);
    case 2:
      return polygon([
        [0, -5],
        [4.8, 3.6],
        [-4.8, 3.6],
      ]);
    case 3:
      return polygon([
        [0, -5.4],
        [5.4, 0],
        [0, 5.4],
        [-5.4, 0],
      ]);
    case 4:
      return polygon([
        [0, 5],
        [4.8, -3.6],
        [-4.8, -3.6],
      ]);
    case 5:
      return polygon([
        [-1.6, -5],
        [1.6, -5],
        [1.6, 5],
        [-1.6, 5],
      ]);
    default:
      return polygon([
        [-5.4, -2.2],
        [5.4, -2.2],
        [5.4, 2.2],
        [-5.4, 2.2],
      ]);
  }
}

function text(x: number, y: number, content: string, anchor: string, kind?: string): string {
  const name = kind === undefined ? "" : ` class="${kind}"`;
  return `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}"${name}>${escaped(content)}</text>`;
}

function px(value: number): string {
  return String(Number(value.toFixed(1)));
}
