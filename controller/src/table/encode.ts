import * as L from "../../../assembly/wire/layout.ts";
import { PROFILE_LIST, profileNumber } from "../../../assembly/wire/profiles.ts";
import { PickerError } from "../errors.ts";
import { checkRows, refuseRepeated } from "./checks.ts";
import { checkClasses, hasPicking, PickingWriter, placePicking } from "./encode-picking.ts";
import { checkRouting, placePoolRouting, placeRoutes, RoutingWriter } from "./encode-routing.ts";
import { fnv1a64 } from "./hash.ts";
import { MessageWriter, StringHeap } from "./message.ts";
import { ADDRESS, SCORER_NUMBERS } from "./names.ts";
import type { EndpointRow, PoolRow, RemoteLoad, TableRows } from "./rows.ts";

const U32_MAX = 0xffffffff;
/** Weights are f32 > 0; the bound keeps sums of products finite. */
const MIN_WEIGHT = 1e-6;
const MAX_WEIGHT = 1e6;

export interface EncodedTable {
  readonly bytes: Uint8Array;
  /** In row order; an endpoint that two pools share appears twice. */
  readonly endpointIds: readonly bigint[];
  /** Byte offset of the first endpoint row. */
  readonly endpointOffset: number;
  readonly endpointStride: number;
  readonly epoch: bigint;
  readonly sequence: bigint;
}

function sum(pools: readonly PoolRow[], count: (pool: PoolRow) => number): number {
  return pools.reduce((total, pool) => total + count(pool), 0);
}

/**
 * Encodes a table as `layout.ts` describes it: the same rows always give the same bytes. Each distinct
 * string is stored once.
 * @throws PickerError TABLE_BOUND for more rows or bytes than the format allows, TABLE_VALUE for a
 * number outside its column, a pool's or cluster's name that is empty or occurs twice, a scorer that a pool
 * names twice, a profile that is not listed, two endpoints of one pool with the same address, an id that is not the hash of its address, an
 * address that a pick list cannot carry, or what `checkRouting` refuses.
 */
export function encodeTable(rows: TableRows): EncodedTable {
  const { pools } = rows;
  const counts = {
    endpoints: sum(pools, (pool) => pool.endpoints.length),
    clusters: sum(pools, (pool) => pool.clusters.length),
    models: sum(pools, (pool) => pool.models.length),
    adapters: sum(pools, (pool) =>
      pool.endpoints.reduce((total, endpoint) => total + (endpoint.adapters?.entries.length ?? 0), 0),
    ),
    objectives: sum(pools, (pool) => pool.objectives.length),
    scorers: sum(pools, (pool) => pool.scorers.length),
  };
  checkRows("pools", pools.length, L.MAX_POOLS);
  checkRows("endpoints", counts.endpoints, L.MAX_ENDPOINTS);
  for (const section of ["clusters", "models", "adapters", "objectives", "scorers"] as const) {
    checkRows(section, counts[section], L.MAX_ROWS);
  }
  refuseRepeated(
    "pools.name",
    pools.map((pool) => pool.name),
  );
  refuseRepeated(
    "clusters",
    pools.flatMap((pool) => pool.clusters),
  );
  const routing = checkRouting(rows);
  const picking = hasPicking(rows);
  const classes = checkClasses(rows);
  const endpointStride = picking ? L.ENDPOINT_STRIDE : L.ENDPOINT_STRIDE_V1;
  const heap = new StringHeap();
  collectStrings(pools, heap);
  placeRoutes(rows.routes, heap);
  const sections = [
    { count: pools.length, stride: picking ? L.POOL_STRIDE : L.POOL_STRIDE_V1 },
    { count: counts.endpoints, stride: endpointStride },
    { count: counts.clusters, stride: L.CLUSTER_STRIDE },
    { count: counts.models, stride: L.MODEL_STRIDE },
    { count: counts.adapters, stride: L.ADAPTER_STRIDE },
    { count: counts.objectives, stride: L.OBJECTIVE_STRIDE },
    { count: counts.scorers, stride: L.SCORER_STRIDE },
    { count: routing.rewrites, stride: L.REWRITE_STRIDE },
    { count: heap.byteLength, stride: 1 },
    { count: routing.targets, stride: L.TARGET_STRIDE },
    { count: routing.apis, stride: L.API_STRIDE },
    { count: routing.routes, stride: L.ROUTE_STRIDE },
    { count: routing.routePools, stride: L.ROUTE_POOL_STRIDE },
    ...(picking
      ? [
          { count: classes, stride: L.CLASS_STRIDE },
          { count: rows.secret === undefined ? 0 : 1, stride: L.EXCHANGE_STRIDE },
        ]
      : []),
  ];
  const flags = picking ? L.TABLE_FLAG_PICKING : 0;
  const writer = new MessageWriter(L.KIND_TABLE, rows.epoch, rows.sequence, sections, flags);
  const endpointIds = writeRows(rows, writer, heap);
  if (rows.secret !== undefined) {
    writer.u64(writer.row(L.SECTION_EXCHANGE, 0) + L.EXCHANGE_SECRET, rows.secret, "secret");
  }
  heap.writeTo(writer.bytes, writer.sectionOffset(L.SECTION_STRINGS));
  return {
    bytes: writer.bytes,
    endpointIds,
    endpointOffset: writer.sectionOffset(L.SECTION_ENDPOINTS),
    endpointStride,
    epoch: rows.epoch,
    sequence: rows.sequence,
  };
}

