import { MAX_APIS, MAX_ENDPOINTS, MAX_POOLS, MAX_ROUTES, MAX_ROWS } from "../../../assembly/wire/layout.ts";
import type { PoolSpec, RouteSpec } from "../model.ts";

/** How many there are of what a table has room for only so often. */
export interface Count {
  readonly what: string;
  readonly count: number;
  readonly bound: number;
}

/** What is counted by this name may be cut short; a pool without some of the others would answer wrongly. */
export const ENDPOINTS = "endpoints";

export function poolCounts(pools: readonly PoolSpec[]): readonly Count[] {
  const sum = (count: (pool: PoolSpec) => number) => pools.reduce((total, pool) => total + count(pool), 0);
  const targetsOf = ({ rewrites }: PoolSpec) =>
    rewrites.reduce((total, { targets }) => total + targets.length, 0);
  return [
    { what: "pools", count: pools.length, bound: MAX_POOLS },
    { what: ENDPOINTS, count: sum(({ endpoints }) => endpoints.length), bound: MAX_ENDPOINTS },
    { what: "clusters", count: sum(({ clusters }) => clusters.length), bound: MAX_ROWS },
    { what: "models", count: sum(({ models }) => models.length), bound: MAX_ROWS },
    { what: "objectives", count: sum(({ objectives }) => objectives.length), bound: MAX_ROWS },
    { what: "models with rewrites", count: sum(({ rewrites }) => rewrites.length), bound: MAX_ROWS },
    { what: "targets of models with rewrites", count: sum(targetsOf), bound: MAX_ROWS },
    { what: "APIs", count: sum(({ apis }) => apis.length), bound: MAX_APIS },
  ];
}

export function routeCounts(routes: readonly RouteSpec[]): readonly Count[] {
  const byModel = routes.filter((route) => route.byModel);
  const choices = byModel.reduce((total, route) => total + route.pools.length, 0);
  return [
    { what: "routes by model", count: byModel.length, bound: MAX_ROUTES },
    { what: "pools of routes by model", count: choices, bound: MAX_ROWS },
  ];
}
