import * as L from "../../../assembly/wire/layout.ts";
import { readEndpointPicking, readPicking } from "./decode-picking.ts";
import { readPoolRouting, readRoutes } from "./decode-routing.ts";
import { fnv1a64 } from "./hash.ts";
import { ADDRESS, PROFILE_NAMES, SCORER_NAMES } from "./names.ts";
import { MessageReader, requireNew } from "./reader.ts";
import type { AdapterRow, EndpointRow, ModelRow, PoolRow, TableRows } from "./rows.ts";
import { TABLE_RULES, tableGeneration } from "./table-sections.ts";
import { WireError } from "./wire-error.ts";

/**
 * Reads a table back into rows, with every check that the filter makes: for tests and for looking at
 * what was sent. Never reads outside `bytes`, whatever they hold.
 * @throws WireError with the REFUSED_* number, the value and the bound.
 */
export function decodeTable(bytes: Uint8Array): TableRows {
  const reader = new MessageReader(bytes, L.KIND_TABLE, TABLE_RULES, L.SECTION_STRINGS, tableGeneration);
  const clusters = readClusters(reader);
  const pools: PoolRow[] = [];
  const names = new Set<string>();
  for (let index = 0; index < reader.section(L.SECTION_POOLS).count; index++) {
    const pool = readPool(reader, index, clusters.get(index) ?? []);
    requireNew(names, pool.name, `pools[${index}].name`);
    pools.push(pool);
  }
  const routes = readRoutes(reader, pools);
  const exchange = reader.section(L.SECTION_EXCHANGE);
  const secret =
    exchange.count === 0 ? 0n : reader.view.getBigUint64(exchange.offset + L.EXCHANGE_SECRET, true);
  const { epoch, sequence } = reader;
  return { epoch, sequence, pools, routes, ...(secret === 0n ? {} : { secret }) };
}

function readClusters(reader: MessageReader): ReadonlyMap<number, readonly string[]> {
  const byPool = new Map<number, string[]>();
  const seen = new Set<string>();
  const poolCount = reader.section(L.SECTION_POOLS).count;
  for (let index = 0; index < reader.section(L.SECTION_CLUSTERS).count; index++) {
    const at = reader.row(L.SECTION_CLUSTERS, index);
    const path = `clusters[${index}]`;
    const name = reader.string(at + L.CLUSTER_NAME, `${path}.name`, L.MAX_POOL_NAME_BYTES);
    const pool = reader.view.getUint32(at + L.CLUSTER_POOL, true);
    if (pool >= poolCount) throw new WireError(L.REFUSED_REFERENCE, `${path}.pool`, pool, poolCount);
    requireNew(seen, name, `${path}.name`);
    const names = byPool.get(pool);
    if (names === undefined) byPool.set(pool, [name]);
    else names.push(name);
  }
  return byPool;
}

function positive(value: number, high: number, path: string): number {
  // The comparison is false for NaN too.
  if (!(value > 0 && value <= high)) throw new WireError(L.REFUSED_VALUE, path, value, high);
  return value;
}