/** Places every string once, so that the size is known before the first row is written. */
function collectStrings(pools: readonly PoolRow[], heap: StringHeap): void {
  pools.forEach((pool, index) => {
    const path = `pools[${index}]`;
    heap.place(pool.name, `${path}.name`, L.MAX_POOL_NAME_BYTES);
    for (const cluster of pool.clusters) heap.place(cluster, `${path}.clusters`, L.MAX_POOL_NAME_BYTES);
    for (const model of pool.models) heap.place(model.name, `${path}.models`, L.MAX_NAME_BYTES);
    for (const objective of pool.objectives) {
      heap.place(objective.name, `${path}.objectives`, L.MAX_NAME_BYTES);
    }
    placePoolRouting(pool, path, heap);
    placePicking(pool, path, heap);
    for (const endpoint of pool.endpoints) {
      heap.place(endpoint.address, `${path}.endpoints`, L.MAX_ADDRESS_BYTES);
      heap.place(endpoint.name, `${path}.endpoints`);
      for (const adapter of endpoint.adapters?.entries ?? []) {
        heap.place(adapter.name, `${path}.endpoints`, L.MAX_NAME_BYTES);
      }
    }
  });
}

function writeRows(rows: TableRows, writer: MessageWriter, heap: StringHeap): bigint[] {
  const { pools } = rows;
  const routing = new RoutingWriter(writer, heap);
  const picking = hasPicking(rows) ? new PickingWriter(writer, heap) : undefined;
  const endpointIds: bigint[] = [];
  const next = { cluster: 0, model: 0, adapter: 0, objective: 0, scorer: 0 };
  pools.forEach((pool, index) => {
    const path = `pools[${index}]`;
    const at = writer.row(L.SECTION_POOLS, index);
    const { view } = writer;
    writer.string(at + L.POOL_NAME, heap.place(pool.name, path));
    view.setUint32(at + L.POOL_ENDPOINT_START, endpointIds.length, true);
    view.setUint32(at + L.POOL_ENDPOINT_COUNT, pool.endpoints.length, true);
    view.setUint32(at + L.POOL_MODEL_START, next.model, true);
    view.setUint32(at + L.POOL_MODEL_COUNT, pool.models.length, true);
    view.setUint32(at + L.POOL_SCORER_START, next.scorer, true);
    view.setUint32(at + L.POOL_SCORER_COUNT, pool.scorers.length, true);
    view.setUint32(at + L.POOL_OBJECTIVE_START, next.objective, true);
    view.setUint32(at + L.POOL_OBJECTIVE_COUNT, pool.objectives.length, true);
    view.setUint16(at + L.POOL_PROFILE, profileOf(pool, path), true);
    view.setUint8(
      at + L.POOL_FAILURE_MODE,
      pool.failureMode === "FailOpen" ? L.FAILURE_MODE_FAIL_OPEN : L.FAILURE_MODE_FAIL_CLOSE,
    );
    view.setUint8(
      at + L.POOL_FLAGS,
      (pool.readBody ? L.POOL_FLAG_READ_BODY : 0) |
        (pool.requireModel ? L.POOL_FLAG_REQUIRE_MODEL : 0) |
        (pool.knownModelsOnly ? L.POOL_FLAG_KNOWN_MODELS_ONLY : 0) |
        (pool.restoreModel ? L.POOL_FLAG_RESTORE_MODEL : 0) |
        (pool.addUsage ? L.POOL_FLAG_ADD_USAGE : 0) |
        (pool.byModel ? L.POOL_FLAG_BY_MODEL : 0),
    );
    writer.u32(at + L.POOL_STALE_AFTER_MS, pool.staleAfterMs, `${path}.staleAfterMs`);
    writer.u32(at + L.POOL_BODY_WINDOW_BYTES, pool.bodyWindowBytes, `${path}.bodyWindowBytes`);
    writer.u32(at + L.POOL_BODY_LIMIT_BYTES, pool.bodyLimitBytes, `${path}.bodyLimitBytes`);
    writer.f32(at + L.POOL_QUEUE_LIMIT, pool.queueLimit, MIN_WEIGHT, MAX_WEIGHT, `${path}.queueLimit`);
    writer.f32(at + L.POOL_KV_LIMIT, pool.kvLimit, MIN_WEIGHT, 1, `${path}.kvLimit`);

    for (const cluster of pool.clusters) {
      const row = writer.row(L.SECTION_CLUSTERS, next.cluster++);
      writer.string(row + L.CLUSTER_NAME, heap.place(cluster, path));
      view.setUint32(row + L.CLUSTER_POOL, index, true);
    }
    for (const model of pool.models) {
      const row = writer.row(L.SECTION_MODELS, next.model++);
      const flags =
        (model.adapter ? L.MODEL_FLAG_ADAPTER : 0) |
        (model.priority === undefined ? 0 : L.MODEL_FLAG_PRIORITY);
      writer.string(row + L.MODEL_NAME, heap.place(model.name, path));
      view.setUint32(row + L.MODEL_FLAGS, flags, true);
      writer.i32(row + L.MODEL_PRIORITY, model.priority ?? 0, `${path}.models`);
    }
    for (const objective of pool.objectives) {
      const row = writer.row(L.SECTION_OBJECTIVES, next.objective++);
      writer.string(row + L.OBJECTIVE_NAME, heap.place(objective.name, path));
      writer.i32(row + L.OBJECTIVE_PRIORITY, objective.priority, `${path}.objectives`);
    }
    routing.pool(pool, at);
    picking?.pool(pool, at, path);
    refuseRepeatedScorers(pool, `${path}.scorers`);
    for (const scorer of pool.scorers) {
      const row = writer.row(L.SECTION_SCORERS, next.scorer++);
      view.setUint32(row + L.SCORER_KIND, SCORER_NUMBERS[scorer.name], true);
      writer.f32(row + L.SCORER_WEIGHT, scorer.weight, MIN_WEIGHT, MAX_WEIGHT, `${path}.scorers`);
    }
    const ids = new Set<bigint>();
    for (const endpoint of pool.endpoints) {
      checkIdentity(endpoint, ids, `${path}.endpoints`);
      const row = writer.row(L.SECTION_ENDPOINTS, endpointIds.length);
      if (picking !== undefined) writeRestartsAndClasses(endpoint, row, writer, path);
      next.adapter = writeEndpoint(endpoint, row, next.adapter, writer, heap, `${path}.${endpoint.address}`);
      endpointIds.push(endpoint.id);
    }
  });
  routing.routes(rows.routes, pools);
  return endpointIds;
}

