import { fnv1a64 } from "../table/hash.ts";
import type { PickingRow, PoolRow, RouteRow, TableRows } from "../table/rows.ts";

/** Picks of an endpoint (by id) over all Envoys. */
export type PicksOf = (id: bigint) => bigint;

export interface EndpointView {
  readonly name: string;
  readonly address: string;
  readonly ready: boolean;
  readonly draining: boolean;
  /** Why the row counts as it does: `fresh`, `stale`, `never scraped`, `no metrics`, `draining` or `not ready`. */
  readonly state: string;
  readonly ageMs: number | null;
  readonly queuedRequests: number | null;
  readonly runningRequests: number | null;
  readonly kvUsedRatio: number | null;
  readonly kvBlocks: number | null;
  readonly kvBlockTokens: number | null;
  readonly maxAdapters: number | null;
  readonly adapters: readonly string[];
  /** Places in the pool's `picking.classes` of those that it is in. */
  readonly classes: readonly number[];
  /** In flight over all Envoys, as they reported. */
  readonly inFlight: number;
  readonly picks: number;
  /** Share of the pool's picks, 0 to 1; null before the first. */
  readonly pickShare: number | null;
}

export interface TableView {
  /** What is wrong with the pools file as it stands, in one line; null while it is in force. */
  readonly problem: string | null;
  /** What is wrong with single objects of the API server, one a line, the first few; the others are in force. */
  readonly findings: readonly string[];
  readonly epoch: string;
  readonly sequence: string;
  readonly pools: readonly {
    readonly name: string;
    readonly profile: string;
    /** Scorers that the profile names and that an Envoy said its filter does not have. */
    readonly missingTerms: readonly string[];
    readonly failureMode: string;
    readonly staleAfterMs: number;
    readonly clusters: readonly string[];
    readonly models: readonly string[];
    /** Whether requests wait for their bodies. */
    readonly readBody: boolean;
    readonly rewrites: readonly RewriteView[];
    readonly restoreModel: boolean;
    readonly addUsage: boolean;
    readonly apis: PoolRow["apis"];
    /** What its requests are held to, and what narrows the endpoints that they may go to. */
    readonly picking: PickingRow | null;
    readonly endpoints: readonly EndpointView[];
  }[];
  /** Routes on which the request's model chooses among these pools, in this order. */
  readonly routes: readonly RouteRow[];
  readonly envoys: readonly EnvoyView[];
}

export interface RewriteView {
  /** null: any model that has no rule of its own, and none. */
  readonly model: string | null;
  /** `share` is the chance of the target, above 0 to 1. */
  readonly targets: readonly { readonly model: string; readonly weight: number; readonly share: number }[];
}

export interface EnvoyView {
  readonly node: string;
  /** Epoch and sequence of the table it has applied: another epoch is another controller's. */
  readonly epoch: string;
  readonly sequence: string;
  readonly generation: string;
  readonly liveSlots: number;
  readonly tablesRefused: number;
  readonly inFlight: number;
}

/** The table as JSON for people: missing measurements are null, never zero. */
export function tableView(
  rows: TableRows,
  picksOf: PicksOf,
  inFlightOf: (id: bigint) => number,
  envoys: readonly EnvoyView[],
  missingTermsOf: (poolId: bigint) => readonly string[],
  { problem, findings }: Pick<TableView, "problem" | "findings">,
): TableView {
  return {
    problem,
    findings,
    epoch: rows.epoch.toString(),
    sequence: rows.sequence.toString(),
    pools: rows.pools.map((pool) => ({
      name: pool.name,
      profile: pool.profile,
      missingTerms: missingTermsOf(fnv1a64(pool.name)),
      failureMode: pool.failureMode,
      staleAfterMs: pool.staleAfterMs,
      clusters: pool.clusters,
      models: pool.models.map((model) => model.name),
      readBody: pool.readBody,
      rewrites: pool.rewrites.map(rewriteView),
      restoreModel: pool.restoreModel,
      addUsage: pool.addUsage,
      apis: pool.apis,
      picking: pool.picking ?? null,
      endpoints: endpointViews(pool, picksOf, inFlightOf),
    })),
    routes: rows.routes,
    envoys,
  };
}

function rewriteView({ model, targets }: PoolRow["rewrites"][number]): RewriteView {
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  return {
    model: model === "" ? null : model,
    targets: targets.map((target) => ({ ...target, share: target.weight / total })),
  };
}

function endpointViews(
  pool: PoolRow,
  picksOf: PicksOf,
  inFlightOf: (id: bigint) => number,
): readonly EndpointView[] {
  const total = pool.endpoints.reduce((sum, endpoint) => sum + Number(picksOf(endpoint.id)), 0);
  return pool.endpoints.map((endpoint) => {
    const picks = Number(picksOf(endpoint.id));
    return {
      name: endpoint.name,
      address: endpoint.address,
      ready: endpoint.ready,
      draining: endpoint.draining,
      state: stateOf(pool, endpoint),
      ageMs: endpoint.ageMs ?? null,
      queuedRequests: endpoint.queuedRequests ?? null,
      runningRequests: endpoint.runningRequests ?? null,
      kvUsedRatio: endpoint.kvUsedRatio ?? null,
      kvBlocks: endpoint.kvBlocks ?? null,
      kvBlockTokens: endpoint.kvBlockTokens ?? null,
      maxAdapters: endpoint.adapters?.max ?? null,
      adapters: (endpoint.adapters?.entries ?? []).map((adapter) => adapter.name),
      classes: (pool.picking?.classes ?? []).flatMap((_, place) =>
        ((endpoint.classes ?? 0) >>> place) % 2 === 1 ? [place] : [],
      ),
      inFlight: inFlightOf(endpoint.id),
      picks,
      pickShare: total === 0 ? null : picks / total,
    };
  });
}

function stateOf(pool: PoolRow, endpoint: PoolRow["endpoints"][number]): string {
  if (endpoint.draining) return "draining";
  if (!endpoint.ready) return "not ready";
  if (endpoint.unmeasured) return "no metrics";
  if (endpoint.ageMs === undefined) return "never scraped";
  return endpoint.ageMs > pool.staleAfterMs ? "stale" : "fresh";
}
