import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type ApiClient, ApiError, type ApiObject } from "./api-client.ts";
import type { Cluster } from "./cluster.ts";
import { FakePod } from "./fake-pod.ts";
import { loopbackNetwork, type PodNetwork } from "./pod-network.ts";
import { type PodProgram, simulatedServers } from "./simulated-pod.ts";

const POD = { apiVersion: "v1", kind: "Pod" };
const AGAIN_AFTER_MS = 100;

export interface FakeKubeletOptions {
  /** Default: loopback addresses. Closed with the kubelet. */
  readonly network?: PodNetwork;
  readonly nodeName?: string;
  /** Default: the servers that the Pod's annotation asks for. A Pod that runs nothing is ready at once. */
  readonly programsOf?: (pod: ApiObject, ip: string) => readonly PodProgram[];
  /** How long a Pod that is deleted has to be without requests before it is gone. Default 500 ms. */
  readonly quietMs?: number;
}

export interface FakeKubelet {
  readonly nodeName: string;
  /** Ends the Pod's programs as a crash does; they are started again, and the Pod is not ready until they listen. */
  crash(namespace: string, name: string): void;
  /** Makes a Pod ready or not, whatever its programs do. */
  setReady(namespace: string, name: string, ready: boolean): Promise<void>;
  /** Ends every program; the objects stay as they are. */
  stop(): Promise<void>;
}

/**
 * One node of the cluster: takes every Pod without a node, gives each an address, runs its programs, and reports what a kubelet would:
 * running, ready, gone after its deletion. Outlives restarts of the API server.
 */
export async function startFakeKubelet(
  cluster: Cluster,
  options: FakeKubeletOptions = {},
): Promise<FakeKubelet> {
  const kubelet = new RunningKubelet(cluster, options);
  await kubelet.start();
  return kubelet;
}

class RunningKubelet implements FakeKubelet {
  readonly nodeName: string;
  private readonly admin: ApiClient;
  private readonly network: PodNetwork;
  private readonly folder: string;
  private readonly options: FakeKubeletOptions;
  private readonly ending = new AbortController();
  /** By uid: a name can come back while its last bearer ends. */
  private readonly pods = new Map<string, FakePod>();
  private readonly binding = new Set<string>();
  private watching: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, options: FakeKubeletOptions) {
    this.options = options;
    this.nodeName = options.nodeName ?? "node-0";
    this.admin = cluster.admin;
    this.network = options.network ?? loopbackNetwork();
    this.folder = join(cluster.folder, this.nodeName);
    mkdirSync(this.folder, { recursive: true });
  }

  async start(): Promise<void> {
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: this.nodeName } };
    await this.admin.apply(node);
    const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }];
    await this.admin.patch(node, { status: { conditions } }, { subresource: "status" });
    this.watching = this.watch();
  }

  crash(namespace: string, name: string): void {
    this.podOf(namespace, name).crash();
  }

  setReady(namespace: string, name: string, ready: boolean): Promise<void> {
    return this.podOf(namespace, name).setReady(ready);
  }

  async stop(): Promise<void> {
    this.ending.abort();
    await this.watching;
    await Promise.all([...this.pods.values()].map((pod) => pod.drop()));
    await this.network.close();
  }

  private podOf(namespace: string, name: string): FakePod {
    const found = [...this.pods.values()].find((pod) => pod.isNamed(namespace, name));
    if (found === undefined) throw new Error(`no Pod ${namespace}/${name} runs on ${this.nodeName}`);
    return found;
  }

  /** List, watch from there, and again, for as long as the kubelet lives. */
  private async watch(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      try {
        const path = await this.admin.collection(POD, undefined);
        const list = await this.admin.request<PodList>("GET", path);
        const listed = new Set(list.items.map(({ metadata }) => metadata.uid));
        for (const [uid] of this.pods) if (!listed.has(uid)) this.gone(uid);
        // Objects in a list come without the kind that all of them have.
        for (const item of list.items) this.seen({ ...item, ...POD });
        await this.admin.watch(
          POD,
          list.metadata.resourceVersion,
          ({ type, object }) => {
            if (type === "DELETED") this.gone(object.metadata.uid!);
            else if (type === "ADDED" || type === "MODIFIED") this.seen(object);
          },
          signal,
        );
      } catch {
        // The server is away, or the watch is too old: a list tells.
        await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
      }
    }
  }

  private seen(pod: ApiObject): void {
    const uid = pod.metadata.uid!;
    const { nodeName } = pod.spec as { readonly nodeName?: string };
    if (nodeName === undefined) this.bind(pod);
    if (nodeName !== this.nodeName) return;
    let known = this.pods.get(uid);
    if (known === undefined) {
      known = new FakePod(pod, {
        admin: this.admin,
        network: this.network,
        folder: this.folder,
        programsOf: this.options.programsOf ?? simulatedServers,
        quietMs: this.options.quietMs ?? 500,
        signal: this.ending.signal,
      });
      this.pods.set(uid, known);
      known.run();
    }
    if (pod.metadata.deletionTimestamp !== undefined) known.terminate(pod);
  }

  private gone(uid: string): void {
    void this.pods.get(uid)?.drop();
    this.pods.delete(uid);
  }

  private bind(pod: ApiObject): void {
    const { uid, name, namespace } = pod.metadata;
    if (this.binding.has(uid!)) return;
    this.binding.add(uid!);
    const binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name },
      target: { apiVersion: "v1", kind: "Node", name: this.nodeName },
    };
    this.admin
      .request("POST", `/api/v1/namespaces/${namespace}/pods/${name}/binding`, { body: binding })
      // Of what went wrong the next list tells: the Pod is gone, has a node, or is still without one.
      .catch((error: unknown) => error instanceof ApiError)
      .finally(() => this.binding.delete(uid!));
  }
}

interface PodList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly ApiObject[];
}
