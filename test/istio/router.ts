import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AccessLogReader } from "../../controller/src/cli/access-log.ts";
import { type Child, startChild } from "../kubernetes/children.ts";
import type { PodAddress } from "../kubernetes/pod-network.ts";
import { until } from "../kubernetes/until.ts";
import type { ConfigDump } from "./config-dump.ts";
import type { Istiod, LoggedRequest } from "./istiod.ts";

const ENVOY = process.env.ENVOY ?? fileURLToPath(new URL("../../build/envoy/envoy", import.meta.url));
const ADMIN_PORT = 15_000;
/** Of the Gateway objects of the tests. */
export const GATEWAY_PORT = 8080;

export interface RouterOptions {
  readonly name: string;
  readonly namespace: string;
  /** What Gateways, EnvoyFilters and WasmPlugins select it by. */
  readonly labels: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly address: PodAddress;
  readonly istiod: Istiod;
}

/** A stock Envoy that calls itself a gateway of Istio's, in a network namespace as a Pod would be. */
export class Router {
  readonly url: string;
  private readonly options: RouterOptions;
  private readonly child: Child;
  private readonly log: AccessLogReader;
  private readonly entries: LoggedRequest[] = [];
  private stopped: Promise<void> | undefined;

  private constructor(options: RouterOptions) {
    this.options = options;
    this.url = `http://${options.address.ip}:${GATEWAY_PORT}`;
    const file = join(options.folder, `envoy-${options.name}.json`);
    writeFileSync(file, JSON.stringify(bootstrap(options)));
    const args = ["-c", file, "--concurrency", "2", "--disable-hot-restart", "-l", "warning"];
    // As Istio's agent starts it, but for 45 s: connections of a replaced listener end at their next answer, or then.
    const drain = ["--drain-time-s", "2", "--drain-strategy", "immediate"];
    const program = [
      ...[...options.address.enter, ENVOY, ...args, ...drain],
      ...["--file-flush-interval-msec", "50"],
    ];
    this.child = startChild(options.folder, `envoy-${options.name}`, program);
    this.log = new AccessLogReader(this.child.logFile);
  }

  /** Resolves when it has had its first configuration. */
  static async start(options: RouterOptions): Promise<Router> {
    const router = new Router(options);
    await until("Envoy is live", async () => {
      const failure = router.child.ended();
      if (failure !== undefined) throw new Error(failure);
      return (await router.admin("/ready")) !== undefined;
    });
    return router;
  }

  stop(): Promise<void> {
    this.stopped ??= this.child.kill().then(() => this.options.address.release());
    return this.stopped;
  }

  /** A page of the admin interface; undefined while it does not answer 200. */
  async admin(path: string): Promise<string | undefined> {
    try {
      const answer = await fetch(`http://${this.options.address.ip}:${ADMIN_PORT}${path}`);
      return answer.ok ? await answer.text() : undefined;
    } catch {
      return undefined;
    }
  }

  async configDump(): Promise<ConfigDump> {
    return JSON.parse((await this.admin("/config_dump"))!) as ConfigDump;
  }

  /** The sum over the statistics whose name ends so; 0 where there is none. */
  async stat(ending: string): Promise<number> {
    const text = (await this.admin(`/stats?filter=${encodeURIComponent(`${ending}$`)}`)) ?? "";
    return [...text.matchAll(/: (\d+)$/gm)].reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** Every request so far; Envoy writes them out every 50 ms. */
  logged(): readonly LoggedRequest[] {
    this.entries.push(...(this.log.read() as unknown as readonly LoggedRequest[]));
    return this.entries;
  }

  printed(): string {
    return readFileSync(this.child.logFile, "utf8");
  }
}

/** What Istio's agent would write, as far as a gateway without mutual TLS needs it. */
function bootstrap({ name, namespace, labels, address, istiod }: RouterOptions) {
  const socket = (host: string, port: number) => ({
    socket_address: { address: host, port_value: port },
  });
  return {
    node: {
      id: `router~${address.ip}~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `${name}.${namespace}`,
      metadata: {
        NAMESPACE: namespace,
        NAME: name,
        CLUSTER_ID: "Kubernetes",
        ISTIO_VERSION: "1.31.0",
        LABELS: labels,
        INSTANCE_IPS: address.ip,
      },
    },
    admin: { address: socket(address.ip, ADMIN_PORT) },
    dynamic_resources: {
      lds_config: { ads: {}, resource_api_version: "V3" },
      cds_config: { ads: {}, resource_api_version: "V3" },
      ads_config: {
        api_type: "GRPC",
        transport_api_version: "V3",
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc" } }],
      },
    },
    static_resources: {
      clusters: [
        {
          name: "xds-grpc",
          type: "STATIC",
          connect_timeout: "1s",
          load_assignment: {
            cluster_name: "xds-grpc",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(istiod.host, istiod.port) } }] }],
          },
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  };
}
