import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HEADER_KIND, KIND_REPORT } from "../../assembly/wire/layout.ts";
import { encodeTable } from "../../controller/src/table/encode.ts";
import { fnv1a64 } from "../../controller/src/table/hash.ts";
import { decodeReport, type Report } from "../../controller/src/table/report.ts";
import type { EndpointRow, PoolRow, TableRows } from "../../controller/src/table/rows.ts";
import { type Deployment, type GrpcStream, type HeaderPair, Process, type Stream } from "./host.ts";
import type { PropertyMap } from "./property.ts";

const WASM =
  process.env.FILTER_WASM ?? fileURLToPath(new URL("../../build/inference-picker.wasm", import.meta.url));

export const PICK_HEADER = "x-gateway-destination-endpoint";
export const CONTROLLER = "inference-picker-controller";
export const EPOCH = 1_700_000_000_000n;

/** The built filter, or the one that FILTER_WASM names. Fails where it was not built. */
export function filterModule(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(WASM));
}

/** A measured, ready endpoint that has nothing to do. */
export function endpointRow(address: string, more: Partial<EndpointRow> = {}): EndpointRow {
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
    kvUsedRatio: 0,
    ...more,
  };
}

export const POOL_A = ["10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000", "10.0.0.4:8000"];
export const POOL_B = ["[fd00::1]:8000", "[fd00::2]:8000"];

/** Picked by load alone, from cluster `cluster-a`, unless told otherwise. */
export function poolRow(more: Partial<PoolRow> = {}): PoolRow {
  return {
    name: "default/a",
    profile: "least-request",
    failureMode: "FailClose",
    readBody: false,
    requireModel: false,
    knownModelsOnly: false,
    staleAfterMs: 1500,
    bodyWindowBytes: 65_536,
    bodyLimitBytes: 1_048_576,
    queueLimit: 5,
    kvLimit: 0.8,
    clusters: ["cluster-a"],
    endpoints: POOL_A.map((address) => endpointRow(address)),
    models: [],
    scorers: [],
    objectives: [],
    restoreModel: false,
    addUsage: false,
    byModel: false,
    rewrites: [],
    apis: [],
    ...more,
  };
}

/** `readBody`, and every rule about models. */
export const BODY_POOL: PoolRow = poolRow({
  readBody: true,
  requireModel: true,
  knownModelsOnly: true,
  models: [
    { name: "llama", adapter: false },
    { name: "tuned", adapter: true },
  ],
});

export interface RequestOptions {
  readonly thread?: string;
  readonly cluster?: string;
  readonly headers?: readonly HeaderPair[];
  readonly method?: string;
  /** Chunks of the body; absent: the headers end the request. */
  readonly body?: readonly (string | Uint8Array)[];
  /** The end comes as a body call without bytes. */
  readonly emptyEnd?: boolean;
  /** `filter_metadata` of the route, under our namespace. */
  readonly route?: Readonly<Record<string, string>>;
  /** Dynamic metadata, by namespace and key. */
  readonly metadata?: PropertyMap;
  /** Our metadata on the cluster. */
  readonly clusterMetadata?: Readonly<Record<string, string>>;
}

export interface RigOptions {
  readonly workers?: number;
  readonly seed?: number;
  readonly configuration?: Readonly<Record<string, unknown>>;
}

/** KIND_* of a message of the wire format. */
export function kindOf(message: Uint8Array): number {
  return Buffer.from(message).readUInt16LE(HEADER_KIND);
}

/** Headers of which those in `more` come in the place of the same ones in `headers`. */
function overridden(headers: readonly HeaderPair[], more: readonly HeaderPair[]): HeaderPair[] {
  const names = new Set(more.map(([name]) => name));
  return [...headers.filter(([name]) => !names.has(name)), ...more];
}

/** One emulated Envoy with the built filter, and a controller played by the test. */
export class Rig {
  readonly process: Process;
  deployment: Deployment;
  #sequence = 0n;

  constructor(module: WebAssembly.Module, options: RigOptions = {}) {
    this.process = new Process({ module, workers: options.workers ?? 2, seed: options.seed ?? 1 });
    this.process.grpc.cluster(CONTROLLER, "accept");
    this.deployment = this.deploy(options.configuration);
  }

  deploy(configuration: Readonly<Record<string, unknown>> = {}): Deployment {
    const feeds = [{ cluster: CONTROLLER, authority: "controller.test" }];
    this.deployment = this.process.deploy({ configuration: JSON.stringify({ feeds, ...configuration }) });
    return this.deployment;
  }

