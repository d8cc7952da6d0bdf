import { u32At } from "../wire/bytes";
import {
  ACCEPTED,
  API_KIND,
  API_KINDS,
  API_SUFFIX,
  MAX_NAME_BYTES,
  MAX_POOL_APIS,
  MAX_POOL_NAME_BYTES,
  MAX_RULE_TARGETS,
  MAX_SUFFIX_BYTES,
  MAX_TARGET_WEIGHT,
  POOL_API_COUNT,
  POOL_API_START,
  POOL_REWRITE_START,
  REFUSED_REFERENCE,
  REFUSED_TOO_MANY_ROWS,
  REFUSED_VALUE,
  REWRITE_MODEL,
  REWRITE_TARGET_COUNT,
  REWRITE_TARGET_START,
  ROUTE_NAME,
  ROUTE_POOL_COUNT,
  ROUTE_POOL_INDEX,
  ROUTE_POOL_START,
  SECTION_APIS,
  SECTION_POOLS,
  SECTION_REWRITES,
  SECTION_ROUTES,
  SECTION_ROUTE_POOLS,
  SECTION_TARGETS,
  TARGET_MODEL,
  TARGET_WEIGHT,
} from "../wire/layout";
import { hasRewrites, sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { NameMap } from "./name_map";
import { isSuffix } from "./path_suffixes";
import { RowCheck } from "./row_check";

/** The part of the table's check that is about rewrites, APIs and routes. */
export class RoutingCheck {
  /** Routes by name, of the last table accepted. */
  routes: NameMap = new NameMap();

  /** By pool: the last route that names it. */
  private lastRouteOfPool: StaticArray<i32> = new StaticArray<i32>(0);

  /** ACCEPTED, or the first REFUSED_* that applies to the message that `rows` has begun. */
  run(rows: RowCheck): u32 {
    this.routes.clear(sectionCount(rows.message, SECTION_ROUTES));
    if (!hasRewrites(rows.message)) return ACCEPTED;
    let refusal = this.checkPools(rows);
    if (refusal == ACCEPTED) refusal = this.checkRules(rows);
    if (refusal == ACCEPTED) refusal = this.checkTargets(rows);
    if (refusal == ACCEPTED) refusal = this.checkApis(rows);
    if (refusal == ACCEPTED) refusal = this.checkRoutes(rows);
    return refusal;
  }

  private checkPools(rows: RowCheck): u32 {
    const count = sectionCount(rows.message, SECTION_POOLS);
    const stride = sectionStride(rows.message, SECTION_POOLS);
    let pool = sectionPtr(rows.message, SECTION_POOLS);
    for (let index = 0; index < count; index++, pool += stride) {
      if (!rows.takesRun(pool + POOL_REWRITE_START, SECTION_REWRITES)) return REFUSED_REFERENCE;
      if (!rows.takesRun(pool + POOL_API_START, SECTION_APIS)) return REFUSED_REFERENCE;
      if (u32At(pool + POOL_API_COUNT) > MAX_POOL_APIS) return REFUSED_TOO_MANY_ROWS;
    }
    return ACCEPTED;
  }

  private checkRules(rows: RowCheck): u32 {
    const count = sectionCount(rows.message, SECTION_REWRITES);
    const stride = sectionStride(rows.message, SECTION_REWRITES);
    let rule = sectionPtr(rows.message, SECTION_REWRITES);
    for (let index = 0; index < count; index++, rule += stride) {
      if (!rows.holdsString(rule + REWRITE_MODEL, MAX_NAME_BYTES)) return REFUSED_REFERENCE;
      if (!rows.takesRun(rule + REWRITE_TARGET_START, SECTION_TARGETS)) return REFUSED_REFERENCE;
      const targets = u32At(rule + REWRITE_TARGET_COUNT);
      if (targets == 0) return REFUSED_VALUE;
      if (targets > MAX_RULE_TARGETS) return REFUSED_TOO_MANY_ROWS;
    }
    return ACCEPTED;
  }

  private checkTargets(rows: RowCheck): u32 {
    const count = sectionCount(rows.message, SECTION_TARGETS);
    const stride = sectionStride(rows.message, SECTION_TARGETS);
    let target = sectionPtr(rows.message, SECTION_TARGETS);
    for (let index = 0; index < count; index++, target += stride) {
      if (!rows.holdsString(target + TARGET_MODEL, MAX_NAME_BYTES)) return REFUSED_REFERENCE;
      if (u32At(target + TARGET_MODEL + 4) == 0) return REFUSED_VALUE;
      const weight = u32At(target + TARGET_WEIGHT);
      if (weight == 0 || weight > MAX_TARGET_WEIGHT) return REFUSED_VALUE;
    }
    return ACCEPTED;
  }

  private checkApis(rows: RowCheck): u32 {
    const count = sectionCount(rows.message, SECTION_APIS);
    const stride = sectionStride(rows.message, SECTION_APIS);
    let api = sectionPtr(rows.message, SECTION_APIS);
    for (let index = 0; index < count; index++, api += stride) {
      if (!rows.holdsString(api + API_SUFFIX, MAX_SUFFIX_BYTES)) return REFUSED_REFERENCE;
      if (!isSuffix(rows.heap + u32At(api + API_SUFFIX), u32At(api + API_SUFFIX + 4))) return REFUSED_VALUE;
      if (u32At(api + API_KIND) >= API_KINDS) return REFUSED_VALUE;
    }
    return ACCEPTED;
  }

  /** A pool once a route at most: asking the pools of one takes no longer than there are pools. */
  private checkRoutes(rows: RowCheck): u32 {
    const pools = sectionCount(rows.message, SECTION_POOLS);
    this.lastRouteOfPool = fresh<i32>(this.lastRouteOfPool, pools);
    for (let pool = 0; pool < pools; pool++) this.lastRouteOfPool[pool] = -1;
    const entries = sectionPtr(rows.message, SECTION_ROUTE_POOLS);
    const entryStride = sectionStride(rows.message, SECTION_ROUTE_POOLS);
    const count = sectionCount(rows.message, SECTION_ROUTES);
    const stride = sectionStride(rows.message, SECTION_ROUTES);
    let route = sectionPtr(rows.message, SECTION_ROUTES);
    for (let index = 0; index < count; index++, route += stride) {
      if (!rows.holdsString(route + ROUTE_NAME, MAX_POOL_NAME_BYTES)) return REFUSED_REFERENCE;
      const bytes = u32At(route + ROUTE_NAME + 4);
      if (bytes == 0 || !this.routes.add(rows.heap, u32At(route + ROUTE_NAME), bytes, index))
        return REFUSED_VALUE;
      if (!rows.takesRun(route + ROUTE_POOL_START, SECTION_ROUTE_POOLS)) return REFUSED_REFERENCE;
      const start = u32At(route + ROUTE_POOL_START);
      const end = start + u32At(route + ROUTE_POOL_COUNT);
      if (start == end) return REFUSED_VALUE;
      for (let entry = start; entry < end; entry++) {
        const pool = u32At(entries + entry * entryStride + ROUTE_POOL_INDEX);
        if (pool >= <u32>pools) return REFUSED_REFERENCE;
        if (this.lastRouteOfPool[pool] == index) return REFUSED_VALUE;
        this.lastRouteOfPool[pool] = index;
      }
    }
    return ACCEPTED;
  }
}
