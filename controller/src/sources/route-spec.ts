import { createHash } from "node:crypto";
import type { PoolSpec, RouteSpec } from "../model.ts";
import { type Path, type Problems, refuseDuplicates } from "./problems.ts";
import { type ParsedRoute, ROUTE_WEIGHT_DEFAULT } from "./pools-schema.ts";

/** Of a hash of 64 bits: a header's value may be long, and is nobody else's to read. */
const NAME_DIGITS = 16;

/** What the filter writes on a route by model, whereupon Envoy looks for the route again: no other may match by it. */
const WRITTEN_BY_MODEL: ReadonlySet<string> = new Set(["x-gateway-model-name", "x-inference-picker-pool"]);

/** What routes look at of a pool. */
export type RoutedPool = Pick<PoolSpec, "namespace" | "name" | "readBody">;

/** The file's routes; without any, one that sends every path to the first pool. */
export function toRoutes(
  parsed: readonly ParsedRoute[] | undefined,
  pools: readonly RoutedPool[],
  problems: Problems,
): readonly RouteSpec[] {
  if (parsed === undefined) {
    const [first] = pools;
    if (first === undefined) return [];
    const target = { pool: `${first.namespace}/${first.name}`, weight: 1 };
    return [{ name: "default", pathPrefix: "/", headers: [], pools: [target], byModel: false }];
  }
  const names = toNames(parsed);
  const routes = parsed.map((route, index): RouteSpec => {
    const path: Path = ["routes", index];
    return {
      name: names[index]!,
      pathPrefix: route.pathPrefix,
      headers: route.headers,
      pools: toTargets(route, pools, path, problems),
      byModel: route.byModel,
    };
  });
  if (routes.some(({ byModel }) => byModel)) refuseWritten(routes, problems);
  refuseDuplicates(
    routes.map((route, index) => ({ key: route.name, path: ["routes", index] })),
    problems,
  );
  return routes;
}

function refuseWritten(routes: readonly RouteSpec[], problems: Problems): void {
  routes.forEach(({ headers }, route) => {
    headers.forEach(({ name }, header) => {
      if (!WRITTEN_BY_MODEL.has(name)) return;
      const what = `${name} is written on routes by model, so that no route of the file can match by it`;
      problems.add("CONFIG_CONFLICT", ["routes", route, "headers", header, "name"], what, {
        value: name,
        bound: "byModel",
      });
    });
  });
}

/**
 * A route that has no name is called after what it matches, so that it keeps its name when others come or go: a
 * handover takes routes of one name for the same. A second one of the same match bears its number too.
 */
function toNames(parsed: readonly ParsedRoute[]): readonly string[] {
  const seen = new Map<string, number>();
  return parsed.map(({ name, pathPrefix, headers }) => {
    if (name !== undefined) return name;
    const match = JSON.stringify([pathPrefix, headers.map((header) => [header.name, header.exact])]);
    const made = `route-${createHash("sha256").update(match).digest("hex").slice(0, NAME_DIGITS)}`;
    const count = (seen.get(made) ?? 0) + 1;
    seen.set(made, count);
    return count === 1 ? made : `${made}-${count}`;
  });
}

function toTargets(
  route: ParsedRoute,
  pools: readonly RoutedPool[],
  path: Path,
  problems: Problems,
): RouteSpec["pools"] {
  const targets = route.pools.map((entry, index) => {
    const { pool, weight } = typeof entry === "string" ? { pool: entry, weight: undefined } : entry;
    const at: Path = [...path, "pools", index];
    const key = pool.includes("/") ? pool : uniqueKey(pool, pools);
    const known = pools.find((candidate) => `${candidate.namespace}/${candidate.name}` === key);
    if (known === undefined) {
      problems.add("CONFIG_REFERENCE", at, `${pool} is not a pool of this file`, {
        value: pool,
        bound: pools.map((candidate) => `${candidate.namespace}/${candidate.name}`).join(", "),
      });
    }
    if (route.byModel && weight !== undefined) {
      problems.add("CONFIG_CONFLICT", [...at, "weight"], "has no meaning on a route by model", {
        value: weight,
        bound: "byModel",
      });
    }
    if (route.byModel && known?.readBody === false) {
      problems.add("CONFIG_CONFLICT", at, `${pool} cannot be found by model, its body.read is never`, {
        value: pool,
        bound: "never",
      });
    }
    return { pool: key, weight: weight ?? ROUTE_WEIGHT_DEFAULT };
  });
  refuseDuplicates(
    targets.map((target, index) => ({ key: target.pool, path: [...path, "pools", index] })),
    problems,
  );
  if (targets.reduce((sum, target) => sum + target.weight, 0) === 0) {
    const what = route.byModel ? "0 pools" : "a total weight of 0";
    problems.add("CONFIG_RANGE", [...path, "pools"], `${what} is below 1`, { value: 0, bound: 1 });
  }
  return targets;
}

/** A bare name is the one pool of that name, or else the one in namespace `default`. */
function uniqueKey(name: string, pools: readonly RoutedPool[]): string {
  const named = pools.filter((pool) => pool.name === name);
  return named.length === 1 ? `${named[0]!.namespace}/${name}` : `default/${name}`;
}
