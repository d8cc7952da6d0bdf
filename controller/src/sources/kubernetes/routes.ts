import type { RouteSpec } from "../../model.ts";
import type { ParsedRoute } from "../pools-schema.ts";
import type { Problems } from "../problems.ts";
import { type RoutedPool, toRoutes } from "../route-spec.ts";

const IGNORED: Problems = { add: () => {} };

/**
 * The routes of a file, to the pools that there are: others are left out, and a route without any answers 503 rather
 * than fall through to another route. What is wrong with the file itself was found when it was read.
 */
export function routesTo(parsed: readonly ParsedRoute[], pools: readonly RoutedPool[]): readonly RouteSpec[] {
  const known = new Map(pools.map((pool) => [keyOf(pool), pool]));
  return toRoutes(parsed, pools, IGNORED).map((route) => {
    const seen = new Set<string>();
    const targets = route.pools.filter(({ pool }) => {
      const spec = known.get(pool);
      if (spec === undefined || seen.has(pool) || (route.byModel && spec.readBody === false)) return false;
      seen.add(pool);
      return true;
    });
    return { ...route, pools: targets, byModel: route.byModel && targets.length > 0 };
  });
}

/** The pools that routes of a file name and that are not there. */
export function missingPools(
  parsed: readonly ParsedRoute[],
  pools: readonly RoutedPool[],
): readonly string[] {
  const known = new Set(pools.map(keyOf));
  const named = toRoutes(parsed, pools, IGNORED).flatMap((route) => route.pools.map(({ pool }) => pool));
  return [...new Set(named)].filter((pool) => !known.has(pool)).sort();
}

/**
 * Without any routes given, one for every path: to the only pool, or by model over all whose bodies may be read, of
 * which the first serves what none lists.
 */
export function defaultRoutes(pools: readonly RoutedPool[]): readonly RouteSpec[] {
  const [first] = pools;
  if (first === undefined) return [];
  const readable = pools.filter(({ readBody }) => readBody !== false);
  const byModel = readable.length > 1;
  const targets = byModel ? readable : [readable[0] ?? first];
  return [
    {
      name: "default",
      pathPrefix: "/",
      headers: [],
      pools: targets.map((pool) => ({ pool: keyOf(pool), weight: 1 })),
      byModel,
    },
  ];
}

function keyOf({ namespace, name }: RoutedPool): string {
  return `${namespace}/${name}`;
}
