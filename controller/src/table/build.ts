import { AGE_NEVER } from "../../../assembly/wire/layout.ts";
import type { Endpoint, ModelSpec, PickingSpec, PoolSpec, RouteSpec, Sample } from "../model.ts";
import { fitAdapters, roomBytes } from "./adapter-budget.ts";
import { classesOf, type PoolClasses } from "./classes.ts";
import { readsBody } from "./body-reading.ts";
import { fnv1a64 } from "./hash.ts";
import { withLearned } from "./learned-models.ts";
import type { AdapterRow, EndpointRow, ModelRow, PickingRow, PoolRow, RouteRow, TableRows } from "./rows.ts";

export interface TableInput {
  readonly pools: readonly PoolSpec[];
  /** Only those on which the model chooses the pool get rows. */
  readonly routes: readonly RouteSpec[];
  /** Resolved endpoints of all pools; `pool` is `namespace/name`. Those of unknown pools are left out. */
  readonly endpoints: readonly Endpoint[];
  /** By address. */
  readonly samples: ReadonlyMap<string, Sample>;
  /** By pool (`namespace/name`), what its endpoints list; a pool that has not been told any is absent. Default: none. */
  readonly learned?: ReadonlyMap<string, readonly ModelSpec[]>;
  /** Monotonic ms, of the same clock as `Sample.atMs`. */
  readonly nowMs: number;
  /** Absent: none is known. */
  readonly secret?: bigint;
  readonly epoch: bigint;
  readonly sequence: bigint;
}

/**
 * The rows of one table. A stale sample keeps its columns: the receiver adds its own time to the age
 * and judges. An address that a pool lists twice (two names resolving to one host) gets one row, the
 * first; readers refuse a duplicate id. Adapters and listed models that have no room are left out.
 */
export function buildTable(input: TableInput): TableRows {
  const byPool = new Map<string, Endpoint[]>();
  for (const endpoint of input.endpoints) {
    const list = byPool.get(endpoint.pool);
    if (list === undefined) byPool.set(endpoint.pool, [endpoint]);
    else list.push(endpoint);
  }
  const routes = routeRows(input);
  const byModel = new Set(routes.flatMap((route) => route.pools));
  const endpointsByPool = new Map(
    input.pools.map((pool) => {
      const endpoints = byPool.get(keyOf(pool)) ?? [];
      const classes = classesOf(
        pool.picking,
        endpoints.map(({ spec }) => spec),
      );
      return [keyOf(pool), { classes, rows: endpointRows(endpoints, classes, input) }];
    }),
  );
  const rowsOf = (specs: readonly PoolSpec[]) =>
    specs.map((pool) => poolRow(pool, endpointsByPool.get(keyOf(pool))!, byModel));
  const learned =
    input.learned === undefined || input.learned.size === 0
      ? withLearned(input.pools, new Map())
      : withLearned(input.pools, input.learned, roomBytes(rowsOf(input.pools), routes));
  const { pools, dropped } = fitAdapters(rowsOf(learned.pools), routes);
  return {
    epoch: input.epoch,
    sequence: input.sequence,
    pools,
    routes,
    ...(input.secret === undefined ? {} : { secret: input.secret }),
    ...(dropped === 0 ? {} : { adaptersDropped: dropped }),
    ...(learned.dropped === 0 ? {} : { modelsDropped: learned.dropped }),
  };
}

interface PoolEndpoints {
  readonly classes: PoolClasses;
  readonly rows: readonly EndpointRow[];
}

function keyOf(pool: PoolSpec): string {
  return `${pool.namespace}/${pool.name}`;
}

/** Of pools that are not there, as while they come or go, a route has none; without any it has no row. */
function routeRows({ pools, routes }: TableInput): readonly RouteRow[] {
  const known = new Set(pools.map(keyOf));
  return routes
    .filter(({ byModel }) => byModel)
    .map((route) => ({
      name: route.name,
      pools: route.pools.map(({ pool }) => pool).filter((pool) => known.has(pool)),
    }))
    .filter((route) => route.pools.length > 0);
}

