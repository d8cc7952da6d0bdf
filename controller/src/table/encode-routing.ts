import * as L from "../../../assembly/wire/layout.ts";
import { PickerError } from "../errors.ts";
import { checkRows, refuseRepeated } from "./checks.ts";
import type { MessageWriter, StringHeap } from "./message.ts";
import { API_NUMBERS, SUFFIX } from "./names.ts";
import type { ApiRow, PoolRow, RewriteRow, RouteRow, TableRows } from "./rows.ts";

/** Rows of the sections that this file writes. */
export interface RoutingCounts {
  readonly rewrites: number;
  readonly targets: number;
  readonly apis: number;
  readonly routes: number;
  readonly routePools: number;
}

/**
 * Counts and checks what decides a request's model, API and pool.
 * @throws PickerError TABLE_BOUND for more rows than the format allows, TABLE_VALUE for a rule without targets,
 * a target without a name, a weight outside of 1 to MAX_TARGET_WEIGHT, a suffix of another form, a route's
 * name that is empty or occurs twice, and a route without pools, or with one that is unknown or occurs twice.
 */
export function checkRouting({ pools, routes }: TableRows): RoutingCounts {
  const rules = pools.flatMap(({ rewrites }) => rewrites);
  const counts = {
    rewrites: rules.length,
    targets: rules.reduce((total, { targets }) => total + targets.length, 0),
    apis: pools.reduce((total, { apis }) => total + apis.length, 0),
    routes: routes.length,
    routePools: routes.reduce((total, route) => total + route.pools.length, 0),
  };
  checkRows("apis", counts.apis, L.MAX_APIS);
  checkRows("routes", counts.routes, L.MAX_ROUTES);
  for (const section of ["rewrites", "targets", "routePools"] as const) {
    checkRows(section, counts[section], L.MAX_ROWS);
  }
  pools.forEach(({ rewrites, apis }, index) => {
    const path = `pools[${index}]`;
    for (const [at, rule] of rewrites.entries()) checkRule(rule, `${path}.rewrites[${at}]`);
    checkRows(`${path}.apis`, apis.length, L.MAX_POOL_APIS);
    for (const [at, api] of apis.entries()) checkSuffix(api, `${path}.apis[${at}].suffix`);
  });
  checkRoutes(routes, pools);
  return counts;
}

function checkRule({ targets }: RewriteRow, path: string): void {
  refuseNone(targets.length, `${path}.targets`);
  checkRows(`${path}.targets`, targets.length, L.MAX_RULE_TARGETS);
  targets.forEach(({ model, weight }, index) => {
    const at = `${path}.targets[${index}]`;
    if (model === "") {
      throw new PickerError("TABLE_VALUE", "a target has no name", {
        path: `${at}.model`,
        value: model,
        bound: "non-empty",
      });
    }
    if (!Number.isInteger(weight) || weight < 1 || weight > L.MAX_TARGET_WEIGHT) {
      throw new PickerError(
        "TABLE_VALUE",
        `${weight} is not a whole number from 1 to ${L.MAX_TARGET_WEIGHT}`,
        { path: `${at}.weight`, value: weight, bound: weight < 1 ? 1 : L.MAX_TARGET_WEIGHT },
      );
    }
  });
}

function checkSuffix({ suffix }: ApiRow, path: string): void {
  if (SUFFIX.test(suffix)) return;
  throw new PickerError("TABLE_VALUE", `${suffix} is not the end of a path`, {
    path,
    value: suffix,
    bound: String(SUFFIX),
  });
}

function checkRoutes(routes: readonly RouteRow[], pools: readonly PoolRow[]): void {
  refuseRepeated(
    "routes.name",
    routes.map(({ name }) => name),
  );
  const known = new Set(pools.map(({ name }) => name));
  routes.forEach((route, index) => {
    const path = `routes[${index}].pools`;
    refuseNone(route.pools.length, path);
    refuseRepeated(path, route.pools);
    for (const name of route.pools) {
      if (known.has(name)) continue;
      throw new PickerError("TABLE_VALUE", `${name} is not a pool of the table`, {
        path,
        value: name,
        bound: "the name of a pool",
      });
    }
  });
}

