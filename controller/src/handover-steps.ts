import type { Endpoint, Inventory, PoolSpec, RouteSpec } from "./model.ts";
import { clusterName } from "./xds/clusters.ts";

/** What a source wants, and what a step puts in force. */
export interface Target {
  readonly inventory: Inventory;
  readonly endpoints: readonly Endpoint[];
  /** Pools (`namespace/name`) some of whose names wait for a first answer: Envoys keep the hosts they have for them. */
  readonly withheld: ReadonlySet<string>;
}

export type Step =
  /** Envoy's clusters and their hosts. */
  | { readonly kind: "hosts"; readonly target: Target }
  /** The filter's table. */
  | { readonly kind: "table"; readonly target: Target }
  /** Envoy's routes. */
  | { readonly kind: "routes"; readonly inventory: Inventory };

/**
 * The way from one target to the next on which every request finds its route's cluster, that cluster's
 * pool in the table and each picked host in that cluster: add to the clusters, add to the table, move the
 * routes, take from the table, take from the clusters. A step that would change nothing is left out. What a
 * filter may choose by model goes the other way: into the table when Envoys have the routes, out of it before; where
 * a route gains pools and loses others, Envoys have routes to both in between. The filter knows a route by its name.
 */
export function handoverSteps(before: Target | undefined, next: Target): readonly Step[] {
  const routes: Step = { kind: "routes", inventory: next.inventory };
  // At a start the routes wait for the table too: an Envoy may have them, and others, from an earlier life.
  if (before === undefined) return [{ kind: "hosts", target: next }, { kind: "table", target: next }, routes];
  const hosts = hostsOfBoth(before, next);
  // Where every route goes on leading to the pool that it led to, a row that goes need not wait for routes.
  const table = sameWays(before.inventory, next.inventory) ? next : tableOfBoth(before, next);
  const ways = waysOfBoth(before.inventory, table.inventory, next.inventory);
  const between: readonly Step[] =
    ways === undefined
      ? []
      : [
          { kind: "routes", inventory: ways },
          {
            kind: "table",
            target: { ...table, inventory: { ...table.inventory, routes: next.inventory.routes } },
          },
        ];
  return [
    { kind: "hosts", target: hosts },
    { kind: "table", target: table },
    ...between,
    routes,
    ...(sameRows(table, next) ? [] : [{ kind: "table" as const, target: next }]),
    ...(sameHosts(hosts, next) ? [] : [{ kind: "hosts" as const, target: next }]),
  ];
}

/** Every cluster of either side, with the hosts that either side's table may name for it. */
function hostsOfBoth(before: Target, next: Target): Target {
  const served = new Set(next.inventory.pools.map(clusterName));
  const gone = before.inventory.pools.filter((pool) => !served.has(clusterName(pool)));
  const pools = [...next.inventory.pools, ...gone];
  const sides = [hostsByCluster(next), hostsByCluster(before)];
  return {
    inventory: { ...next.inventory, pools },
    endpoints: pools.flatMap((pool) => {
      const name = clusterName(pool);
      return sides.flatMap((side) => (side.get(name) ?? []).map(movedTo(keyOf(pool))));
    }),
    withheld: withheldOfBoth(before, next),
  };
}

/**
 * The next side's pools, which answer also for clusters that only the earlier side gave them, and the
 * pools that go, for as long as routes may lead to them. Each pool has the rows of both sides.
 */
function tableOfBoth(before: Target, next: Target): Target {
  const claimed = new Set(next.inventory.pools.flatMap(({ clusters }) => clusters));
  const earlier = new Map(
    before.inventory.pools.map((pool) => [
      keyOf(pool),
      { ...pool, clusters: pool.clusters.filter((name) => !claimed.has(name)) },
    ]),
  );
  const pools = next.inventory.pools.map((pool): PoolSpec => {
    const old = earlier.get(keyOf(pool));
    earlier.delete(keyOf(pool));
    return old === undefined ? pool : { ...pool, clusters: [...pool.clusters, ...old.clusters] };
  });
  for (const pool of earlier.values()) if (pool.clusters.length > 0) pools.push(pool);
  const known = new Set(next.endpoints.map(rowOf));
  return {
    inventory: { pools, routes: choicesOfBoth(before.inventory, next.inventory) },
    endpoints: [
      ...next.endpoints,
      ...before.endpoints.filter((endpoint) => isServed(endpoint) && !known.has(rowOf(endpoint))),
    ],
    withheld: withheldOfBoth(before, next),
  };
}

/**
 * The next side's routes, on which the model chooses among pools that Envoys have routes to until all have taken
 * the next step: the earlier ones that stay, or all of them where others come. A route with none of these leads to its
 * first pool alone. Under a name that comes no Envoy has a route yet, and none goes under it before it has those to
 * all its pools. Of routes whose names go, those by model choose until they are gone.
 */
