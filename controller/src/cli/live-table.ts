import type { ServedFigures } from "./access-log.ts";

/** What of the controller's `/table` is shown. */
export interface TableView {
  readonly pools: readonly {
    readonly name: string;
    readonly profile: string;
    readonly endpoints: readonly {
      readonly name: string;
      readonly address: string;
      readonly ready: boolean;
      readonly draining: boolean;
      readonly state: string;
      readonly queuedRequests: number | null;
      readonly runningRequests: number | null;
      readonly kvUsedRatio: number | null;
      readonly inFlight: number;
    }[];
  }[];
}

const COLUMNS = [
  "endpoint",
  "state",
  "queue",
  "running",
  "KV",
  "in flight",
  "picks/s",
  "p50",
  "p99",
] as const;
const NAME_CHARACTERS = 36;

/** The table as lines of text; a figure that is not known shows as `-`. */
export function renderTable(view: TableView, served: ServedFigures, nowMs: number): readonly string[] {
  return view.pools.flatMap((pool) => [
    `pool ${pool.name}, profile ${pool.profile}`,
    line(COLUMNS),
    ...pool.endpoints.map((endpoint) => {
      const figures = served.of(endpoint.address, nowMs);
      return line([
        `${endpoint.name} ${endpoint.address}`,
        endpoint.draining ? "draining" : endpoint.ready ? endpoint.state : "not ready",
        count(endpoint.queuedRequests),
        count(endpoint.runningRequests),
        endpoint.kvUsedRatio === null ? "-" : `${(endpoint.kvUsedRatio * 100).toFixed(1)} %`,
        String(endpoint.inFlight),
        figures === undefined ? "-" : figures.perSecond.toFixed(1),
        duration(figures?.p50Ms),
        duration(figures?.p99Ms),
      ]);
    }),
  ]);
}

function line(cells: readonly string[]): string {
  const [name, state, ...figures] = cells;
  return `${name!.padEnd(NAME_CHARACTERS)} ${state!.padEnd(9)} ${figures.map((cell) => cell.padStart(9)).join(" ")}`;
}

function count(value: number | null): string {
  return value === null ? "-" : String(value);
}

function duration(ms: number | undefined): string {
  if (ms === undefined || Number.isNaN(ms)) return "-";
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
