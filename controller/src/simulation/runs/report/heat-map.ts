/** What is in flight on each endpoint over time, as a picture. */
import type { LoadSamples } from "../../replay/load-series.ts";
import { palettePng, type Rgb } from "./png.ts";

/** Rows of a picture; of more endpoints each row is a group of neighbours. */
export const MOST_ROWS = 64;

export interface HeatMap {
  /** `data:` URL of a PNG, one pixel a sample. */
  readonly url: string;
  readonly rows: number;
  /** Endpoints in a row; the row shows the busiest of them. */
  readonly perRow: number;
  readonly seconds: number;
}

/** From little to much, of even steps for the eye in light and dark (matplotlib's viridis, CC0). */
const STOPS: readonly Rgb[] = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 74, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [109, 205, 89],
  [180, 222, 44],
  [253, 231, 37],
];
const PALETTE_SIZE = 64;
const PALETTE: readonly Rgb[] = Array.from({ length: PALETTE_SIZE }, (_, index) =>
  colourAt(index / (PALETTE_SIZE - 1)),
);

/** The palette as CSS stops, for a legend. */
export const HEAT_GRADIENT = STOPS.map((rgb) => `rgb(${rgb.join(" ")})`).join(",");

/**
 * @param most in flight that has the last colour, so that several pictures share a scale
 * @returns undefined without samples
 */
export function heatMap({ intervalMs, inFlight }: LoadSamples, most: number): HeatMap | undefined {
  const samples = inFlight[0]?.length ?? 0;
  if (samples === 0) return undefined;
  const perRow = Math.ceil(inFlight.length / MOST_ROWS);
  const rows: number[][] = [];
  for (let first = 0; first < inFlight.length; first += perRow) {
    const group = inFlight.slice(first, first + perRow);
    rows.push(
      Array.from({ length: samples }, (_, at) => {
        const busiest = Math.max(...group.map((column) => column[at]!));
        return most === 0 ? 0 : Math.round((Math.min(busiest, most) / most) * (PALETTE_SIZE - 1));
      }),
    );
  }
  const url = `data:image/png;base64,${palettePng(rows, PALETTE).toString("base64")}`;
  return { url, rows: rows.length, perRow, seconds: (samples * intervalMs) / 1000 };
}

/** Most in flight on an endpoint at any sample. */
export function mostInFlight(all: readonly LoadSamples[]): number {
  let most = 0;
  for (const { inFlight } of all)
    for (const column of inFlight) for (const value of column) most = Math.max(most, value);
  return most;
}

/** @param share 0 to 1 */
function colourAt(share: number): Rgb {
  const at = share * (STOPS.length - 1);
  const below = Math.min(Math.floor(at), STOPS.length - 2);
  const [low, high] = [STOPS[below]!, STOPS[below + 1]!];
  const mix = (channel: 0 | 1 | 2): number =>
    Math.round(low[channel] + (high[channel] - low[channel]) * (at - below));
  return [mix(0), mix(1), mix(2)];
}
