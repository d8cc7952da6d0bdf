import type { LogLevel, Phase } from "./abi.ts";
import { CallCounter } from "./call-counter.ts";
import { FakeClock } from "./clock.ts";
import { GrpcTransport } from "./grpc-transport.ts";
import type { HostFunctions } from "./imports/index.ts";
import { Metrics } from "./metrics.ts";
import { type Plugin, pluginOf, type PluginOptions } from "./plugin.ts";
import type { PropertyMap } from "./property.ts";
import { SeededRandom } from "./random.ts";
import type { Root } from "./root.ts";
import { SharedData } from "./shared-data.ts";
import { SharedQueues } from "./shared-queue.ts";
import { Stream, type StreamOptions } from "./stream.ts";
import type { HostViolation } from "./violation.ts";
import { Vm } from "./vm.ts";

export interface LogLine {
  readonly thread: string;
  readonly level: LogLevel;
  readonly text: string;
}

export interface ProcessOptions {
  readonly module: WebAssembly.Module;
  /** Worker threads; the main thread comes first and has a root too. Default 2. */
  readonly workers?: number;
  readonly seed?: number;
  readonly node?: PropertyMap;
  /** Imports that no Envoy has, for modules that test this host rather than a filter. */
  readonly probeImports?: (vm: Vm) => Readonly<Record<string, HostFunctions>>;
}

/** One plugin as it lives on every thread. */
export interface Deployment {
  readonly plugin: Plugin;
  readonly module: WebAssembly.Module;
  /** Thread → root; a reloaded thread's root is a new one. */
  readonly roots: Map<string, Root>;
  /** Monotonic ns before which a dead thread is not reloaded. */
  readonly reloadAfterNs: Map<string, bigint>;
}

const RELOAD_BACKOFF_NS = 1_000_000_000n;
const MODULE_IDS = new WeakMap<WebAssembly.Module, number>();
let nextModuleId = 1;

/** One Envoy: threads with VMs, what they share, and time under the test's control. */
export class Process {
  readonly clock = new FakeClock();
  readonly sharedData = new SharedData();
  readonly queues = new SharedQueues();
  readonly metrics = new Metrics();
  readonly grpc = new GrpcTransport();
  readonly calls = new CallCounter();
  readonly random: SeededRandom;
  readonly logs: LogLine[] = [];
  readonly violations: HostViolation[] = [];
  readonly traps: { readonly thread: string; readonly phase: Phase; readonly error: Error }[] = [];
  readonly vms: Vm[] = [];
  readonly threads: readonly string[];
  readonly node: PropertyMap;
  readonly probeImports: ProcessOptions["probeImports"];
  logLevel = 2;
  lastGrpcStatus = 0;
  /** Runs before each host call: a test lets another thread act in between. */
  interpose: ((call: string, vm: Vm) => void) | undefined;
  /** Take posted events of different threads in random order, as real threads would. */
  shuffle = false;

  readonly #module: WebAssembly.Module;
  readonly #current = new Map<string, Vm>();
  readonly #posted: { readonly thread: string; readonly action: () => void }[] = [];
  #nextGrpcToken = 2;

  constructor(options: ProcessOptions) {
    this.#module = options.module;
    this.probeImports = options.probeImports;
    this.random = new SeededRandom(options.seed ?? 1);
    this.node = options.node ?? { id: "emulated-envoy", cluster: "emulated" };
    const workers = Array.from({ length: options.workers ?? 2 }, (_, index) => `worker-${index}`);
    this.threads = ["main", ...workers];
  }

  /**
   * Loads a configuration as Envoy does: first in a throw-away VM, then on the main thread and on every
   * worker; VMs with the same id, VM configuration and code are shared. Throws if the guest refuses.
   */
  deploy(options: PluginOptions = {}, module = this.#module): Deployment {
    const plugin = pluginOf(options);
    const canary = this.#newVm("main", plugin, module, true);
    const accepted = canary.startRoot(plugin) !== undefined;
    canary.destroy();
    if (!accepted)
      throw new Error(`the guest refused its configuration: ${this.logs.at(-1)?.text ?? "no log"}`);
    const deployment: Deployment = { plugin, module, roots: new Map(), reloadAfterNs: new Map() };
    for (const thread of this.threads) this.#start(deployment, thread);
    return deployment;
  }

  /** The configuration is replaced or removed for good. Until then it ticks on, whatever came after it. */
  retire(deployment: Deployment): void {
    for (const root of deployment.roots.values()) {
      root.retire();
      if (root.vm.roots.size === 0 && root.vm.streams.size === 0) this.#discard(root.vm);
    }
    deployment.roots.clear();
  }

