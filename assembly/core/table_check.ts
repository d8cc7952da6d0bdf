import { f32At, u16At, u32At, u64At, u8At } from "../wire/bytes";
import {
  ACCEPTED,
  ADAPTER_NAME,
  ADAPTER_RUNNING,
  ADAPTER_STATE,
  ADAPTER_WAITING,
  CLUSTER_NAME,
  CLUSTER_POOL,
  ENDPOINT_ADAPTER_START,
  ENDPOINT_ADDRESS,
  ENDPOINT_ID,
  ENDPOINT_KV_USED,
  ENDPOINT_NAME,
  ENDPOINT_VALID,
  FAILURE_MODE_FAIL_OPEN,
  KIND_TABLE,
  MAX_ADDRESS_BYTES,
  MAX_NAME_BYTES,
  MAX_POOL_NAME_BYTES,
  MAX_POOL_SCORERS,
  MAX_STRING_BYTES,
  MODEL_NAME,
  OBJECTIVE_NAME,
  POOL_ENDPOINT_COUNT,
  POOL_ENDPOINT_START,
  POOL_FAILURE_MODE,
  POOL_KV_LIMIT,
  POOL_MODEL_START,
  POOL_NAME,
  POOL_OBJECTIVE_START,
  POOL_PROFILE,
  POOL_QUEUE_LIMIT,
  POOL_SCORER_COUNT,
  POOL_SCORER_START,
  PROFILE_EPP,
  REFUSED_REFERENCE,
  REFUSED_TOO_MANY_ROWS,
  REFUSED_VALUE,
  SCORER_KIND,
  SCORER_PREFIX_AFFINITY,
  SCORER_QUEUE_DEPTH,
  SCORER_WEIGHT,
  SECTION_ADAPTERS,
  SECTION_CLUSTERS,
  SECTION_ENDPOINTS,
  SECTION_MODELS,
  SECTION_OBJECTIVES,
  SECTION_POOLS,
  SECTION_SCORERS,
  VALID_KV_USED,
} from "../wire/layout";
import { fnv1a64 } from "../wire/hash";
import { PROFILE_LIST } from "../wire/profiles";
import { checkMessage, sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { IdMap } from "./id_map";
import { NameMap } from "./name_map";
import { PickingCheck } from "./picking_check";
import { RoutingCheck } from "./routing_check";
import { RowCheck } from "./row_check";

/**
 * Everything that must hold before a table replaces the one in use. It works on the message in
 * place and keeps what it had to compute anyway, the maps of names. What it accepts is decoded in
 * milliseconds, whoever wrote it: names are short, and runs of rows do not overlap.
 */
export class TableCheck {
  pools: NameMap = new NameMap();
  clusters: NameMap = new NameMap();

  routing: RoutingCheck = new RoutingCheck();

  private picking: PickingCheck = new PickingCheck();

  private rows: RowCheck = new RowCheck();
  private lastPoolOfId: IdMap = new IdMap();
  private message: usize = 0;
  private heap: usize = 0;

  /** ACCEPTED, or the first REFUSED_* that applies to the `bytes` bytes at `ptr`. */
  run(ptr: usize, bytes: u32): u32 {
    let refusal = checkMessage(ptr, bytes, KIND_TABLE);
    if (refusal != ACCEPTED) return refusal;
    this.message = ptr;
    this.rows.begin(ptr);
    this.heap = this.rows.heap;
    refusal = this.checkPools();
    if (refusal == ACCEPTED) refusal = this.checkEndpoints();
    if (refusal == ACCEPTED) refusal = this.checkIdentities();
    if (refusal == ACCEPTED) refusal = this.checkClusters();
    if (refusal == ACCEPTED) refusal = this.checkNames(SECTION_MODELS, MODEL_NAME);
    if (refusal == ACCEPTED) refusal = this.checkNames(SECTION_OBJECTIVES, OBJECTIVE_NAME);
    if (refusal == ACCEPTED) refusal = this.checkNames(SECTION_ADAPTERS, ADAPTER_NAME);
    if (refusal == ACCEPTED) refusal = this.checkAdapters();
    if (refusal == ACCEPTED) refusal = this.checkScorers();
    if (refusal == ACCEPTED) refusal = this.routing.run(this.rows);
    if (refusal == ACCEPTED) refusal = this.picking.run(this.rows);
    return refusal;
  }

  private checkPools(): u32 {
    const count = sectionCount(this.message, SECTION_POOLS);
    const stride = sectionStride(this.message, SECTION_POOLS);
    const rows = this.rows;
    this.pools.clear(count);
    let pool = sectionPtr(this.message, SECTION_POOLS);
    for (let index = 0; index < count; index++, pool += stride) {
      if (!rows.holdsString(pool + POOL_NAME, MAX_POOL_NAME_BYTES)) return REFUSED_REFERENCE;
      // A row in two pools would have two ages.
      if (!rows.takesRun(pool + POOL_ENDPOINT_START, SECTION_ENDPOINTS)) return REFUSED_REFERENCE;
      if (!rows.takesRun(pool + POOL_MODEL_START, SECTION_MODELS)) return REFUSED_REFERENCE;
      if (!rows.takesRun(pool + POOL_SCORER_START, SECTION_SCORERS)) return REFUSED_REFERENCE;
      if (u32At(pool + POOL_SCORER_COUNT) > MAX_POOL_SCORERS) return REFUSED_TOO_MANY_ROWS;
      if (!rows.takesRun(pool + POOL_OBJECTIVE_START, SECTION_OBJECTIVES)) return REFUSED_REFERENCE;
      const profile = u16At(pool + POOL_PROFILE);
      if (profile < PROFILE_EPP || profile > <u32>PROFILE_LIST.length) return REFUSED_VALUE;
      if (u8At(pool + POOL_FAILURE_MODE) > FAILURE_MODE_FAIL_OPEN) return REFUSED_VALUE;
      const queueLimit = f32At(pool + POOL_QUEUE_LIMIT);
      if (!isFinite<f32>(queueLimit) || queueLimit <= 0) return REFUSED_VALUE;
      const kvLimit = f32At(pool + POOL_KV_LIMIT);
      if (!(kvLimit > 0 && kvLimit <= 1)) return REFUSED_VALUE;
      const nameBytes = u32At(pool + POOL_NAME + 4);
      if (nameBytes == 0 || !this.pools.add(this.heap, u32At(pool + POOL_NAME), nameBytes, index))
        return REFUSED_VALUE;
    }
    return ACCEPTED;
  }

  private checkEndpoints(): u32 {
    const count = sectionCount(this.message, SECTION_ENDPOINTS);
    const stride = sectionStride(this.message, SECTION_ENDPOINTS);
    let endpoint = sectionPtr(this.message, SECTION_ENDPOINTS);
    for (let row = 0; row < count; row++, endpoint += stride) {
      if (!this.rows.holdsString(endpoint + ENDPOINT_ADDRESS, MAX_ADDRESS_BYTES)) return REFUSED_REFERENCE;
      if (!this.rows.holdsString(endpoint + ENDPOINT_NAME, MAX_STRING_BYTES)) return REFUSED_REFERENCE;
      if (!this.rows.takesRun(endpoint + ENDPOINT_ADAPTER_START, SECTION_ADAPTERS)) return REFUSED_REFERENCE;
      const address = this.heap + u32At(endpoint + ENDPOINT_ADDRESS);
      const bytes = u32At(endpoint + ENDPOINT_ADDRESS + 4);
      if (!isAddress(address, bytes)) return REFUSED_VALUE;
      if (u64At(endpoint + ENDPOINT_ID) != fnv1a64(address, bytes)) return REFUSED_VALUE;
      if (u32At(endpoint + ENDPOINT_VALID) & VALID_KV_USED) {
        const kvUsed = f32At(endpoint + ENDPOINT_KV_USED);
        if (!(kvUsed >= 0 && kvUsed <= 1)) return REFUSED_VALUE;
      }
    }
    return ACCEPTED;
  }

  /** The same endpoint may serve in several pools, but only once in each: a pick list holds distinct ones. */
  private checkIdentities(): u32 {
    const pools = sectionCount(this.message, SECTION_POOLS);
    const poolStride = sectionStride(this.message, SECTION_POOLS);
    const poolRows = sectionPtr(this.message, SECTION_POOLS);
    const endpoints = sectionPtr(this.message, SECTION_ENDPOINTS);
    const stride = sectionStride(this.message, SECTION_ENDPOINTS);
    this.lastPoolOfId.clear(sectionCount(this.message, SECTION_ENDPOINTS));
    for (let index = 0; index < pools; index++) {
      const pool = poolRows + index * poolStride;
      const start = u32At(pool + POOL_ENDPOINT_START);
      const end = start + u32At(pool + POOL_ENDPOINT_COUNT);
      for (let row = start; row < end; row++) {
        const id = u64At(endpoints + row * stride + ENDPOINT_ID);
        if (this.lastPoolOfId.get(id) == index) return REFUSED_VALUE;
        this.lastPoolOfId.put(id, index);
      }
    }
    return ACCEPTED;
  }

  private checkClusters(): u32 {
    const count = sectionCount(this.message, SECTION_CLUSTERS);
    const stride = sectionStride(this.message, SECTION_CLUSTERS);
    const pools = <u32>sectionCount(this.message, SECTION_POOLS);
    this.clusters.clear(count);
    let cluster = sectionPtr(this.message, SECTION_CLUSTERS);
    for (let index = 0; index < count; index++, cluster += stride) {
      if (!this.rows.holdsString(cluster + CLUSTER_NAME, MAX_POOL_NAME_BYTES)) return REFUSED_REFERENCE;
      const pool = u32At(cluster + CLUSTER_POOL);
      if (pool >= pools) return REFUSED_REFERENCE;
      const bytes = u32At(cluster + CLUSTER_NAME + 4);
      if (bytes == 0 || !this.clusters.add(this.heap, u32At(cluster + CLUSTER_NAME), bytes, <i32>pool)) {
        return REFUSED_VALUE;
      }
    }
    return ACCEPTED;
  }

  private checkNames(section: u32, nameColumn: u32): u32 {
    const count = sectionCount(this.message, section);
    const stride = sectionStride(this.message, section);
    let row = sectionPtr(this.message, section);
    for (let index = 0; index < count; index++, row += stride) {
      if (!this.rows.holdsString(row + nameColumn, MAX_NAME_BYTES)) return REFUSED_REFERENCE;
    }
    return ACCEPTED;
  }

  private checkAdapters(): u32 {
    const count = sectionCount(this.message, SECTION_ADAPTERS);
    const stride = sectionStride(this.message, SECTION_ADAPTERS);
    let adapter = sectionPtr(this.message, SECTION_ADAPTERS);
    for (let index = 0; index < count; index++, adapter += stride) {
      const state = u32At(adapter + ADAPTER_STATE);
      if (state != ADAPTER_RUNNING && state != ADAPTER_WAITING) return REFUSED_VALUE;
    }
    return ACCEPTED;
  }

  private checkScorers(): u32 {
    const count = sectionCount(this.message, SECTION_SCORERS);
    const stride = sectionStride(this.message, SECTION_SCORERS);
    let scorer = sectionPtr(this.message, SECTION_SCORERS);
    for (let index = 0; index < count; index++, scorer += stride) {
      const kind = u32At(scorer + SCORER_KIND);
      if (kind < SCORER_QUEUE_DEPTH || kind > SCORER_PREFIX_AFFINITY) return REFUSED_VALUE;
      const weight = f32At(scorer + SCORER_WEIGHT);
      if (!isFinite<f32>(weight) || weight <= 0) return REFUSED_VALUE;
    }
    return this.checkMixes();
  }

  /** A pool names each scorer once: a pick computes each of them once. */
  private checkMixes(): u32 {
    const pools = sectionCount(this.message, SECTION_POOLS);
    const stride = sectionStride(this.message, SECTION_POOLS);
    const scorers = sectionPtr(this.message, SECTION_SCORERS);
    const scorerStride = sectionStride(this.message, SECTION_SCORERS);
    let pool = sectionPtr(this.message, SECTION_POOLS);
    for (let index = 0; index < pools; index++, pool += stride) {
      const start = u32At(pool + POOL_SCORER_START);
      const end = start + u32At(pool + POOL_SCORER_COUNT);
      let kinds: u32 = 0;
      for (let row = start; row < end; row++) {
        const kind: u32 = 1 << u32At(scorers + row * scorerStride + SCORER_KIND);
        if (kinds & kind) return REFUSED_VALUE;
        kinds |= kind;
      }
    }
    return ACCEPTED;
  }
}

/**
 * An address ends up in a header as an item of a comma-separated list: visible ASCII without the
 * comma, and at least one byte.
 */
function isAddress(ptr: usize, bytes: u32): bool {
  if (bytes == 0) return false;
  for (let at = ptr, end = ptr + bytes; at < end; at++) {
    const byte = u8At(at);
    if (byte <= 0x20 || byte >= 0x7f || byte == 0x2c) return false;
  }
  return true;
}
