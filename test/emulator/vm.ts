import { ALLOWED_IN_INITIALIZE, ALLOWED_IN_MALLOC, CALLBACKS, type Phase, Status } from "./abi.ts";
import { CallCounter } from "./call-counter.ts";
import { GuestMemory } from "./guest-memory.ts";
import { hostImports } from "./imports/index.ts";
import type { Metric } from "./metrics.ts";
import type { Plugin } from "./plugin.ts";
import type { Process } from "./process.ts";
import { Root } from "./root.ts";
import type { Stream } from "./stream.ts";
import { HostViolation } from "./violation.ts";

type GuestFunction = (...args: number[]) => number | undefined;
export type Context = Root | Stream;

const ABI_EXPORTS = ["proxy_abi_version_0_1_0", "proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"];

/** One instance of the module on one thread, with its root contexts and its streams. */
export class Vm {
  readonly calls = new CallCounter();
  readonly roots = new Map<number, Root>();
  readonly streams = new Map<number, Stream>();
  readonly metricIds = new Map<number, Metric>();
  readonly nextMetricId = [0, 1, 2];
  /** Exports that look like callbacks and that no Envoy calls. */
  readonly unknownExports: readonly string[];
  readonly memory: GuestMemory;
  /** As instantiated: for probes that stand in for a guest. */
  readonly instanceExports: Readonly<Record<string, unknown>>;
  /** Why the VM is dead; undefined while it lives. */
  trap: Error | undefined;
  destroyed = false;
  /** `proxy_set_effective_context` for a stream that is gone. */
  staleEffectiveContexts = 0;

  #exports: Record<string, GuestFunction> = {};
  #nextContextId = 1;
  #context: Context | undefined;
  #effective: Context | undefined;
  #phase: Phase | undefined;
  readonly #afterCall: (() => void)[] = [];
  #inCall = false;