  /** Lets the roots claim, dial and register; then the stream of the one that holds the lease. */
  connect(): GrpcStream {
    for (let ms = 0; ms < 5_000; ms += 25) {
      const open = this.streams();
      if (open.length === 1 && ms >= 100) return open[0]!;
      this.process.advance(25);
    }
    throw new Error(`${this.streams().length} streams are open, one was expected`);
  }

  /** Streams that a controller could use: open, and held by a VM that lives. */
  streams(): GrpcStream[] {
    return this.process.grpc.open().filter((stream) => {
      return this.process
        .liveVms()
        .some((vm) => [...vm.roots.values()].some((root) => root.grpc.get(stream.token) === stream));
    });
  }

  /** The next table of this controller. */
  table(pools: readonly PoolRow[], epoch = EPOCH, routes: TableRows["routes"] = []): Uint8Array {
    this.#sequence++;
    const rows: TableRows = { epoch, sequence: this.#sequence, pools, routes };
    return encodeTable(rows).bytes;
  }

  /** Sends a table to the holder and lets the wake-ups run. */
  push(pools: readonly PoolRow[], epoch = EPOCH, routes: TableRows["routes"] = []): void {
    this.connect().push(this.table(pools, epoch, routes));
    this.process.settle();
  }

  /** A request that has not sent anything yet. */
  open(options: RequestOptions = {}): Stream {
    const stream = this.process.request(this.deployment, options.thread ?? "worker-0", {
      headers: overridden(
        [
          [":method", options.method ?? (options.body === undefined ? "GET" : "POST")],
          [":path", "/v1/chat/completions"],
          [":authority", "models.test"],
          ...(options.body === undefined ? [] : ([["content-type", "application/json"]] as const)),
        ],
        options.headers ?? [],
      ),
      properties: {
        ...(options.metadata === undefined ? {} : { metadata: { filter_metadata: options.metadata } }),
        xds: {
          cluster_name: options.cluster ?? "cluster-a",
          route_name: "route",
          cluster_metadata: {
            filter_metadata:
              options.clusterMetadata === undefined ? {} : { "inference-picker": options.clusterMetadata },
          },
          route_metadata: {
            filter_metadata: options.route === undefined ? {} : { "inference-picker": options.route },
          },
        },
      },
      bodyBufferLimit: 16 * 1_048_576,
    });
    if (stream === undefined) throw new Error("the thread has no VM");
    return stream;
  }

  /** Sends the request to its end, or to where it was answered. */
  send(options: RequestOptions = {}): Stream {
    const stream = this.open(options);
    const body = options.body;
    stream.sendHeaders(body === undefined);
    body?.forEach((chunk, index) => {
      stream.sendBody(chunk, options.emptyEnd !== true && index === body.length - 1);
    });
    if (body !== undefined && (options.emptyEnd === true || body.length === 0)) stream.sendBody("", true);
    return stream;
  }

  /** The last report of a stream to the controller. */
  report(stream = this.connect()): Report {
    const last = stream.sent.filter((message) => kindOf(message) === KIND_REPORT).at(-1);
    if (last === undefined) throw new Error("nothing was reported yet");
    return decodeReport(last);
  }

  /** Requests in flight that the Envoy reports, by endpoint id; endpoints without any left out. */
  inFlight(): Map<bigint, number> {
    const report = this.report();
    return new Map(
      report.endpoints.filter((tally) => tally.requests > 0).map((tally) => [tally.id, tally.requests]),
    );
  }
}

/**
 * The addresses that `override_host` would read. By property, as Envoy's `header_mutation` behind the
 * filter makes them: a client's own header is removed, then filter state `wasm.pick` becomes the header.
 */
export function picksOf(stream: Stream): string[] {
  if (stream.upstreamHeaders === undefined) return [];
  const property = stream.filterState.get("wasm.pick");
  const configuration: unknown = JSON.parse(Buffer.from(stream.root.plugin.configuration).toString());
  const byProperty =
    typeof configuration === "object" && configuration !== null && "pick" in configuration
      ? configuration.pick === "property"
      : false;
  const values = byProperty
    ? property === undefined
      ? []
      : [Buffer.from(property).toString()]
    : stream.upstreamHeaders.getAll(PICK_HEADER);
  if (values.length > 1) throw new Error(`${values.length} pick headers went upstream`);
  return values[0]?.split(",") ?? [];
}