function choicesOfBoth(before: Inventory, next: Inventory): readonly RouteSpec[] {
  const earlier = choicesByRoute(before);
  const known = new Set(before.routes.map(({ name }) => name));
  const lasting = new Set(next.routes.map(({ name }) => name));
  const gone = before.routes.filter(({ name, byModel }) => byModel && !lasting.has(name));
  const routes = next.routes.map((route) => {
    if (!route.byModel || !known.has(route.name)) return route;
    const old = earlier.get(route.name) ?? [];
    const pools = isMixed(old, route.pools) ? old : route.pools.filter(({ pool }) => has(old, pool));
    return pools.length === 0 ? { ...route, byModel: false } : { ...route, pools };
  });
  return [...routes, ...gone];
}

/**
 * The next side's routes, with those to the pools that the filter chooses from until the table's next step; undefined
 * where they are the same. Pools as in the table of both sides.
 */
function waysOfBoth(before: Inventory, table: Inventory, next: Inventory): Inventory | undefined {
  const earlier = choicesByRoute(before);
  let isMore = false;
  const routes = next.routes.map((route) => {
    const old = earlier.get(route.name) ?? [];
    if (!route.byModel || !isMixed(old, route.pools)) return route;
    isMore = true;
    return { ...route, pools: [...route.pools, ...old.filter(({ pool }) => !has(route.pools, pool))] };
  });
  return isMore ? { pools: table.pools, routes } : undefined;
}

type Choices = RouteSpec["pools"];

function choicesByRoute({ routes }: Inventory): ReadonlyMap<string, Choices> {
  return new Map(routes.filter(({ byModel }) => byModel).map(({ name, pools }) => [name, pools]));
}

/** Some go and others come. */
function isMixed(old: Choices, next: Choices): boolean {
  return old.some(({ pool }) => !has(next, pool)) && next.some(({ pool }) => !has(old, pool));
}

function has(choices: Choices, wanted: string): boolean {
  return choices.some(({ pool }) => pool === wanted);
}

/** By each cluster that the table maps to a pool, that pool's hosts; draining ones are not hosts. */
function hostsByCluster({ inventory, endpoints }: Target): ReadonlyMap<string, readonly Endpoint[]> {
  const byPool = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const list = byPool.get(endpoint.pool);
    if (!isServed(endpoint)) continue;
    if (list === undefined) byPool.set(endpoint.pool, [endpoint]);
    else list.push(endpoint);
  }
  const byCluster = new Map<string, readonly Endpoint[]>();
  for (const pool of inventory.pools) {
    for (const name of new Set([clusterName(pool), ...pool.clusters])) {
      byCluster.set(name, byPool.get(keyOf(pool)) ?? []);
    }
  }
  return byCluster;
}

function withheldOfBoth(before: Target, next: Target): ReadonlySet<string> {
  const lasting = new Set(next.inventory.pools.map(keyOf));
  return new Set([...next.withheld, ...[...before.withheld].filter((pool) => !lasting.has(pool))]);
}

function sameWays(before: Inventory, next: Inventory): boolean {
  const ways = ({ routes, pools }: Inventory) =>
    JSON.stringify([routes, pools.map((pool) => [keyOf(pool), pool.clusters])]);
  return ways(before) === ways(next);
}

function sameRows(left: Target, right: Target): boolean {
  const rows = ({ inventory: { pools, routes }, endpoints }: Target) =>
    JSON.stringify([
      pools.map((pool) => [keyOf(pool), pool.clusters]),
      endpoints.map(rowOf),
      routes.filter(({ byModel }) => byModel).map(({ name, pools: choices }) => [name, choices]),
    ]);
  return rows(left) === rows(right);
}

function sameHosts(left: Target, right: Target): boolean {
  const hosts = ({ inventory, endpoints }: Target) =>
    JSON.stringify([
      inventory.pools.map(clusterName).sort(),
      [...new Set(endpoints.filter(isServed).map(rowOf))].sort(),
    ]);
  return hosts(left) === hosts(right);
}

function movedTo(pool: string): (endpoint: Endpoint) => Endpoint {
  return (endpoint) => (endpoint.pool === pool ? endpoint : { ...endpoint, pool });
}

export function isServed(endpoint: Endpoint): boolean {
  return endpoint.ready && !endpoint.draining;
}

function keyOf(pool: PoolSpec): string {
  return `${pool.namespace}/${pool.name}`;
}

export function rowOf(endpoint: Endpoint): string {
  return `${endpoint.pool} ${endpoint.address}`;
}
