import { dirname, resolve } from "node:path";
import { MAX_APIS, MAX_ENDPOINTS, MAX_POOLS, MAX_ROUTES, MAX_ROWS } from "../../../assembly/wire/layout.ts";
import type { Inventory, PoolSpec } from "../model.ts";
import { fileSecrets } from "./file-secrets.ts";
import { toPool } from "./pool-spec.ts";
import { type BuildContext, type Path, type Problems, refuseDuplicates } from "./problems.ts";
import { POOLS_FILE, type ParsedPoolsFile } from "./pools-schema.ts";
import { toRoutes } from "./route-spec.ts";
import { invalid, readDocument } from "./yaml-document.ts";

export interface ParseContext {
  /** Absolute path of the pools file; other files are named relative to its folder. */
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws if the file cannot be read. */
  readonly readText: (path: string) => string;
}

/**
 * A pools file's text as an inventory.
 * @throws PickerError POOLS_FILE_SYNTAX or POOLS_FILE_INVALID; its message has one line a problem, its
 * path, value, bound and line are the first one's, and its cause is an AggregateError of all of them.
 */
export function parsePools(source: string, context: ParseContext): Inventory {
  const { value, problems, found } = readDocument(source, {
    schema: POOLS_FILE,
    path: context.path,
    secretsIn: "a file or a variable",
  });
  const absolute = (path: string): string => resolve(dirname(context.path), path);
  const secretOf = fileSecrets({ problems, env: context.env, absolute, readText: context.readText });
  const inventory = value === undefined ? undefined : toInventory(value, { problems, absolute, secretOf });
  if (inventory === undefined || found.length > 0) throw invalid(found);
  return inventory;
}

function toInventory(parsed: ParsedPoolsFile, build: BuildContext): Inventory {
  const { problems } = build;
  if (parsed.pools.length === 0) {
    problems.add("CONFIG_RANGE", ["pools"], "0 pools is below 1", { value: 0, bound: 1 });
  }
  const pools = parsed.pools.map((pool, index) => toPool(pool, ["pools", index], build));
  refuseDuplicates(
    pools.map((pool, index) => ({ key: `${pool.namespace}/${pool.name}`, path: ["pools", index, "name"] })),
    problems,
  );
  refuseDuplicates(clusterPlaces(parsed, pools), problems);
  const inventory = { pools, routes: toRoutes(parsed.routes, pools, problems) };
  refuseTooMany(inventory, problems);
  return inventory;
}

/** What no table has room for would be refused with each table, and nothing newer reach the filter. */
function refuseTooMany({ pools, routes }: Inventory, problems: Problems): void {
  const sum = (count: (pool: PoolSpec) => number) => pools.reduce((total, pool) => total + count(pool), 0);
  const counts: readonly (readonly [what: string, count: number, bound: number])[] = [
    ["pools", pools.length, MAX_POOLS],
    ["endpoints", sum(({ endpoints }) => endpoints.length), MAX_ENDPOINTS],
    ["clusters", sum(({ clusters }) => clusters.length), MAX_ROWS],
    ["models", sum(({ models }) => models.length), MAX_ROWS],
    ["objectives", sum(({ objectives }) => objectives.length), MAX_ROWS],
    ["models with rewrites", sum(({ rewrites }) => rewrites.length), MAX_ROWS],
    [
      "targets of models with rewrites",
      sum(({ rewrites }) => rewrites.reduce((total, { targets }) => total + targets.length, 0)),
      MAX_ROWS,
    ],
    ["APIs", sum(({ apis }) => apis.length), MAX_APIS],
  ];
  const byModel = routes.filter((route) => route.byModel);
  const choices = byModel.reduce((total, route) => total + route.pools.length, 0);
  const routeCounts: typeof counts = [
    ["routes by model", byModel.length, MAX_ROUTES],
    ["pools of routes by model", choices, MAX_ROWS],
  ];
  for (const [path, list] of [
    ["pools", counts],
    ["routes", routeCounts],
  ] as const) {
    for (const [what, value, bound] of list) {
      if (value <= bound) continue;
      problems.add("CONFIG_RANGE", [path], `${value} ${what} is above ${bound}`, { value, bound });
    }
  }
}

function clusterPlaces(
  parsed: ParsedPoolsFile,
  pools: readonly PoolSpec[],
): readonly { readonly key: string; readonly path: Path }[] {
  return pools.flatMap((pool, index) =>
    pool.clusters.map((cluster, position) => ({
      key: cluster,
      path:
        parsed.pools[index]?.clusters === undefined
          ? ["pools", index, "name"]
          : ["pools", index, "clusters", position],
    })),
  );
}
