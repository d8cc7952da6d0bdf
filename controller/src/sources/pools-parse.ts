import { dirname, resolve } from "node:path";
import type { Inventory, PoolSpec } from "../model.ts";
import { fileSecrets } from "./file-secrets.ts";
import { poolCounts, routeCounts } from "./table-limits.ts";
import { toPool } from "./pool-spec.ts";
import { type BuildContext, type Path, refuseDuplicates } from "./problems.ts";
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
  for (const [path, counts] of [
    ["pools", poolCounts(pools)],
    ["routes", routeCounts(inventory.routes)],
  ] as const) {
    // What no table has room for would be refused with each table, and nothing newer reach the filter.
    for (const { what, count, bound } of counts) {
      if (count <= bound) continue;
      problems.add("CONFIG_RANGE", [path], `${count} ${what} is above ${bound}`, { value: count, bound });
    }
  }
  return inventory;
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