/** `byModel`: names of the pools among which a route's requests choose by model. */
function poolRow(pool: PoolSpec, { classes, rows }: PoolEndpoints, byModel: ReadonlySet<string>): PoolRow {
  return {
    name: keyOf(pool),
    profile: pool.profile,
    failureMode: pool.failureMode,
    readBody: readsBody(pool, byModel.has(keyOf(pool))),
    requireModel: pool.requireModel,
    knownModelsOnly: pool.knownModelsOnly,
    restoreModel: pool.restoreModel,
    addUsage: pool.addUsage,
    byModel: byModel.has(keyOf(pool)),
    staleAfterMs: pool.staleAfterMs,
    bodyWindowBytes: pool.bodyWindowBytes,
    bodyLimitBytes: pool.bodyLimitBytes,
    queueLimit: pool.saturation.queueLimit,
    kvLimit: pool.saturation.kvLimit,
    clusters: pool.clusters,
    endpoints: rows,
    models: pool.models.map(
      (model): ModelRow => ({
        name: model.name,
        adapter: model.adapter,
        ...(model.priority === undefined ? {} : { priority: model.priority }),
      }),
    ),
    scorers: pool.profile === "weighted" ? pool.scorers : [],
    objectives: pool.objectives,
    rewrites: pool.rewrites.map(({ model, targets }) => ({ model: model ?? "", targets })),
    apis: pool.apis,
    picking: pickingRow(pool.picking, classes),
  };
}

function pickingRow(picking: PickingSpec, { rows }: PoolClasses): PickingRow {
  const { ttft, tpotMs, objectiveHeaders, subset, sessionAffinity, classes } = picking;
  return {
    ttftBaseMs: ttft.baseMs,
    ttftPer1kTokensMs: ttft.perThousandMs,
    tpotMs,
    objectiveHeaders,
    subsetHeader: subset === "header" || subset === "both",
    subsetMetadata: subset === "metadata" || subset === "both",
    sessionAffinity,
    classHeader: classes?.header ?? "",
    classes: rows,
  };
}

function endpointRows(
  endpoints: readonly Endpoint[],
  classes: PoolClasses,
  input: TableInput,
): readonly EndpointRow[] {
  const seen = new Set<string>();
  const rows: EndpointRow[] = [];
  for (const endpoint of endpoints) {
    if (seen.has(endpoint.address)) continue;
    seen.add(endpoint.address);
    rows.push(
      endpointRow(endpoint, input.samples.get(endpoint.address), classes.bitsOf(endpoint.spec), input.nowMs),
    );
  }
  return rows;
}

function endpointRow(
  endpoint: Endpoint,
  sample: Sample | undefined,
  classes: number,
  nowMs: number,
): EndpointRow {
  const unmeasured = endpoint.spec.scrape === undefined;
  const identity = {
    id: fnv1a64(endpoint.address),
    address: endpoint.address,
    name: endpoint.spec.name,
    ready: endpoint.ready,
    draining: endpoint.draining,
    unmeasured,
    lifeEpoch: unmeasured ? 0 : (sample?.epoch ?? 0),
    classes,
  };
  if (unmeasured || sample === undefined) return identity;
  return {
    ...identity,
    ageMs: Math.min(Math.max(Math.round(nowMs - sample.atMs), 0), AGE_NEVER - 1),
    ...(sample.queuedRequests === undefined ? {} : { queuedRequests: sample.queuedRequests }),
    ...(sample.runningRequests === undefined ? {} : { runningRequests: sample.runningRequests }),
    ...(sample.kvUsedRatio === undefined ? {} : { kvUsedRatio: sample.kvUsedRatio }),
    ...(sample.kvBlocks === undefined ? {} : { kvBlocks: sample.kvBlocks }),
    ...(sample.kvBlockTokens === undefined ? {} : { kvBlockTokens: sample.kvBlockTokens }),
    ...(sample.adapters === undefined
      ? {}
      : {
          adapters: {
            max: sample.adapters.max,
            entries: adapterRows(sample.adapters.running, sample.adapters.waiting),
          },
        }),
  };
}

/** Running adapters first; one that is listed as both (vLLM 0.32 lists every active one so) is running. */
function adapterRows(running: readonly string[], waiting: readonly string[]): readonly AdapterRow[] {
  const rows = new Map<string, AdapterRow>();
  for (const name of waiting) rows.set(name, { name, state: "waiting" });
  for (const name of running) rows.set(name, { name, state: "running" });
  return [...rows.values()].sort(
    (left, right) => Number(left.state === "waiting") - Number(right.state === "waiting"),
  );
}
