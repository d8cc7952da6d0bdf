import { type ApiClient, ApiError, type ApiObject } from "./api-client.ts";
import { type Child, startChild } from "./children.ts";
import type { PodAddress, PodNetwork } from "./pod-network.ts";
import { listens, openRequests, type PodProgram } from "./simulated-pod.ts";

/** What a kubelet waits at most when a Pod does not say. */
const GRACE_S = 30;
const PROBE_EVERY_MS = 50;
const AGAIN_AFTER_MS = 100;

export interface FakePodContext {
  readonly admin: ApiClient;
  readonly network: PodNetwork;
  /** For logs. */
  readonly folder: string;
  readonly programsOf: (pod: ApiObject, ip: string) => readonly PodProgram[];
  readonly quietMs: number;
  /** The kubelet's end. */
  readonly signal: AbortSignal;
}

/** One Pod's life on the node. */
export class FakePod {
  private readonly pod: ApiObject;
  private readonly context: FakePodContext;
  private readonly startTime = now();
  private address: PodAddress | undefined;
  private programs: readonly PodProgram[] = [];
  private children: readonly Child[] = [];
  private restarts = 0;
  private isReady = false;
  private isTerminating = false;
  private isDropped = false;
  private attaching: Promise<void> = Promise.resolve();

  constructor(pod: ApiObject, context: FakePodContext) {
    this.pod = pod;
    this.context = context;
  }

  isNamed(namespace: string, name: string): boolean {
    return this.pod.metadata.namespace === namespace && this.pod.metadata.name === name;
  }

  /** Starts, and keeps what it runs running. */
  run(): void {
    this.attaching = this.attach();
    void this.attaching.then(() => this.supervise());
  }

  crash(): void {
    for (const child of this.children) child.signal("SIGKILL");
  }

  async setReady(ready: boolean): Promise<void> {
    if (this.isReady === ready) return;
    this.isReady = ready;
    await this.report();
  }

  /**
   * As after a deletion: not ready at once; gone when no request has run for `quietMs`, and in any case after its grace period.
   *
   * @param pod as it is now, with the grace period of its deletion
   */
  terminate(pod: ApiObject): void {
    if (this.isTerminating) return;
    this.isTerminating = true;
    const graceS = pod.metadata.deletionGracePeriodSeconds as number | undefined;
    void this.end((graceS ?? GRACE_S) * 1000);
  }

  /** The object is gone, or the kubelet is: nothing of it is left here. */
  async drop(): Promise<void> {
    if (this.isDropped) return;
    this.isDropped = true;
    await this.attaching;
    await Promise.all(this.children.map((child) => child.kill()));
    await this.address?.release();
  }

  private async attach(): Promise<void> {
    const address = await this.context.network.attach();
    this.address = address;
    this.programs = this.context.programsOf(this.pod, address.ip);
    this.startPrograms();
  }

  private startPrograms(): void {
    const { namespace, name } = this.pod.metadata;
    this.children = this.programs.map(({ command, port }) =>
      startChild(this.context.folder, `${namespace}-${name}-${port}`, [...this.address!.enter, ...command]),
    );
  }

  /** Reports that the programs listen, and once one has ended, starts all again. */
  private async supervise(): Promise<void> {
    if (this.children.length === 0) return this.setReady(true);
    await this.report();
    let isListening = false;
    while (this.isAlive && !this.isTerminating) {
      if (this.children.some((child) => child.ended() !== undefined)) {
        isListening = false;
        await Promise.all(this.children.map((child) => child.kill()));
        if (!this.isAlive) return;
        this.restarts += 1;
        this.startPrograms();
        await this.setReady(false);
      } else if (!isListening && (await this.allListen())) {
        isListening = true;
        await this.setReady(true);
      }
      await pause(PROBE_EVERY_MS);
    }
  }

  private async end(graceMs: number): Promise<void> {
    await this.attaching;
    await this.setReady(false);
    const deadline = performance.now() + graceMs;
    let quietSince = performance.now();
    while (this.isAlive && this.children.length > 0 && performance.now() < deadline) {
      if ((await this.open()) > 0) quietSince = performance.now();
      else if (performance.now() - quietSince >= this.context.quietMs) break;
      await pause(PROBE_EVERY_MS);
    }
    await Promise.all(this.children.map((child) => child.kill()));
    await this.persist(() => this.context.admin.delete(this.pod, 0));
  }

  private get isAlive(): boolean {
    return !this.isDropped && !this.context.signal.aborted;
  }

  private async allListen(): Promise<boolean> {
    const { ip } = this.address!;
    return (await Promise.all(this.programs.map(({ port }) => listens(ip, port)))).every(Boolean);
  }

  private async open(): Promise<number> {
    const { ip } = this.address!;
    const counts = await Promise.all(this.programs.map(({ port }) => openRequests(ip, port)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  private report(): Promise<void> {
    // With the uid, a Pod of the same name that came later is not touched.
    const { uid } = this.pod.metadata;
    return this.persist(() => {
      const patch = { metadata: { uid }, status: this.status() };
      return this.context.admin.patch(this.pod, patch, { subresource: "status" });
    });
  }

  private status(): object {
    const { containers } = this.pod.spec as {
      readonly containers: readonly { name: string; image: string }[];
    };
    const ready = this.isReady ? "True" : "False";
    const conditions = [
      { type: "PodScheduled", status: "True" },
      { type: "Initialized", status: "True" },
      { type: "ContainersReady", status: ready },
      { type: "Ready", status: ready },
    ];
    return {
      phase: "Running",
      podIP: this.address!.ip,
      podIPs: [{ ip: this.address!.ip }],
      startTime: this.startTime,
      conditions: conditions.map((condition) => ({ ...condition, lastTransitionTime: now() })),
      containerStatuses: containers.map(({ name, image }) => ({
        name,
        image,
        imageID: "",
        ready: this.isReady,
        started: true,
        restartCount: this.restarts,
        state: { running: { startedAt: this.startTime } },
      })),
    };
  }

  /** Until the server takes it, or says that the Pod is not there any more. */
  private async persist(write: () => Promise<unknown>): Promise<void> {
    while (this.isAlive) {
      try {
        await write();
        return;
      } catch (error) {
        if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return;
        if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
        await pause(AGAIN_AFTER_MS);
      }
    }
  }
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