function readPool(reader: MessageReader, index: number, clusters: readonly string[]): PoolRow {
  const { view } = reader;
  const at = reader.row(L.SECTION_POOLS, index);
  const path = `pools[${index}]`;
  const profileNumber = view.getUint16(at + L.POOL_PROFILE, true);
  const profile = PROFILE_NAMES.get(profileNumber);
  if (profile === undefined) {
    throw new WireError(L.REFUSED_VALUE, `${path}.profile`, profileNumber, PROFILE_NAMES.size);
  }
  const failureMode = view.getUint8(at + L.POOL_FAILURE_MODE);
  if (failureMode > L.FAILURE_MODE_FAIL_OPEN) {
    throw new WireError(L.REFUSED_VALUE, `${path}.failureMode`, failureMode, L.FAILURE_MODE_FAIL_OPEN);
  }
  const flags = view.getUint8(at + L.POOL_FLAGS);
  const rows = reader.run(L.SECTION_ENDPOINTS, at + L.POOL_ENDPOINT_START, at + L.POOL_ENDPOINT_COUNT, path);
  const endpoints = rows.map((row) => readEndpoint(reader, row));
  const ids = new Set<bigint>();
  for (const { id } of endpoints) {
    if (ids.has(id)) throw new WireError(L.REFUSED_VALUE, `${path}.endpoints.id`, id, "unique within a pool");
    ids.add(id);
  }
  return {
    name: reader.string(at + L.POOL_NAME, `${path}.name`, L.MAX_POOL_NAME_BYTES),
    profile,
    failureMode: failureMode === L.FAILURE_MODE_FAIL_OPEN ? "FailOpen" : "FailClose",
    readBody: (flags & L.POOL_FLAG_READ_BODY) !== 0,
    requireModel: (flags & L.POOL_FLAG_REQUIRE_MODEL) !== 0,
    knownModelsOnly: (flags & L.POOL_FLAG_KNOWN_MODELS_ONLY) !== 0,
    restoreModel: (flags & L.POOL_FLAG_RESTORE_MODEL) !== 0,
    addUsage: (flags & L.POOL_FLAG_ADD_USAGE) !== 0,
    byModel: (flags & L.POOL_FLAG_BY_MODEL) !== 0,
    staleAfterMs: view.getUint32(at + L.POOL_STALE_AFTER_MS, true),
    bodyWindowBytes: view.getUint32(at + L.POOL_BODY_WINDOW_BYTES, true),
    bodyLimitBytes: view.getUint32(at + L.POOL_BODY_LIMIT_BYTES, true),
    queueLimit: positive(
      view.getFloat32(at + L.POOL_QUEUE_LIMIT, true),
      Number.MAX_VALUE,
      `${path}.queueLimit`,
    ),
    kvLimit: positive(view.getFloat32(at + L.POOL_KV_LIMIT, true), 1, `${path}.kvLimit`),
    clusters,
    endpoints,
    models: reader
      .run(L.SECTION_MODELS, at + L.POOL_MODEL_START, at + L.POOL_MODEL_COUNT, path)
      .map((row) => readModel(reader, row)),
    scorers: readScorers(reader, at, path),
    objectives: reader
      .run(L.SECTION_OBJECTIVES, at + L.POOL_OBJECTIVE_START, at + L.POOL_OBJECTIVE_COUNT, path)
      .map((row) => {
        const objective = reader.row(L.SECTION_OBJECTIVES, row);
        return {
          name: reader.string(objective + L.OBJECTIVE_NAME, `objectives[${row}].name`, L.MAX_NAME_BYTES),
          priority: view.getInt32(objective + L.OBJECTIVE_PRIORITY, true),
        };
      }),
    ...readPoolRouting(reader, at, path),
    ...readPicking(reader, at, path),
  };
}

function readModel(reader: MessageReader, row: number): ModelRow {
  const at = reader.row(L.SECTION_MODELS, row);
  const flags = reader.view.getUint32(at + L.MODEL_FLAGS, true);
  return {
    name: reader.string(at + L.MODEL_NAME, `models[${row}].name`, L.MAX_NAME_BYTES),
    adapter: (flags & L.MODEL_FLAG_ADAPTER) !== 0,
    ...((flags & L.MODEL_FLAG_PRIORITY) === 0
      ? {}
      : { priority: reader.view.getInt32(at + L.MODEL_PRIORITY, true) }),
  };
}

/** The rows of the pool at `at`: few, and no kind twice. */
function readScorers(reader: MessageReader, at: number, path: string): PoolRow["scorers"] {
  const rows = reader.run(L.SECTION_SCORERS, at + L.POOL_SCORER_START, at + L.POOL_SCORER_COUNT, path);
  if (rows.length > L.MAX_POOL_SCORERS) {
    throw new WireError(L.REFUSED_TOO_MANY_ROWS, `${path}.scorers`, rows.length, L.MAX_POOL_SCORERS);
  }
  const scorers = rows.map((row) => readScorer(reader, row));
  const seen = new Set<string>();
  for (const { name } of scorers) requireNew(seen, name, `${path}.scorers`);
  return scorers;
}

function readScorer(reader: MessageReader, row: number): PoolRow["scorers"][number] {
  const at = reader.row(L.SECTION_SCORERS, row);
  const kind = reader.view.getUint32(at + L.SCORER_KIND, true);
  const name = SCORER_NAMES.get(kind);
  if (name === undefined) {
    throw new WireError(L.REFUSED_VALUE, `scorers[${row}].kind`, kind, L.SCORER_PREFIX_AFFINITY);
  }
  const weight = reader.view.getFloat32(at + L.SCORER_WEIGHT, true);
  return { name, weight: positive(weight, Number.MAX_VALUE, `scorers[${row}].weight`) };
}

