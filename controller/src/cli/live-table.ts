import { type AccessLogEntry, ServedFigures } from "./access-log.ts";
import { PickRates } from "./pick-rates.ts";
import { cut, TextTable } from "./text-table.ts";

/** What of the controller's `/table` is shown. */
export interface TableView {
  /** What is wrong with the pools file as it stands; the configuration before it goes on. */
  readonly problem?: string | null;
  readonly pools: readonly PoolView[];
  /** The Envoys that report. */
  readonly envoys: readonly unknown[];
}

export interface PoolView {
  readonly name: string;
  readonly profile: string;
  /** Scorers that the profile names and the filter does not compute yet. */
  readonly missingTerms?: readonly string[];
  readonly endpoints: readonly EndpointView[];
}

export interface EndpointView {
  readonly name: string;
  readonly address: string;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly state: string;
  readonly queuedRequests: number | null;
  readonly runningRequests: number | null;
  readonly kvUsedRatio: number | null;
  readonly inFlight: number;
  /** Picks so far, over all Envoys. */
  readonly picks: number;
}

/** Room for the table, in characters. */
export interface Room {
  readonly width: number;
  readonly height: number;
}

const RATE_WINDOW_MS = 10_000;
const COLUMNS = [
  { title: "endpoint" },
  { title: "address", dispensable: 6 },
  { title: "state", dispensable: 2 },
  { title: "queue", right: true, dispensable: 3 },
  { title: "running", right: true, dispensable: 5 },
  { title: "KV", right: true, least: 6, dispensable: 4 },
  { title: "in flight", right: true, dispensable: 1 },
  { title: "picks/s", right: true },
  { title: "p50", right: true, least: 6 },
  { title: "p99", right: true, least: 6 },
] as const;
/** Title, column heads, one endpoint and "… and K more". */
const LEAST_POOL_LINES = 4;

/** The pools as the controller sees them, with rates and latencies of the last ten seconds. */
export class LiveTable {
  private readonly rates = new PickRates(RATE_WINDOW_MS);
  private readonly served = new ServedFigures();
  private view: TableView | undefined;
  private nowMs = 0;

  /** `view` is undefined while the controller does not answer: the last one stays. Times must not go back. */
  update(view: TableView | undefined, entries: readonly AccessLogEntry[], nowMs: number): void {
    this.nowMs = nowMs;
    this.served.add(entries, nowMs);
    if (view === undefined) return;
    this.view = view;
    const counts = view.pools.flatMap((pool) =>
      pool.endpoints.map((endpoint) => [keyOf(pool, endpoint), endpoint.picks] as const),
    );
    this.rates.add(new Map(counts), nowMs);
  }

  /** At most `room.height` lines (never fewer than five), each at most `room.width` characters. */
  lines(room: Room): readonly string[] {
    if (this.view === undefined) return ["waiting for the controller's table"];
    const { pools, envoys, problem } = this.view;
    const { requests, unpicked, failed } = this.served;
    const head = `${envoys.length === 0 ? "no" : envoys.length} ${envoys.length === 1 ? "Envoy reports" : "Envoys report"}`;
    const foot = `${requests} requests, ${unpicked} not picked by the filter, ${failed} failed`;
    const standing =
      typeof problem === "string" ? [`the pools file's last edit is not in force: ${problem}`] : [];
    const shown = showing(pools, room.height - 2 - standing.length);
    const hidden = pools.length - shown.length;
    return [
      head,
      ...standing,
      ...shown.flatMap(({ pool, rows }) => this.poolLines(pool, rows, room.width)),
      ...(hidden === 0 ? [] : [`… and ${hidden} more pools`]),
      foot,
    ].map((line) => cut(line, room.width));
  }

  private poolLines(pool: PoolView, rows: number, width: number): readonly string[] {
    const all = pool.endpoints;
    const shown = all.length <= rows ? all : this.busiest(pool).slice(0, rows - 1);
    const table = new TextTable(COLUMNS);
    for (const endpoint of shown) table.add(this.cells(pool, endpoint));
    const hidden = all.length - shown.length;
    return [
      `pool ${pool.name}, profile ${pool.profile}${lacks(pool.missingTerms ?? [])}`,
      ...table.lines(width),
      ...(hidden === 0 ? [] : [`… and ${hidden} more`]),
    ];
  }

  /** By picks per second, then by requests in flight; equals keep the table's order. */
  private busiest(pool: PoolView): readonly EndpointView[] {
    const rate = (endpoint: EndpointView) => this.rates.perSecond(keyOf(pool, endpoint)) ?? 0;
    return pool.endpoints
      .map((endpoint) => ({ endpoint, perSecond: rate(endpoint) }))
      .sort((a, b) => b.perSecond - a.perSecond || b.endpoint.inFlight - a.endpoint.inFlight)
      .map(({ endpoint }) => endpoint);
  }

  /** A figure that is not known shows as `-`, never as zero. */
  private cells(pool: PoolView, endpoint: EndpointView): readonly string[] {
    const figures = this.served.of(endpoint.address, this.nowMs);
    const { kvUsedRatio } = endpoint;
    return [
      endpoint.name,
      endpoint.address,
      endpoint.draining ? "draining" : endpoint.ready ? endpoint.state : "not ready",
      count(endpoint.queuedRequests),
      count(endpoint.runningRequests),
      kvUsedRatio === null ? "-" : `${(kvUsedRatio * 100).toFixed(1)} %`,
      String(endpoint.inFlight),
      this.rates.perSecond(keyOf(pool, endpoint))?.toFixed(1) ?? "-",
      duration(figures?.p50Ms),
      duration(figures?.p99Ms),
    ];
  }
}

function keyOf(pool: PoolView, endpoint: EndpointView): string {
  return `${pool.name}\n${endpoint.name}\n${endpoint.address}`;
}

/** Which pools fit into `height` lines, and how many lines each has for its endpoints and what is left out. */
function showing(
  pools: readonly PoolView[],
  height: number,
): readonly { readonly pool: PoolView; readonly rows: number }[] {
  const fitting = Math.max(1, Math.floor((height - 1) / LEAST_POOL_LINES));
  const all = pools.reduce((sum, pool) => sum + 2 + pool.endpoints.length, 0) <= height;
  const shown = all || pools.length <= fitting ? pools : pools.slice(0, fitting);
  let left = height - 2 * shown.length - (shown.length < pools.length ? 1 : 0);
  // The small pools first: what they do not need the large ones share.
  const rows = new Map<PoolView, number>();
  const bySize = [...shown].sort((a, b) => a.endpoints.length - b.endpoints.length);
  bySize.forEach((pool, i) => {
    const share = Math.min(pool.endpoints.length, Math.max(1, Math.floor(left / (bySize.length - i))));
    rows.set(pool, share);
    left -= share;
  });
  return shown.map((pool) => ({ pool, rows: rows.get(pool)! }));
}

/** `(no prefix term)`: an Envoy has an older filter, which does not compute all of the profile; who compares must know. */
function lacks(terms: readonly string[]): string {
  if (terms.length === 0) return "";
  const names = terms.map((term) => term.replace(/[-_](affinity|cache)$/, ""));
  return ` (no ${names.join(", no ")} term)`;
}

function count(value: number | null): string {
  return value === null ? "-" : String(value);
}

function duration(ms: number | undefined): string {
  if (ms === undefined || Number.isNaN(ms)) return "-";
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
