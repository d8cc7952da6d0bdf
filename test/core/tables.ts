import { PROFILE_LIST } from "../../assembly/wire/profiles.ts";
import { encodeTable } from "../../controller/src/table/encode.ts";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import type {
  EndpointRow,
  PickingRow,
  PoolRow,
  RewriteRow,
  RouteRow,
} from "../../controller/src/table/rows.ts";
import type { SeededRandom } from "../emulator/random.ts";

/** An endpoint that is ready and was measured just now; `changes` go on top. */
export function endpoint(address: string, changes: Partial<EndpointRow> = {}): EndpointRow {
  return {
    id: fnv1a64(address),
    address,
    name: address,
    ready: true,
    draining: false,
    unmeasured: false,
    ageMs: 10,
    queuedRequests: 0,
    runningRequests: 0,
    kvUsedRatio: 0.1,
    ...changes,
  };
}

export function pool(
  name: string,
  endpoints: readonly EndpointRow[],
  changes: Partial<PoolRow> = {},
): PoolRow {
  return {
    name,
    profile: "epp",
    failureMode: "FailClose",
    readBody: true,
    requireModel: false,
    knownModelsOnly: false,
    staleAfterMs: 1500,
    bodyWindowBytes: 65536,
    bodyLimitBytes: 16777216,
    queueLimit: 5,
    kvLimit: 0.8,
    clusters: [`cluster-of-${name}`],
    endpoints,
    models: [],
    scorers: [],
    objectives: [],
    restoreModel: false,
    addUsage: false,
    byModel: false,
    rewrites: [],
    apis: [],
    ...changes,
  };
}

export function tableBytes(
  pools: readonly PoolRow[],
  sequence = 1n,
  routes: readonly RouteRow[] = [],
): Uint8Array {
  return encodeTable({ epoch: 1n, sequence, pools, routes }).bytes;
}

/** `10.0.1.2:8000` and so on, distinct for every index below 65,536. */
export function addressOf(index: number): string {
  return `10.0.${index >> 8}.${index & 255}:8000`;
}

const SCORERS = [
  "queue-depth",
  "kv-cache-utilization",
  "running-requests",
  "in-flight",
  "lora-affinity",
  "prefix-affinity",
] as const;
/** Names that several rows of random tables share. */
export const MODELS = ["base", "adapter-a", "adapter-b", "modèle"] as const;

function randomEndpoint(random: SeededRandom, address: string): EndpointRow {
  const measured = random.below(4) > 0;
  return {
    id: fnv1a64(address),
    address,
    name: `endpoint-${address}`,
    ready: random.below(4) > 0,
    draining: random.below(6) === 0,
    unmeasured: random.below(8) === 0,
    lifeEpoch: random.below(3),
    classes: random.word(),
    ...(random.below(6) === 0 ? {} : { ageMs: random.below(3000) }),
    ...(measured ? { queuedRequests: random.below(20), runningRequests: random.below(50) } : {}),
    ...(random.below(4) > 0 ? { kvUsedRatio: random.below(1001) / 1000 } : {}),
    ...(random.below(2) === 0 ? { adapters: randomAdapters(random) } : {}),
    ...(random.below(2) === 0
      ? { remote: { requests: random.below(10), uncachedTokens: random.below(9999), residentTokens: 7 } }
      : {}),
  };
}

function randomAdapters(random: SeededRandom): NonNullable<EndpointRow["adapters"]> {
  const entries = MODELS.filter(() => random.below(2) === 0).map((name) => ({
    name,
    state: random.below(2) === 0 ? ("running" as const) : ("waiting" as const),
  }));
  return { max: random.below(4), entries };
}

/** One to four pools of up to `most` endpoints, anything the format allows in them. */
export function randomPools(random: SeededRandom, most: number): readonly PoolRow[] {
  return Array.from({ length: 1 + random.below(4) }, (_, index) =>
    pool(
      `ns/pool-${index}`,
      Array.from({ length: random.below(most + 1) }, (_, at) =>
        randomEndpoint(random, addressOf(index * 100 + at)),
      ),
      {
        profile: PROFILE_LIST[random.below(PROFILE_LIST.length)]!,
        scorers: SCORERS.filter(() => random.below(2) === 0).map((name) => ({
          name,
          weight: 0.5 + random.below(4),
        })),
        models: MODELS.filter(() => random.below(2) === 0).map((name) => ({
          name,
          adapter: name !== "base",
        })),
        objectives: [{ name: "interactive", priority: 10 }],
        restoreModel: random.below(2) === 0,
        byModel: random.below(2) === 0,
        rewrites: ["", ...MODELS]
          .filter(() => random.below(3) === 0)
          .map((model) => randomRule(random, model)),
        apis: SUFFIXES.filter(() => random.below(3) === 0).map((suffix) => ({
          suffix,
          api: "json" as const,
        })),
        ...(random.below(3) === 0 ? {} : { picking: randomPicking(random) }),
      },
    ),
  );
}

/** Classes by header have the names in MODELS; their header is `x-tier`. */
function randomPicking(random: SeededRandom): PickingRow {
  const ranges = Array.from({ length: random.below(4) }, (_, at) => ({
    minTokens: at * 100,
    maxTokens: at * 100 + random.below(200),
  }));
  return {
    ttftBaseMs: 1 + random.below(5000),
    ttftPer1kTokensMs: random.below(100),
    tpotMs: 1 + random.below(100),
    objectiveHeaders: random.below(2) === 0,
    subsetHeader: random.below(2) === 0,
    subsetMetadata: random.below(2) === 0,
    sessionAffinity: random.below(2) === 0,
    classHeader: random.below(2) === 0 ? "" : "x-tier",
    classes: [
      ...["", ...MODELS].filter(() => random.below(2) === 0).map((header) => ({ header })),
      ...ranges,
    ],
  };
}

/** Ends of paths that pools of random tables have for their own. */
export const SUFFIXES = ["/ask", "/{model}/ask", "/models/{model}", "/completions"] as const;

function randomRule(random: SeededRandom, model: string): RewriteRow {
  const targets = MODELS.slice(random.below(MODELS.length));
  return { model, targets: targets.map((name) => ({ model: name, weight: 1 + random.below(1_000_000) })) };
}

/** Up to three routes over the pools of a random table. */
export function randomRoutes(random: SeededRandom, pools: readonly PoolRow[]): readonly RouteRow[] {
  return Array.from({ length: random.below(4) }, (_, index) => ({
    name: `route-${index}`,
    pools: pools.slice(random.below(pools.length)).map(({ name }) => name),
  }));
}
