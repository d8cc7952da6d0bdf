/**
 * The vocabulary of the controller: what a source says (pools and their endpoints), what a scrape
 * finds (samples), and nothing else. Types only; every concern imports these and none another's.
 */

export type Engine = "vllm" | "sglang" | "trtllm" | "triton";
export type FailureMode = "FailOpen" | "FailClose";
export type ScorerName =
  | "queue-depth"
  | "kv-cache-utilization"
  | "running-requests"
  | "in-flight"
  | "lora-affinity"
  | "prefix-affinity";
export type ApiName =
  | "openai-chat"
  | "openai-completions"
  | "openai-responses"
  | "openai-embeddings"
  | "openai-audio"
  | "openai-images"
  | "anthropic-messages"
  | "json"
  | "none";
/** One of the list in `assembly/wire/profiles.ts`. */
export type ProfileName = string;

/** How to reach a TLS server; files are read by the process that dials. Every path is absolute. */
export interface TlsClient {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Name checked in the server's certificate and sent as SNI; default: the host dialled. */
  readonly serverName?: string;
  /** Default false. */
  readonly insecureSkipVerify: boolean;
}

export interface ScrapeSpec {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly path: string;
  /** A longer page fails the scrape; default 1 MiB. */
  readonly maxPageBytes?: number;
  /** Default: the endpoint's own port. */
  readonly port?: number;
  /** Sent as `Authorization: Bearer …`. Never logged. */
  readonly bearerToken?: string;
  /** Present: scrape over https. */
  readonly tls?: TlsClient;
}

/** How an endpoint is asked which models it serves, on the port that serves requests. */
export interface ModelListSpec {
  readonly intervalMs: number;
  readonly path: string;
  /** Sent as `Authorization: Bearer …`. Never logged. */
  readonly bearerToken?: string;
  /** Present: ask over https. */
  readonly tls?: TlsClient;
}

export interface EndpointSpec {
  /** Unique in its pool; shown in tables and metrics. */
  readonly name: string;
  /** IP address or DNS name, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly engine: Engine;
  /** Absent: this endpoint has no metrics, by configuration. */
  readonly scrape?: ScrapeSpec;
  /** Absent: what it serves is not asked for. */
  readonly modelList?: ModelListSpec;
  /** What classes of requests and ranges of lengths are told apart by; default: none. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ModelSpec {
  readonly name: string;
  readonly adapter: boolean;
  /** Higher wins, negative may be shed; from InferenceModel's criticality. */
  readonly priority?: number;
}

/** Requests for `model` (absent: for any, also for none) get the name of one of the targets, drawn by weight. */
export interface RewriteRule {
  readonly model?: string;
  /** At least one; weights are whole numbers from 1 to 1,000,000. */
  readonly targets: readonly { readonly model: string; readonly weight: number }[];
}

/** Time to first token: a fixed part and one that grows with the prompt. */
export interface TtftObjective {
  /** ≥ 0; > 0 in a pool */
  readonly baseMs: number;
  /** ≥ 0, for each 1,000 prompt tokens. */
  readonly perThousandMs: number;
}

/** What a pool's requests are held to, and what narrows the endpoints to pick from. */
export interface PickingSpec {
  readonly ttft: TtftObjective;
  /** Time per output token after the first, > 0. */
  readonly tpotMs: number;
  /** The request's headers may state its own objectives. */
  readonly objectiveHeaders: boolean;
  /** Who may name the endpoints to pick from: a request header, or dynamic metadata. */
  readonly subset: "none" | "header" | "metadata" | "both";
  readonly sessionAffinity: boolean;
  /** Requests that go to endpoints with certain labels only, by the value of a header. */
  readonly classes?: {
    /** In lower case. */
    readonly header: string;
    /** Without a value: any other one, or none. */
    readonly values: readonly {
      readonly value?: string;
      readonly labels: Readonly<Record<string, string>>;
    }[];
  };
  /** Label of endpoints whose value, `fewest-most`, says which lengths of prompts they are for, in tokens. */
  readonly contextLengthLabel?: string;
}