function profileOf({ profile }: PoolRow, path: string): number {
  const number = profileNumber(profile);
  if (number > 0) return number;
  throw new PickerError("TABLE_VALUE", `${profile} is not a profile`, {
    path: `${path}.profile`,
    value: profile,
    bound: PROFILE_LIST.join(", "),
  });
}

function writeRestartsAndClasses(
  endpoint: EndpointRow,
  at: number,
  writer: MessageWriter,
  path: string,
): void {
  writer.u32(at + L.ENDPOINT_EPOCH, endpoint.lifeEpoch ?? 0, `${path}.${endpoint.address}.lifeEpoch`);
  writer.u32(at + L.ENDPOINT_CLASSES, endpoint.classes ?? 0, `${path}.${endpoint.address}.classes`);
}

/** The picker adds a scorer once for each row: a kind that came twice would weigh twice. */
function refuseRepeatedScorers(pool: PoolRow, path: string): void {
  checkRows(path, pool.scorers.length, L.MAX_POOL_SCORERS);
  refuseRepeated(
    path,
    pool.scorers.map((scorer) => scorer.name),
  );
}

/** `ids` are those of the pool's endpoints before this one. */
function checkIdentity(endpoint: EndpointRow, ids: Set<bigint>, path: string): void {
  const { address, id } = endpoint;
  if (!ADDRESS.test(address)) {
    throw new PickerError("TABLE_VALUE", "an address is visible ASCII without commas", {
      path,
      value: address,
      bound: String(ADDRESS),
    });
  }
  if (id !== fnv1a64(address)) {
    throw new PickerError("TABLE_VALUE", `${id} is not the id of ${address}`, {
      path,
      value: id,
      bound: fnv1a64(address),
    });
  }
  if (ids.has(id)) {
    throw new PickerError("TABLE_VALUE", `${address} has the id of another endpoint`, {
      path,
      value: address,
      bound: "ids unique within a pool",
    });
  }
  ids.add(id);
}

