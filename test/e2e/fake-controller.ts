import { HEADER_KIND, KIND_REPORT } from "../../assembly/wire/layout.ts";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { parse, stringify } from "yaml";
import { FEED_SERVICE } from "../../controller/src/push/feed-server.ts";
import { encodeTable } from "../../controller/src/table/encode.ts";
import { decodeReport, type Report } from "../../controller/src/table/report.ts";
import type { PoolRow } from "../../controller/src/table/rows.ts";

type Call = ServerDuplexStream<Uint8Array, Uint8Array>;

/** The feed's server side, ruled by a test: it sends what it is told to, good or not. */
export class FakeController {
  /** Sent to each stream as it opens. */
  greeting: Uint8Array;
  opened = 0;
  readonly reports: Report[] = [];
  private readonly epoch: bigint;
  private sequence = 0n;
  private readonly calls = new Set<Call>();
  private readonly server = new Server({ "grpc.max_send_message_length": -1 });
  private boundPort = 0;

  private constructor(epoch: bigint, pools: readonly PoolRow[]) {
    this.epoch = epoch;
    this.greeting = this.table(pools);
    this.server.addService(FEED_SERVICE, { Stream: (call: Call) => this.accept(call) });
  }

  static async start(epoch: bigint, pools: readonly PoolRow[]): Promise<FakeController> {
    const fake = new FakeController(epoch, pools);
    fake.boundPort = await new Promise<number>((resolve, reject) => {
      fake.server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return fake;
  }

  get port(): number {
    return this.boundPort;
  }

  /** The next table of this controller's life, encoded. */
  table(pools: readonly PoolRow[]): Uint8Array {
    this.sequence++;
    return encodeTable({ epoch: this.epoch, sequence: this.sequence, pools, routes: [] }).bytes;
  }

  /** Sends to every open stream. */
  send(message: Uint8Array): void {
    for (const call of this.calls) call.write(message);
  }

  stop(): void {
    this.server.forceShutdown();
  }

  private accept(call: Call): void {
    this.opened++;
    this.calls.add(call);
    const drop = () => this.calls.delete(call);
    call.on("data", (bytes: Uint8Array) => {
      if (Buffer.from(bytes).readUInt16LE(HEADER_KIND) === KIND_REPORT)
        this.reports.push(decodeReport(bytes));
    });
    call.on("end", () => call.end());
    for (const end of ["cancelled", "error", "close"]) call.on(end, drop);
    call.write(this.greeting);
  }
}

interface Bootstrap {
  readonly static_resources: { readonly clusters: StaticCluster[] };
}

interface StaticCluster {
  name: string;
  load_assignment: {
    cluster_name: string;
    endpoints: [{ lb_endpoints: Endpoint[] }];
  };
}

interface Endpoint {
  endpoint: { address: { socket_address: { address: string; port_value: number } } };
}

/**
 * Changes which ports a static cluster of the bootstrap leads to; one that is not there becomes a copy of
 * the feed's.
 */
export function withCluster(bootstrap: string, name: string, ports: readonly number[]): string {
  const parsed = parse(bootstrap) as Bootstrap;
  const { clusters } = parsed.static_resources;
  let cluster = clusters.find((candidate) => candidate.name === name);
  if (cluster === undefined) {
    const feed = clusters.find((candidate) => candidate.name === "inference-picker-feed");
    if (feed === undefined) throw new Error("the bootstrap has no feed cluster");
    cluster = structuredClone(feed);
    cluster.name = name;
    clusters.push(cluster);
  }
  cluster.load_assignment = {
    cluster_name: name,
    endpoints: [{ lb_endpoints: ports.map(loopback) }],
  };
  return stringify(parsed);
}

function loopback(port: number): Endpoint {
  return { endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } };
}