  /** A request arrives on a thread; headers are sent by the caller. Undefined: answered 503 without a VM. */
  request(deployment: Deployment, thread: string, options: StreamOptions): Stream | undefined {
    let root = deployment.roots.get(thread);
    if (root === undefined) throw new Error(`no plugin on ${thread}`);
    if (root.vm.dead) {
      const reloadAfter = deployment.reloadAfterNs.get(thread) ?? this.clock.monotonicNs + RELOAD_BACKOFF_NS;
      deployment.reloadAfterNs.set(thread, reloadAfter);
      if (deployment.plugin.failurePolicy !== "FAIL_RELOAD" || this.clock.monotonicNs < reloadAfter) {
        return undefined;
      }
      deployment.reloadAfterNs.delete(thread);
      this.#discard(root.vm);
      root = this.#start(deployment, thread);
    }
    const stream = new Stream(root, root.vm.takeContextId(), options);
    root.vm.streams.set(stream.contextId, stream);
    return stream;
  }

  root(deployment: Deployment, thread: string): Root {
    const root = deployment.roots.get(thread);
    if (root === undefined) throw new Error(`no plugin on ${thread}`);
    return root;
  }

  /** VMs that live. */
  liveVms(): Vm[] {
    return this.vms.filter((vm) => !vm.dead);
  }

  /** The VM that a thread holds for a key at present: a reloaded one inherits what was posted. */
  currentVm(thread: string, vmKey: string): Vm | undefined {
    return this.#current.get(`${thread} ${vmKey}`);
  }

  nextGrpcToken(): number {
    const token = this.#nextGrpcToken;
    this.#nextGrpcToken += 2;
    return token;
  }

  /** Runs on a thread later: at the next `settle`. */
  post(thread: string, action: () => void): void {
    this.#posted.push({ thread, action });
  }

  /** Runs what was posted until nothing is left. A guest that posts for ever fails. */
  settle(): void {
    for (let rounds = 0; this.#posted.length > 0; rounds++) {
      if (rounds > 1_000_000) throw new Error("the threads post to each other for ever");
      let at = 0;
      if (this.shuffle) {
        const { thread } = this.#posted[this.random.below(this.#posted.length)]!;
        at = this.#posted.findIndex((event) => event.thread === thread);
      }
      this.#posted.splice(at, 1)[0]!.action();
    }
  }

  /** Both clocks move on by `ms`; ticks run when they are due, posted events as soon as they come. */
  advance(ms: number): void {
    const until = this.clock.monotonicNs + BigInt(Math.round(ms * 1e6));
    this.settle();
    for (;;) {
      const due = this.#nextDue(until);
      if (due === undefined) break;
      this.clock.forward(due.nextTickNs! - this.clock.monotonicNs);
      due.tick();
      this.settle();
    }
    this.clock.forward(until - this.clock.monotonicNs);
  }

  /** Fails if a guest broke a rule or trapped, even if something caught it. */
  assertClean(): void {
    if (this.violations.length > 0) throw this.violations[0]!;
    const trap = this.traps[0];
    if (trap !== undefined) {
      const last = this.logs.at(-1)?.text ?? "";
      throw new Error(`trap in ${trap.phase} on ${trap.thread}: ${trap.error.message}; last log: ${last}`);
    }
  }

  #nextDue(until: bigint): Root | undefined {
    let due: Root | undefined;
    for (const vm of this.vms) {
      if (vm.dead) continue;
      for (const root of vm.roots.values()) {
        const at = root.nextTickNs;
        if (at === undefined || at > until) continue;
        if (due === undefined || at < due.nextTickNs!) due = root;
      }
    }
    return due;
  }

  #start(deployment: Deployment, thread: string): Root {
    const key = `${thread} ${vmKey(deployment.plugin, deployment.module)}`;
    let vm = this.#current.get(key);
    if (vm === undefined || vm.dead) {
      vm = this.#newVm(thread, deployment.plugin, deployment.module, false);
      this.vms.push(vm);
      this.#current.set(key, vm);
    }
    const root = vm.startRoot(deployment.plugin);
    if (root === undefined) throw new Error(`the guest refused on ${thread} what the canary took`);
    deployment.roots.set(thread, root);
    return root;
  }

  #newVm(thread: string, plugin: Plugin, module: WebAssembly.Module, canary: boolean): Vm {
    return new Vm(this, thread, plugin.vmId, vmKey(plugin, module), canary, module);
  }

  #discard(vm: Vm): void {
    vm.destroy();
    const at = this.vms.indexOf(vm);
    if (at >= 0) this.vms.splice(at, 1);
    const key = `${vm.thread} ${vm.vmKey}`;
    if (this.#current.get(key) === vm) this.#current.delete(key);
  }
}

function vmKey(plugin: Plugin, module: WebAssembly.Module): string {
  let id = MODULE_IDS.get(module);
  if (id === undefined) {
    id = nextModuleId++;
    MODULE_IDS.set(module, id);
  }
  return JSON.stringify([plugin.vmId, Buffer.from(plugin.vmConfiguration).toString("base64"), id]);
}