/** Returns the index of the next free adapter row. */
function writeEndpoint(
  endpoint: EndpointRow,
  at: number,
  adapterStart: number,
  writer: MessageWriter,
  heap: StringHeap,
  path: string,
): number {
  const { view } = writer;
  let valid = 0;
  let adapter = adapterStart;
  writer.u64(at + L.ENDPOINT_ID, endpoint.id, `${path}.id`);
  writer.string(at + L.ENDPOINT_ADDRESS, heap.place(endpoint.address, path));
  writer.string(at + L.ENDPOINT_NAME, heap.place(endpoint.name, path));
  view.setUint32(
    at + L.ENDPOINT_FLAGS,
    (endpoint.ready ? L.ENDPOINT_FLAG_READY : 0) |
      (endpoint.draining ? L.ENDPOINT_FLAG_DRAINING : 0) |
      (endpoint.unmeasured ? L.ENDPOINT_FLAG_UNMEASURED : 0),
    true,
  );
  writer.u32(at + L.ENDPOINT_AGE_MS, endpoint.ageMs ?? L.AGE_NEVER, `${path}.ageMs`);
  if (endpoint.queuedRequests !== undefined) {
    valid |= L.VALID_QUEUED;
    writer.u32(at + L.ENDPOINT_QUEUED, endpoint.queuedRequests, `${path}.queuedRequests`);
  }
  if (endpoint.runningRequests !== undefined) {
    valid |= L.VALID_RUNNING;
    writer.u32(at + L.ENDPOINT_RUNNING, endpoint.runningRequests, `${path}.runningRequests`);
  }
  if (endpoint.kvUsedRatio !== undefined) {
    valid |= L.VALID_KV_USED;
    writer.f32(at + L.ENDPOINT_KV_USED, endpoint.kvUsedRatio, 0, 1, `${path}.kvUsedRatio`);
  }
  if (endpoint.kvBlocks !== undefined) {
    valid |= L.VALID_KV_BLOCKS;
    writer.u32(at + L.ENDPOINT_KV_BLOCKS, endpoint.kvBlocks, `${path}.kvBlocks`);
  }
  if (endpoint.kvBlockTokens !== undefined) {
    valid |= L.VALID_KV_BLOCK_TOKENS;
    writer.u32(at + L.ENDPOINT_KV_BLOCK_TOKENS, endpoint.kvBlockTokens, `${path}.kvBlockTokens`);
  }
  view.setUint32(at + L.ENDPOINT_ADAPTER_START, adapter, true);
  if (endpoint.adapters !== undefined) {
    valid |= L.VALID_ADAPTERS;
    writer.u32(at + L.ENDPOINT_MAX_ADAPTERS, endpoint.adapters.max, `${path}.adapters.max`);
    view.setUint32(at + L.ENDPOINT_ADAPTER_COUNT, endpoint.adapters.entries.length, true);
    for (const entry of endpoint.adapters.entries) {
      const row = writer.row(L.SECTION_ADAPTERS, adapter++);
      writer.string(row + L.ADAPTER_NAME, heap.place(entry.name, path));
      const state = entry.state === "running" ? L.ADAPTER_RUNNING : L.ADAPTER_WAITING;
      view.setUint32(row + L.ADAPTER_STATE, state, true);
    }
  }
  if (endpoint.remote !== undefined) valid |= writeRemote(view, at, endpoint.remote);
  view.setUint32(at + L.ENDPOINT_VALID, valid, true);
  return adapter;
}

/** Counts beyond u32 are cut to its largest value, fractions rounded: a sum of reports is never an error. */
function clampU32(value: number): number {
  return value > 0 ? Math.min(Math.round(value), U32_MAX) : 0;
}

function writeRemote(view: DataView, at: number, remote: RemoteLoad): number {
  view.setUint32(at + L.ENDPOINT_REMOTE_REQUESTS, clampU32(remote.requests), true);
  view.setUint32(at + L.ENDPOINT_REMOTE_UNCACHED_TOKENS, clampU32(remote.uncachedTokens), true);
  view.setUint32(at + L.ENDPOINT_REMOTE_RESIDENT_TOKENS, clampU32(remote.residentTokens), true);
  return L.VALID_REMOTE;
}

/**
 * A copy of the table with the REMOTE columns of the endpoints that `remote` knows; the others keep
 * theirs. One encoding serves all receivers, each with its own view of the others' load.
 */
export function withRemote(table: EncodedTable, remote: (id: bigint) => RemoteLoad | undefined): Uint8Array {
  const bytes = table.bytes.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  table.endpointIds.forEach((id, index) => {
    const load = remote(id);
    if (load === undefined) return;
    const at = table.endpointOffset + index * table.endpointStride;
    const valid = view.getUint32(at + L.ENDPOINT_VALID, true);
    view.setUint32(at + L.ENDPOINT_VALID, (valid | writeRemote(view, at, load)) >>> 0, true);
  });
  return bytes;
}
