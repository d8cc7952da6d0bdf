import * as L from "../../../assembly/wire/layout.ts";
import { API_NAMES, SUFFIX } from "./names.ts";
import { type MessageReader, requireNew } from "./reader.ts";
import type { ApiRow, PoolRow, RewriteRow, RouteRow } from "./rows.ts";
import { WireError } from "./wire-error.ts";

/** The rewrites and APIs of the pool whose row begins at `at`: none in a table of fewer sections. */
export function readPoolRouting(
  reader: MessageReader,
  at: number,
  path: string,
): Pick<PoolRow, "rewrites" | "apis"> {
  if (reader.sectionCount < L.TABLE_SECTIONS_V1) return { rewrites: [], apis: [] };
  const rules = reader.run(L.SECTION_REWRITES, at + L.POOL_REWRITE_START, at + L.POOL_REWRITE_COUNT, path);
  const apis = reader.run(L.SECTION_APIS, at + L.POOL_API_START, at + L.POOL_API_COUNT, path);
  if (apis.length > L.MAX_POOL_APIS) {
    throw new WireError(L.REFUSED_TOO_MANY_ROWS, `${path}.apis`, apis.length, L.MAX_POOL_APIS);
  }
  return {
    rewrites: rules.map((row) => readRule(reader, row)),
    apis: apis.map((row) => readApi(reader, row)),
  };
}

function readRule(reader: MessageReader, row: number): RewriteRow {
  const at = reader.row(L.SECTION_REWRITES, row);
  const path = `rewrites[${row}]`;
  const model = reader.string(at + L.REWRITE_MODEL, `${path}.model`, L.MAX_NAME_BYTES);
  const rows = reader.run(L.SECTION_TARGETS, at + L.REWRITE_TARGET_START, at + L.REWRITE_TARGET_COUNT, path);
  if (rows.length === 0) throw new WireError(L.REFUSED_VALUE, `${path}.targets`, 0, 1);
  if (rows.length > L.MAX_RULE_TARGETS) {
    throw new WireError(L.REFUSED_TOO_MANY_ROWS, `${path}.targets`, rows.length, L.MAX_RULE_TARGETS);
  }
  return { model, targets: rows.map((target) => readTarget(reader, target)) };
}

function readTarget(reader: MessageReader, row: number): RewriteRow["targets"][number] {
  const at = reader.row(L.SECTION_TARGETS, row);
  const model = reader.string(at + L.TARGET_MODEL, `targets[${row}].model`, L.MAX_NAME_BYTES);
  if (model === "") throw new WireError(L.REFUSED_VALUE, `targets[${row}].model`, model, "non-empty");
  const weight = reader.view.getUint32(at + L.TARGET_WEIGHT, true);
  if (weight < 1 || weight > L.MAX_TARGET_WEIGHT) {
    throw new WireError(L.REFUSED_VALUE, `targets[${row}].weight`, weight, L.MAX_TARGET_WEIGHT);
  }
  return { model, weight };
}

function readApi(reader: MessageReader, row: number): ApiRow {
  const at = reader.row(L.SECTION_APIS, row);
  const suffix = reader.string(at + L.API_SUFFIX, `apis[${row}].suffix`, L.MAX_SUFFIX_BYTES);
  if (!SUFFIX.test(suffix)) throw new WireError(L.REFUSED_VALUE, `apis[${row}].suffix`, suffix, SUFFIX);
  const kind = reader.view.getUint32(at + L.API_KIND, true);
  const api = API_NAMES.get(kind);
  if (api === undefined) throw new WireError(L.REFUSED_VALUE, `apis[${row}].api`, kind, L.API_KINDS - 1);
  return { suffix, api };
}

/** The routes on which the model chooses among `pools`: none in a table of fewer sections. */
export function readRoutes(reader: MessageReader, pools: readonly PoolRow[]): readonly RouteRow[] {
  const names = new Set<string>();
  return Array.from({ length: reader.section(L.SECTION_ROUTES).count }, (_, row) => {
    const at = reader.row(L.SECTION_ROUTES, row);
    const path = `routes[${row}]`;
    const name = reader.string(at + L.ROUTE_NAME, `${path}.name`, L.MAX_POOL_NAME_BYTES);
    requireNew(names, name, `${path}.name`);
    const rows = reader.run(L.SECTION_ROUTE_POOLS, at + L.ROUTE_POOL_START, at + L.ROUTE_POOL_COUNT, path);
    if (rows.length === 0) throw new WireError(L.REFUSED_VALUE, `${path}.pools`, 0, 1);
    const seen = new Set<string>();
    return {
      name,
      pools: rows.map((entry) => {
        const index = reader.view.getUint32(
          reader.row(L.SECTION_ROUTE_POOLS, entry) + L.ROUTE_POOL_INDEX,
          true,
        );
        const pool = pools[index];
        if (pool === undefined)
          throw new WireError(L.REFUSED_REFERENCE, `${path}.pools`, index, pools.length);
        requireNew(seen, pool.name, `${path}.pools`);
        return pool.name;
      }),
    };
  });
}