function refuseNone(count: number, path: string): void {
  if (count > 0) return;
  throw new PickerError("TABLE_VALUE", "0 rows are fewer than 1", { path, value: 0, bound: 1 });
}

/** Places the strings of one pool. */
export function placePoolRouting({ rewrites, apis }: PoolRow, path: string, heap: StringHeap): void {
  for (const { model, targets } of rewrites) {
    heap.place(model, `${path}.rewrites`, L.MAX_NAME_BYTES);
    for (const target of targets) heap.place(target.model, `${path}.rewrites`, L.MAX_NAME_BYTES);
  }
  for (const { suffix } of apis) heap.place(suffix, `${path}.apis`, L.MAX_SUFFIX_BYTES);
}

export function placeRoutes(routes: readonly RouteRow[], heap: StringHeap): void {
  for (const { name } of routes) heap.place(name, "routes.name", L.MAX_POOL_NAME_BYTES);
}

/** Writes the sections that hold what decides a request's model, API and pool, and the pools' columns of them. */
export class RoutingWriter {
  readonly #writer: MessageWriter;
  readonly #heap: StringHeap;
  readonly #next = { rewrite: 0, target: 0, api: 0, routePool: 0 };

  constructor(writer: MessageWriter, heap: StringHeap) {
    this.#writer = writer;
    this.#heap = heap;
  }

  /** The next pool's rows; `at` is where its row in POOLS begins. */
  pool({ rewrites, apis }: PoolRow, at: number): void {
    const { view } = this.#writer;
    view.setUint32(at + L.POOL_REWRITE_START, this.#next.rewrite, true);
    view.setUint32(at + L.POOL_REWRITE_COUNT, rewrites.length, true);
    view.setUint32(at + L.POOL_API_START, this.#next.api, true);
    view.setUint32(at + L.POOL_API_COUNT, apis.length, true);
    for (const rule of rewrites) this.#rule(rule);
    for (const { suffix, api } of apis) {
      const row = this.#writer.row(L.SECTION_APIS, this.#next.api++);
      this.#string(row + L.API_SUFFIX, suffix);
      view.setUint32(row + L.API_KIND, API_NUMBERS[api], true);
    }
  }

  #rule({ model, targets }: RewriteRow): void {
    const { view } = this.#writer;
    const row = this.#writer.row(L.SECTION_REWRITES, this.#next.rewrite++);
    this.#string(row + L.REWRITE_MODEL, model);
    view.setUint32(row + L.REWRITE_TARGET_START, this.#next.target, true);
    view.setUint32(row + L.REWRITE_TARGET_COUNT, targets.length, true);
    for (const target of targets) {
      const at = this.#writer.row(L.SECTION_TARGETS, this.#next.target++);
      this.#string(at + L.TARGET_MODEL, target.model);
      view.setUint32(at + L.TARGET_WEIGHT, target.weight, true);
    }
  }

  routes(routes: readonly RouteRow[], pools: readonly PoolRow[]): void {
    const { view } = this.#writer;
    const indices = new Map(pools.map(({ name }, index) => [name, index]));
    routes.forEach((route, index) => {
      const row = this.#writer.row(L.SECTION_ROUTES, index);
      this.#string(row + L.ROUTE_NAME, route.name);
      view.setUint32(row + L.ROUTE_POOL_START, this.#next.routePool, true);
      view.setUint32(row + L.ROUTE_POOL_COUNT, route.pools.length, true);
      for (const name of route.pools) {
        const at = this.#writer.row(L.SECTION_ROUTE_POOLS, this.#next.routePool++);
        view.setUint32(at + L.ROUTE_POOL_INDEX, indices.get(name)!, true);
      }
    });
  }

  #string(at: number, text: string): void {
    this.#writer.string(at, this.#heap.place(text, "table"));
  }
}