  constructor(
    readonly process: Process,
    readonly thread: string,
    readonly vmId: string,
    readonly vmKey: string,
    readonly canary: boolean,
    module: WebAssembly.Module,
  ) {
    const known = hostImports(this);
    const probes = process.probeImports?.(this) ?? {};
    const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    for (const wanted of WebAssembly.Module.imports(module)) {
      const probe = probes[wanted.module]?.[wanted.name];
      if (probe !== undefined) {
        imports[wanted.module] ??= {};
        imports[wanted.module]![wanted.name] = probe;
        continue;
      }
      const found = known[wanted.module]?.[wanted.name];
      if (wanted.kind !== "function" || found === undefined) {
        this.fail(`${wanted.module}.${wanted.name}`, `no host gives the import of kind ${wanted.kind}`);
      }
      imports[wanted.module] ??= {};
      imports[wanted.module]![wanted.name] = this.#counted(wanted.name, found);
    }
    const instance = new WebAssembly.Instance(module, imports);
    for (const [name, value] of Object.entries(instance.exports)) {
      if (typeof value === "function") this.#exports[name] = value as GuestFunction;
    }
    this.instanceExports = instance.exports;
    const memory = instance.exports.memory;
    if (!(memory instanceof WebAssembly.Memory)) this.fail("load", "no exported memory");
    this.memory = new GuestMemory(memory, (reason) => this.fail("memory", reason));
    this.unknownExports = this.#checkExports();
    if (this.#exports._initialize !== undefined)
      this.#run(this.#exports._initialize, "initialize", undefined, []);
    else if (this.#exports._start !== undefined) this.#run(this.#exports._start, "initialize", undefined, []);
  }

  get dead(): boolean {
    return this.trap !== undefined || this.destroyed;
  }

  get phase(): Phase | undefined {
    return this.#phase;
  }

  exportNames(): string[] {
    return Object.keys(this.#exports);
  }

  hasExport(name: string): boolean {
    return this.#exports[name] !== undefined;
  }

  takeContextId(): number {
    return this.#nextContextId++;
  }

  /** A new root context, started; undefined if the guest refused or trapped. */
  startRoot(plugin: Plugin): Root | undefined {
    const root = new Root(this, this.takeContextId(), plugin);
    this.roots.set(root.contextId, root);
    if (root.start()) return root;
    root.destroy();
    return undefined;
  }

  /** Dies as by a trap, between two callbacks: for tests of what the others make of it. */
  kill(): void {
    this.trap ??= new WebAssembly.RuntimeError("killed by the test");
  }

  /** Envoy throws the VM away: no callback runs any more, its gRPC streams are reset. */
  destroy(): void {
    this.destroyed = true;
    for (const root of [...this.roots.values()]) root.destroy();
  }

  /**
   * Calls an exported callback, then what the host put off until its end. Undefined if the module has
   * no such callback, if the VM is dead, or if it traps in this call.
   */
  call(name: string, phase: Phase, context: Context, args: readonly number[]): number | undefined {
    const callback = this.#exports[name];
    if (callback === undefined || this.dead) return undefined;
    return this.#run(callback, phase, context, args);
  }

  /** Runs after the present callback; at once if none runs. */
  defer(action: () => void): void {
    if (this.#inCall) this.#afterCall.push(action);
    else action();
  }

  /** The context that host calls are about: the effective one if it was set. */
  context(): Context | undefined {
    return this.#effective ?? this.#context;
  }

  /** The context whose callback runs. */
  caller(): Context | undefined {
    return this.#context;
  }

  setEffective(contextId: number): number {
    const context = this.roots.get(contextId) ?? this.streams.get(contextId);
    if (context === undefined) {
      this.staleEffectiveContexts++;
      return Status.BadArgument;
    }
    this.#effective = context;
    return Status.Ok;
  }

  rootOf(context: Context | undefined): Root | undefined {
    if (context === undefined) return undefined;
    return context instanceof Root ? context : context.root;
  }

  /** Gives bytes to the guest through its allocator: pointer and size land in the two out words. */
  give(call: string, bytes: Uint8Array, pointerOut: number, sizeOut: number): number {
    let pointer = 0;
    if (bytes.length > 0) {
      pointer = this.#allocate(call, bytes.length);
      this.memory.write(pointer, bytes, `allocation for ${call}`);
    }
    this.memory.writeU32(pointerOut, pointer, `${call} pointer out`);
    this.memory.writeU32(sizeOut, bytes.length, `${call} size out`);
    for (const counter of this.#counters()) counter.returned(bytes.length);
    return Status.Ok;
  }

  /** Ends the test: the guest did something that no correct guest does. */
  fail(call: string, reason: string): never {
    const owner = this.#context instanceof Root ? "root" : "stream";
    const who = this.#context === undefined ? "" : ` of ${owner} ${this.#context.contextId}`;
    const where = `${this.#phase ?? "load"}${who} on ${this.thread}${this.canary ? " (canary)" : ""}`;
    const violation = new HostViolation(call, where, reason);
    this.process.violations.push(violation);
    throw violation;
  }

  /** Host calls count for the VM, the process and the stream whose callback runs. */
  #counters(): CallCounter[] {
    const counters = [this.calls, this.process.calls];
    if (this.#context !== undefined && !(this.#context instanceof Root)) counters.push(this.#context.calls);
    return counters;
  }

  #allocate(call: string, bytes: number): number {
    const malloc = this.#exports.malloc ?? this.#exports.proxy_on_memory_allocate;
    if (malloc === undefined) this.fail(call, "no allocator");
    const phase = this.#phase;
    this.#phase = "malloc";
    try {
      const pointer = (malloc(bytes) ?? 0) >>> 0;
      if (pointer === 0) this.fail(call, `the guest's allocator gave nothing for ${bytes} bytes`);
      return pointer;
    } finally {
      this.#phase = phase;
    }
  }

  #counted(name: string, hostFunction: (...args: never[]) => unknown): (...args: never[]) => unknown {
    return (...args) => {
      if (this.#phase === "initialize" && !ALLOWED_IN_INITIALIZE.has(name)) {
        this.fail(name, "not callable while _initialize runs");
      }
      if (this.#phase === "malloc" && !ALLOWED_IN_MALLOC.has(name)) {
        this.fail(name, "not callable while the allocator runs");
      }
      for (const counter of this.#counters()) counter.count(name);
      this.process.interpose?.(name, this);
      return hostFunction(...args);
    };
  }

  #run(
    callback: GuestFunction,
    phase: Phase,
    context: Context | undefined,
    args: readonly number[],
  ): number | undefined {
    if (this.#inCall) throw new Error(`the emulator re-entered the VM in ${phase}`);
    this.#inCall = true;
    this.#context = context;
    this.#effective = undefined;
    this.#phase = phase;
    let result: number | undefined;
    try {
      result = callback(...args);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError) && !(error instanceof RangeError)) throw error;
      this.trap = error;
      this.process.traps.push({ thread: this.thread, phase, error });
    } finally {
      this.#inCall = false;
      this.#context = undefined;
      this.#effective = undefined;
      this.#phase = undefined;
    }
    for (let action = this.#afterCall.shift(); action !== undefined; action = this.#afterCall.shift())
      action();
    return result === undefined || this.dead ? undefined : result >>> 0;
  }

  #checkExports(): string[] {
    const names = Object.keys(this.#exports);
    const versions = names.filter((name) => name.startsWith("proxy_abi_version_"));
    if (versions.length !== 1 || !ABI_EXPORTS.includes(versions[0]!)) {
      this.fail("load", `exactly one known ABI version must be exported, not [${versions.join(", ")}]`);
    }
    if (!names.includes("malloc") && !names.includes("proxy_on_memory_allocate")) {
      this.fail("load", "neither malloc nor proxy_on_memory_allocate is exported");
    }
    for (const [name, parameters] of Object.entries(CALLBACKS)) {
      const found = this.#exports[name];
      if (found !== undefined && found.length !== parameters) {
        this.fail("load", `${name} takes ${found.length} parameters, Envoy gives ${parameters}`);
      }
    }
    return names.filter(
      (name) => name.startsWith("proxy_") && !versions.includes(name) && CALLBACKS[name] === undefined,
    );
  }
}
