import * as L from "../../../assembly/wire/layout.ts";
import type { EndpointRow, PoolRow, RouteRow } from "./rows.ts";

/** Rounding of the sections' starts, and what later columns may add. */
const SLACK_BYTES = 4096;

/**
 * The pools with the adapters that one message can carry, and how many were left out. Pages of model
 * servers decide how many there are, so a table must never be refused for them. Where there is no room for
 * all, each endpoint keeps the same number of its first ones (running before waiting), the largest that fits:
 * an endpoint with few loses none to one with many.
 */
export function fitAdapters(
  pools: readonly PoolRow[],
  routes: readonly RouteRow[],
): {
  readonly pools: readonly PoolRow[];
  readonly dropped: number;
} {
  const lists = pools.flatMap((pool) => pool.endpoints.map(({ adapters }) => adapters?.entries ?? []));
  const most = lists.reduce((count, entries) => Math.max(count, entries.length), 0);
  if (most === 0) return { pools, dropped: 0 };
  const fits = (perEndpoint: number): boolean => fit(pools, routes, lists, perEndpoint);
  if (fits(most)) return { pools, dropped: 0 };
  let low = 0;
  let high = most;
  // `low` fits or is 0, `high` does not fit.
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  const dropped = lists.reduce((count, { length }) => count + Math.max(0, length - low), 0);
  return { pools: pools.map((pool) => cutPool(pool, low)), dropped };
}

type Entries = NonNullable<EndpointRow["adapters"]>["entries"];

/** Bytes of the rows. */
function addRewritesAndApis({ rewrites, apis }: PoolRow, heap: Heap): number {
  let bytes = 0;
  for (const { model, targets } of rewrites) {
    heap.add(model);
    for (const target of targets) heap.add(target.model);
    bytes += L.REWRITE_STRIDE + targets.length * L.TARGET_STRIDE;
  }
  for (const { suffix } of apis) heap.add(suffix);
  return bytes + apis.length * L.API_STRIDE;
}

/** Bytes of the rows. */
function addClasses({ picking }: PoolRow, heap: Heap): number {
  if (picking === undefined) return 0;
  heap.add(picking.classHeader);
  for (const row of picking.classes) if ("header" in row) heap.add(row.header);
  return picking.classes.length * L.CLASS_STRIDE;
}

/** What a message leaves beside these, without any adapters; below 0 where they do not fit. */
export function roomBytes(pools: readonly PoolRow[], routes: readonly RouteRow[]): number {
  const heap = new Heap();
  return L.MAX_MESSAGE_BYTES - addAllButAdapters(pools, routes, heap) - heap.bytes;
}

/** Bytes of the rows and a slack; names go to the heap. */
function addAllButAdapters(pools: readonly PoolRow[], routes: readonly RouteRow[], heap: Heap): number {
  let bytes = SLACK_BYTES;
  for (const pool of pools) {
    bytes +=
      L.POOL_STRIDE +
      pool.endpoints.length * L.ENDPOINT_STRIDE +
      pool.clusters.length * L.CLUSTER_STRIDE +
      pool.models.length * L.MODEL_STRIDE +
      pool.objectives.length * L.OBJECTIVE_STRIDE +
      pool.scorers.length * L.SCORER_STRIDE;
    heap.add(pool.name);
    for (const cluster of pool.clusters) heap.add(cluster);
    for (const { name } of [...pool.models, ...pool.objectives]) heap.add(name);
    for (const { address, name } of pool.endpoints) {
      heap.add(address);
      heap.add(name);
    }
    bytes += addRewritesAndApis(pool, heap) + addClasses(pool, heap);
  }
  for (const route of routes) {
    heap.add(route.name);
    bytes += L.ROUTE_STRIDE + route.pools.length * L.ROUTE_POOL_STRIDE;
  }
  return bytes;
}

function fit(
  pools: readonly PoolRow[],
  routes: readonly RouteRow[],
  lists: readonly Entries[],
  perEndpoint: number,
): boolean {
  const rows = lists.reduce((count, { length }) => count + Math.min(length, perEndpoint), 0);
  if (rows > L.MAX_ROWS) return false;
  const heap = new Heap();
  const bytes = addAllButAdapters(pools, routes, heap) + rows * L.ADAPTER_STRIDE;
  for (const entries of lists) {
    for (let index = 0; index < entries.length && index < perEndpoint; index++)
      heap.add(entries[index]!.name);
    if (bytes + heap.bytes > L.MAX_MESSAGE_BYTES) return false;
  }
  return bytes + heap.bytes <= L.MAX_MESSAGE_BYTES;
}

/** The size of the strings' section, where each distinct string lies once. */
class Heap {
  bytes = 0;
  readonly #seen = new Set<string>();

  add(text: string): void {
    if (this.#seen.has(text)) return;
    this.#seen.add(text);
    this.bytes += Buffer.byteLength(text);
  }
}

function cutPool(pool: PoolRow, perEndpoint: number): PoolRow {
  return {
    ...pool,
    endpoints: pool.endpoints.map((endpoint) => {
      const { adapters } = endpoint;
      if (adapters === undefined || adapters.entries.length <= perEndpoint) return endpoint;
      return { ...endpoint, adapters: { ...adapters, entries: adapters.entries.slice(0, perEndpoint) } };
    }),
  };
}