export interface PoolSpec {
  readonly namespace: string;
  readonly name: string;
  readonly profile: ProfileName;
  /** For profile `weighted` only; weights > 0. */
  readonly scorers: readonly { readonly name: ScorerName; readonly weight: number }[];
  readonly failureMode: FailureMode;
  /** Envoy cluster names that stand for this pool; the first is the one our ADS serves. */
  readonly clusters: readonly string[];
  readonly endpoints: readonly EndpointSpec[];
  readonly models: readonly ModelSpec[];
  readonly objectives: readonly { readonly name: string; readonly priority: number }[];
  /** In the order of precedence: exact names before the rule for any; the first of equals counts. */
  readonly rewrites: readonly RewriteRule[];
  /** An answer bears the model's name that the request had. */
  readonly restoreModel: boolean;
  /** Streamed requests are made to ask for usage; clients that did not ask for it do not see it. */
  readonly addUsage: boolean;
  /** What is spoken at paths beside those known for every pool; `{model}` stands for one segment. */
  readonly apis: readonly { readonly suffix: string; readonly api: ApiName }[];
  /** Wait for the body to learn the model before the pick; `auto`: where something depends on it. */
  readonly readBody: boolean | "auto";
  readonly requireModel: boolean;
  readonly knownModelsOnly: boolean;
  readonly staleAfterMs: number;
  readonly bodyWindowBytes: number;
  readonly bodyLimitBytes: number;
  readonly saturation: { readonly queueLimit: number; readonly kvLimit: number };
  readonly picking: PickingSpec;
  /** Speak HTTP/2 without TLS to the endpoints (`kubernetes.io/h2c`), else HTTP/1.1. */
  readonly appProtocol: "http" | "kubernetes.io/h2c";
  /** Present: Envoy speaks TLS to the endpoints. */
  readonly upstreamTls?: TlsClient;
  /** Added by Envoy as `Authorization: Bearer …` towards the endpoints. Never logged. */
  readonly upstreamApiKey?: string;
}

/** A route of the gateway: a path prefix split by weight, or by the request's model, over pools. */
export interface RouteSpec {
  readonly name: string;
  readonly pathPrefix: string;
  /** Header matches, all of which must hold. */
  readonly headers: readonly { readonly name: string; readonly exact: string }[];
  readonly pools: readonly { readonly pool: string; readonly weight: number }[];
  /** The request's model chooses the pool: the first that lists it; the first of all serves what none lists. */
  readonly byModel: boolean;
}

/** Everything a source knows at one moment. */
export interface Inventory {
  readonly pools: readonly PoolSpec[];
  readonly routes: readonly RouteSpec[];
}

/** An endpoint with its host resolved: what table, scrape and EDS speak of. */
export interface Endpoint {
  /** Bare `namespace/name` of its pool. */
  readonly pool: string;
  readonly spec: EndpointSpec;
  /** IP literal without brackets. */
  readonly ip: string;
  /** `ip:port`, IPv6 bracketed: Envoy's spelling; the endpoint's identity everywhere. */
  readonly address: string;
  readonly ready: boolean;
  readonly draining: boolean;
}

export interface AdapterSample {
  readonly max: number;
  readonly running: readonly string[];
  readonly waiting: readonly string[];
}

/** One scrape's findings. A field that the page did not hold, or held out of range, is absent. */
export interface Sample {
  /** Monotonic ms (`performance.now()`) at which the answer arrived. */
  readonly atMs: number;
  readonly queuedRequests?: number;
  readonly runningRequests?: number;
  /** 0 to 1 */
  readonly kvUsedRatio?: number;
  readonly kvBlocks?: number;
  readonly kvBlockTokens?: number;
  readonly adapters?: AdapterSample;
  /** Of the endpoint's present life, rises with each restart: seconds since the Unix epoch, 1 where none is known. */
  readonly epoch?: number;
}
