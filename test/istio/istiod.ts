import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePorts } from "../../controller/src/cli/processes.ts";
import { type Child, startChild } from "../kubernetes/children.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { programPath } from "../kubernetes/programs/programs.ts";
import { until } from "../kubernetes/until.ts";

/** As a gateway's access log tells of a request, one JSON object a line. */
export interface LoggedRequest {
  readonly path: string;
  readonly status: number;
  readonly flags: string;
  readonly attempts: number;
  /** The list that `override_host` was given; null where there was none. */
  readonly picked: string | null;
  /** `ip:port` of the host that answered. */
  readonly served: string | null;
  /** The pick header as it stood when the request left. */
  readonly left: string | null;
  /** What the filter read of the request's body. */
  readonly model: string | null;
}

const ACCESS_LOG: Readonly<Record<keyof LoggedRequest, string>> = {
  path: "%REQ(:PATH)%",
  status: "%RESPONSE_CODE%",
  flags: "%RESPONSE_FLAGS%",
  attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
  picked: "%DYNAMIC_METADATA(envoy.lb:x-gateway-destination-endpoint)%",
  served: "%UPSTREAM_HOST%",
  left: "%REQ(X-GATEWAY-DESTINATION-ENDPOINT)%",
  model: "%FILTER_STATE(wasm.model:PLAIN)%",
};

/**
 * Stock Envoy lacks Istio's own filters, and would refuse listeners that have them; without a certificate
 * authority clusters that want mutual TLS would wait for certificates for ever.
 */
const ENVIRONMENT = {
  PILOT_ENABLE_METADATA_EXCHANGE: "false",
  PILOT_ENABLE_ALPN_FILTER: "false",
  ENABLE_CA_SERVER: "false",
  PILOT_CERT_PROVIDER: "none",
  POD_NAMESPACE: "istio-system",
  POD_NAME: "istiod-0",
  INJECTION_WEBHOOK_CONFIG_NAME: "",
  VALIDATION_WEBHOOK_CONFIG_NAME: "",
  ENABLE_GATEWAY_API_INFERENCE_EXTENSION: "true",
};

/** A real istiod without webhooks, that a test can kill and start again. */
export class Istiod {
  /** Where proxies dial it. */
  readonly host: string;
  readonly port: number;
  private readonly cluster: Cluster;
  private readonly webPort: number;
  private readonly monitoringPort: number;
  private readonly meshFile: string;
  private child: Child | undefined;

  private constructor(cluster: Cluster, host: string, ports: readonly number[]) {
    this.cluster = cluster;
    this.host = host;
    [this.port, this.webPort, this.monitoringPort] = ports as [number, number, number];
    this.meshFile = join(cluster.folder, "mesh.yaml");
    const mesh = {
      enableAutoMtls: false,
      accessLogFile: "/dev/stdout",
      accessLogEncoding: "JSON",
      accessLogFormat: JSON.stringify(ACCESS_LOG),
    };
    writeFileSync(this.meshFile, stringify(mesh));
  }

  /** On an address that the proxies reach. */
  static async start(cluster: Cluster, host: string): Promise<Istiod> {
    const istiod = new Istiod(cluster, host, await freePorts(3));
    await istiod.restart();
    return istiod;
  }

  /** On the same ports; resolves when it is ready to serve. */
  async restart(): Promise<void> {
    await this.kill();
    const args = [
      ...["discovery", "--kubeconfig", this.cluster.kubeconfig(), "--namespace", "istio-system"],
      ...["--meshConfig", this.meshFile, "--networksConfig", "/nonexistent"],
      ...["--grpcAddr", `${this.host}:${this.port}`, "--secureGRPCAddr", "", "--httpsAddr", ""],
      ...["--httpAddr", `127.0.0.1:${this.webPort}`, "--monitoringAddr", `127.0.0.1:${this.monitoringPort}`],
      ...["--ctrlz_port", "0"],
    ];
    const program = [programPath("pilot-discovery"), ...args];
    const child = startChild(this.cluster.folder, "istiod", program, ENVIRONMENT);
    this.child = child;
    await until("istiod", async () => {
      const failure = child.ended();
      if (failure !== undefined) throw new Error(failure);
      try {
        return (await fetch(`http://127.0.0.1:${this.webPort}/ready`)).ok;
      } catch {
        return false;
      }
    });
  }

  async kill(): Promise<void> {
    await this.child?.kill();
    this.child = undefined;
  }
}
