import type { ApiName, FailureMode, ProfileName, ScorerName } from "../model.ts";

/** Requests and tokens in flight to an endpoint through other Envoys. */
export interface RemoteLoad {
  readonly requests: number;
  /** Prompt tokens accepted and not yet prefilled. */
  readonly uncachedTokens: number;
  /** Tokens whose keys and values are held for requests in flight. */
  readonly residentTokens: number;
}

export interface AdapterRow {
  readonly name: string;
  readonly state: "running" | "waiting";
}

/** One endpoint of one pool. An absent measurement says nothing: it is not zero. */
export interface EndpointRow {
  /** FNV-1a of the address. */
  readonly id: bigint;
  readonly address: string;
  readonly name: string;
  readonly ready: boolean;
  readonly draining: boolean;
  /** Has no metrics by configuration. */
  readonly unmeasured: boolean;
  /** Age of the measurements at sending; absent if the endpoint was never scraped. */
  readonly ageMs?: number;
  readonly queuedRequests?: number;
  readonly runningRequests?: number;
  /** 0 to 1 */
  readonly kvUsedRatio?: number;
  readonly kvBlocks?: number;
  readonly kvBlockTokens?: number;
  readonly adapters?: { readonly max: number; readonly entries: readonly AdapterRow[] };
  readonly remote?: RemoteLoad;
  /** Rises when the model server starts anew: ENDPOINT_EPOCH. Only where its pool has `picking`; default 0. */
  readonly lifeEpoch?: number;
  /** One bit a class of its pool, the first one lowest. Only where its pool has `picking`; default 0. */
  readonly classes?: number;
}

export interface ModelRow {
  readonly name: string;
  readonly adapter: boolean;
  readonly priority?: number;
}

/** Requests for `model` get the name of one of the targets, drawn by weight. */
export interface RewriteRow {
  /** "": any model, and none. */
  readonly model: string;
  readonly targets: readonly { readonly model: string; readonly weight: number }[];
}

export interface ApiRow {
  readonly suffix: string;
  readonly api: ApiName;
}

/** Requests that go to those endpoints only which have the class's bit. */
export type ClassRow =
  /** Those whose class header has this value; "": any other value, or none. */
  | { readonly header: string }
  /** Those whose prompt has so many tokens, both ends included. */
  | { readonly minTokens: number; readonly maxTokens: number };

/** What a pool's requests are held to, and what narrows the endpoints to pick from. */
export interface PickingRow {
  readonly ttftBaseMs: number;
  readonly ttftPer1kTokensMs: number;
  readonly tpotMs: number;
  /** The request's headers may state objectives. */
  readonly objectiveHeaders: boolean;
  /** A request header may name the endpoints to pick from. */
  readonly subsetHeader: boolean;
  /** Dynamic metadata may name the endpoints to pick from. */
  readonly subsetMetadata: boolean;
  readonly sessionAffinity: boolean;
  /** In lower case; "": none. */
  readonly classHeader: string;
  readonly classes: readonly ClassRow[];
}

export interface PoolRow {
  /** `namespace/name` */
  readonly name: string;
  readonly profile: ProfileName;
  readonly failureMode: FailureMode;
  readonly readBody: boolean;
  readonly requireModel: boolean;
  readonly knownModelsOnly: boolean;
  readonly restoreModel: boolean;
  readonly addUsage: boolean;
  /** One of a route on which the request's model chooses the pool. */
  readonly byModel: boolean;
  readonly staleAfterMs: number;
  readonly bodyWindowBytes: number;
  readonly bodyLimitBytes: number;
  readonly queueLimit: number;
  readonly kvLimit: number;
  readonly clusters: readonly string[];
  readonly endpoints: readonly EndpointRow[];
  readonly models: readonly ModelRow[];
  readonly scorers: readonly { readonly name: ScorerName; readonly weight: number }[];
  readonly objectives: readonly { readonly name: string; readonly priority: number }[];
  /** An exact name goes before any; the first of equals counts. */
  readonly rewrites: readonly RewriteRow[];
  readonly apis: readonly ApiRow[];
  /** Absent: the layout's objectives and nothing else; a table none of whose pools has it is written without. */
  readonly picking?: PickingRow;
}

/** A route on which the request's model chooses among pools: the first that lists it. */
export interface RouteRow {
  /** Of the route in Envoy's configuration. */
  readonly name: string;
  /** Names of pools, each once. */
  readonly pools: readonly string[];
}

/** A whole table, before encoding and after decoding. */
export interface TableRows {
  /** Start of the writer's life in ms since the Unix epoch. */
  readonly epoch: bigint;
  /** Counts messages within the epoch, from 1. */
  readonly sequence: bigint;
  readonly pools: readonly PoolRow[];
  readonly routes: readonly RouteRow[];
  /** With which filters make the keys of prompts, not 0; absent: they keep theirs. On no page and in no log. */
  readonly secret?: bigint;
  /** Adapters of endpoints that had to be left out of this table; absent: none. Not encoded. */
  readonly adaptersDropped?: number;
  /** Models listed by endpoints that had to be left out of this table; absent: none. Not encoded. */
  readonly modelsDropped?: number;
}