function readEndpoint(reader: MessageReader, row: number): EndpointRow {
  const { view } = reader;
  const at = reader.row(L.SECTION_ENDPOINTS, row);
  const path = `endpoints[${row}]`;
  const flags = view.getUint32(at + L.ENDPOINT_FLAGS, true);
  const valid = view.getUint32(at + L.ENDPOINT_VALID, true);
  const ageMs = view.getUint32(at + L.ENDPOINT_AGE_MS, true);
  const kvUsedRatio = view.getFloat32(at + L.ENDPOINT_KV_USED, true);
  if ((valid & L.VALID_KV_USED) !== 0 && !(kvUsedRatio >= 0 && kvUsedRatio <= 1)) {
    throw new WireError(L.REFUSED_VALUE, `${path}.kvUsedRatio`, kvUsedRatio, 1);
  }
  const address = reader.string(at + L.ENDPOINT_ADDRESS, `${path}.address`, L.MAX_ADDRESS_BYTES);
  if (!ADDRESS.test(address)) throw new WireError(L.REFUSED_VALUE, `${path}.address`, address, ADDRESS);
  const id = view.getBigUint64(at + L.ENDPOINT_ID, true);
  if (id !== fnv1a64(address)) throw new WireError(L.REFUSED_VALUE, `${path}.id`, id, fnv1a64(address));
  const adapters = reader
    .run(L.SECTION_ADAPTERS, at + L.ENDPOINT_ADAPTER_START, at + L.ENDPOINT_ADAPTER_COUNT, path)
    .map((adapter) => readAdapter(reader, adapter));
  const column = (bit: number, offset: number): number | undefined =>
    (valid & bit) === 0 ? undefined : view.getUint32(at + offset, true);
  const queuedRequests = column(L.VALID_QUEUED, L.ENDPOINT_QUEUED);
  const runningRequests = column(L.VALID_RUNNING, L.ENDPOINT_RUNNING);
  const kvBlocks = column(L.VALID_KV_BLOCKS, L.ENDPOINT_KV_BLOCKS);
  const kvBlockTokens = column(L.VALID_KV_BLOCK_TOKENS, L.ENDPOINT_KV_BLOCK_TOKENS);
  return {
    id,
    address,
    name: reader.string(at + L.ENDPOINT_NAME, `${path}.name`),
    ready: (flags & L.ENDPOINT_FLAG_READY) !== 0,
    draining: (flags & L.ENDPOINT_FLAG_DRAINING) !== 0,
    unmeasured: (flags & L.ENDPOINT_FLAG_UNMEASURED) !== 0,
    ...(ageMs === L.AGE_NEVER ? {} : { ageMs }),
    ...(queuedRequests === undefined ? {} : { queuedRequests }),
    ...(runningRequests === undefined ? {} : { runningRequests }),
    ...((valid & L.VALID_KV_USED) === 0 ? {} : { kvUsedRatio }),
    ...(kvBlocks === undefined ? {} : { kvBlocks }),
    ...(kvBlockTokens === undefined ? {} : { kvBlockTokens }),
    ...((valid & L.VALID_ADAPTERS) === 0
      ? {}
      : { adapters: { max: view.getUint32(at + L.ENDPOINT_MAX_ADAPTERS, true), entries: adapters } }),
    ...((valid & L.VALID_REMOTE) === 0
      ? {}
      : {
          remote: {
            requests: view.getUint32(at + L.ENDPOINT_REMOTE_REQUESTS, true),
            uncachedTokens: view.getUint32(at + L.ENDPOINT_REMOTE_UNCACHED_TOKENS, true),
            residentTokens: view.getUint32(at + L.ENDPOINT_REMOTE_RESIDENT_TOKENS, true),
          },
        }),
    ...readEndpointPicking(reader, at),
  };
}

function readAdapter(reader: MessageReader, row: number): AdapterRow {
  const at = reader.row(L.SECTION_ADAPTERS, row);
  const state = reader.view.getUint32(at + L.ADAPTER_STATE, true);
  const name = reader.string(at + L.ADAPTER_NAME, `adapters[${row}].name`, L.MAX_NAME_BYTES);
  if (state !== L.ADAPTER_RUNNING && state !== L.ADAPTER_WAITING) {
    throw new WireError(L.REFUSED_VALUE, `adapters[${row}].state`, state, L.ADAPTER_WAITING);
  }
  return { name, state: state === L.ADAPTER_RUNNING ? "running" : "waiting" };
}
