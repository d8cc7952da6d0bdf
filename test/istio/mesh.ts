import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePorts } from "../../controller/src/cli/processes.ts";
import type { TableView } from "../../controller/src/web/table-view.ts";
import type { ObjectReference } from "../kubernetes/api-client.ts";
import { type Child, startChild } from "../kubernetes/children.ts";
import { type Cluster, startCluster } from "../kubernetes/cluster.ts";
import { type FakeKubelet, startFakeKubelet } from "../kubernetes/fake-kubelet.ts";
import { namespaceNetwork, type PodAddress, type PodNetwork } from "../kubernetes/pod-network.ts";
import { SERVER_ANNOTATION } from "../kubernetes/simulated-pod.ts";
import { until } from "../kubernetes/until.ts";
import { Istiod } from "./istiod.ts";
import { Router } from "./router.ts";

const BUILD = fileURLToPath(new URL("../../build/", import.meta.url));
export const SERVERS = 3;
const SERVER_PORT = 8000;
/** Namespace of the gateways, and of the model servers. */
export const EDGE = "edge";
export const DEMO = "demo";

/**
 * A cluster with istiod, three model servers behind the Service `vllm` and the InferencePool `llama`, and a controller
 * that watches them: by the pool's selector it finds the Service, and Istio's own of the pool once a route has made it.
 */
export class Mesh {
  readonly cluster: Cluster;
  readonly istiod: Istiod;
  /** `host:port` of the controller's feed, as gateways reach it. */
  readonly controller: string;
  readonly wasmFile: string;
  private readonly network: PodNetwork;
  private readonly kubelet: FakeKubelet;
  private readonly webPort: number;
  private readonly children: Child[] = [];
  private readonly routers: Router[] = [];

  private constructor(parts: {
    readonly cluster: Cluster;
    readonly istiod: Istiod;
    readonly network: PodNetwork;
    readonly kubelet: FakeKubelet;
    readonly host: string;
    readonly ports: readonly number[];
  }) {
    this.cluster = parts.cluster;
    this.istiod = parts.istiod;
    this.network = parts.network;
    this.kubelet = parts.kubelet;
    this.controller = `${parts.host}:${parts.ports[0]}`;
    this.webPort = parts.ports[1]!;
    this.wasmFile = join(parts.cluster.folder, "filter.wasm");
    copyFileSync(join(BUILD, "inference-picker.wasm"), this.wasmFile);
  }

  static async start(): Promise<Mesh> {
    const [network, cluster] = await Promise.all([
      namespaceNetwork(),
      startCluster({ controllerManager: true }),
    ]);
    await Promise.all([cluster.installCrds(), cluster.installCrds("istio", "gateway-api")]);
    for (const name of ["istio-system", EDGE, DEMO]) await cluster.createNamespace(name);
    // The bridge has the last address of the Pods' network, by which they reach this machine.
    const first = await network.attach();
    await first.release();
    const host = first.ip.replace(/\d+$/, "254");
    const [istiod, kubelet, ports] = await Promise.all([
      Istiod.start(cluster, host),
      startFakeKubelet(cluster, { network }),
      freePorts(2),
    ]);
    const mesh = new Mesh({ cluster, istiod, network, kubelet, host, ports });
    await mesh.apply(SERVICE, PICKER_SERVICE, POOL);
    const names = Array.from({ length: SERVERS }, (_, index) => `vllm-${index}`);
    await Promise.all(names.map((name) => mesh.startServer(name)));
    await mesh.startController();
    return mesh;
  }

  /** A gateway with those labels; `prepare` is told its address before it starts. */
  async router(
    name: string,
    labels: Readonly<Record<string, string>>,
    prepare: (address: PodAddress) => Promise<void>,
  ): Promise<Router> {
    const address = await this.network.attach();
    await prepare(address);
    const { folder } = this.cluster;
    const router = await Router.start({
      name,
      namespace: EDGE,
      labels,
      folder,
      address,
      istiod: this.istiod,
    });
    this.routers.push(router);
    return router;
  }

  async apply(...objects: readonly ObjectReference[]): Promise<void> {
    for (const object of objects) await this.cluster.admin.apply(object);
  }

  async table(): Promise<TableView> {
    const answer = await fetch(`http://127.0.0.1:${this.webPort}/table`);
    return (await answer.json()) as TableView;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.routers.map((router) => router.stop()), this.istiod.kill()]);
    await Promise.all(this.children.map((child) => child.kill()));
    await this.kubelet.stop();
    await this.cluster.stop();
  }

  /** Gives `ip:port` of the server once its Pod is ready. */
  async startServer(name: string): Promise<string> {
    const pod = serverPod(name);
    await this.apply(pod);
    return until(`${name} is ready`, async () => {
      const { status } = await this.cluster.admin.get<{ readonly status: PodStatus }>(pod);
      const isReady = status.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
      return isReady === true && `${status.podIP}:${SERVER_PORT}`;
    });
  }

  /** Resolves when the Pod is deleted, which it is before it is gone. */
  async stopServer(name: string): Promise<void> {
    await this.cluster.admin.delete(serverPod(name));
  }

  private async startController(): Promise<void> {
    const program = [
      ...[process.execPath, join(BUILD, "js/inference-picker.js")],
      ...["--source", "kubernetes", "--kubeconfig", this.cluster.kubeconfig()],
      ...["--istio", "true", "--picker-ref", "take-over"],
      ...["--listen", this.controller, "--web-listen", `127.0.0.1:${this.webPort}`],
    ];
    const child = startChild(this.cluster.folder, "controller", program);
    this.children.push(child);
    await until("the controller is ready", async () => {
      const failure = child.ended();
      if (failure !== undefined) throw new Error(failure);
      try {
        return (await fetch(`http://127.0.0.1:${this.webPort}/readyz`)).ok;
      } catch {
        return false;
      }
    });
  }
}

function serverPod(name: string) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: DEMO,
      labels: { app: "vllm" },
      annotations: { [SERVER_ANNOTATION]: "{models: [llama], speed: 20}" },
    },
    spec: { containers: [{ name: "server", image: "vllm" }] },
  };
}

const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "vllm", namespace: DEMO },
  spec: { selector: { app: "vllm" }, ports: [{ name: "http", port: SERVER_PORT }] },
};

/** Istio wants it to be there; nobody serves it. */
const PICKER_SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "epp", namespace: DEMO },
  spec: { ports: [{ name: "grpc", port: 9002 }] },
};

const POOL = {
  apiVersion: "inference.networking.k8s.io/v1",
  kind: "InferencePool",
  metadata: {
    name: "llama",
    namespace: DEMO,
    annotations: {
      "inference-picker.io/config": stringify({
        profile: "least-request",
        scrape: { interval: "200ms" },
        body: { read: "always" },
      }),
    },
  },
  spec: {
    selector: { matchLabels: { app: "vllm" } },
    targetPorts: [{ number: SERVER_PORT }],
    endpointPickerRef: { name: "epp", port: { number: 9002 } },
  },
};

interface PodStatus {
  readonly podIP?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}
