import type { Phase } from "./abi.ts";
import type { GrpcOwner, GrpcStream } from "./grpc-transport.ts";
import { HeaderMap, type HeaderPair } from "./header-map.ts";
import type { Plugin } from "./plugin.ts";
import type { Vm } from "./vm.ts";

/** A root context: one configuration of a plugin in one VM. */
export class Root implements GrpcOwner {
  tickPeriodMs = 0;
  /** Monotonic ns of the next tick; undefined while there is none. */
  nextTickNs: bigint | undefined;
  readonly grpc = new Map<number, GrpcStream>();
  readonly queueTokens = new Set<number>();
  grpcBuffer: Uint8Array | undefined;
  grpcInitialMetadata: HeaderMap | undefined;
  grpcTrailingMetadata: HeaderMap | undefined;
  retired = false;
  ticks = 0;

  constructor(
    readonly vm: Vm,
    readonly contextId: number,
    readonly plugin: Plugin,
  ) {}

  /** Context creation, `on_vm_start` and `on_configure`; false if one of them said no. */
  start(): boolean {
    this.vm.call("proxy_on_context_create", "context_create", this, [this.contextId, 0]);
    const vmBytes = this.plugin.vmConfiguration.length;
    const started = this.vm.call("proxy_on_vm_start", "vm_start", this, [this.contextId, vmBytes]);
    if (started === 0) return false;
    const bytes = this.plugin.configuration.length;
    const configured = this.vm.call("proxy_on_configure", "configure", this, [this.contextId, bytes]);
    return configured !== 0 && !this.vm.dead;
  }

  setTickPeriod(ms: number): void {
    this.tickPeriodMs = ms;
    this.nextTickNs = ms === 0 ? undefined : this.vm.process.clock.monotonicNs + BigInt(ms) * 1_000_000n;
  }

  tick(): void {
    this.ticks++;
    this.#call("proxy_on_tick", "tick", []);
    if (this.tickPeriodMs > 0) this.setTickPeriod(this.tickPeriodMs);
  }

  onQueueReady(token: number): void {
    this.#call("proxy_on_queue_ready", "queue_ready", [token]);
  }

  onGrpcMetadata(token: number, pairs: readonly HeaderPair[]): void {
    this.grpcInitialMetadata = new HeaderMap(pairs);
    this.#call("proxy_on_grpc_receive_initial_metadata", "grpc_initial_metadata", [token, pairs.length]);
    this.grpcInitialMetadata = undefined;
  }

  onGrpcMessage(token: number, message: Uint8Array): void {
    this.grpcBuffer = message;
    this.#call("proxy_on_grpc_receive", "grpc_receive", [token, message.length]);
    this.grpcBuffer = undefined;
  }

  onGrpcTrailers(token: number, pairs: readonly HeaderPair[]): void {
    this.grpcTrailingMetadata = new HeaderMap(pairs);
    this.#call("proxy_on_grpc_receive_trailing_metadata", "grpc_trailing_metadata", [token, pairs.length]);
    this.grpcTrailingMetadata = undefined;
  }

  onGrpcClose(token: number, status: number): void {
    this.#call("proxy_on_grpc_close", "grpc_close", [token, status]);
    if (this.grpc.get(token)?.localClosed) this.grpc.delete(token);
  }

  /** The configuration is gone for good: `on_done`, `on_delete`, no more ticks, streams reset. */
  retire(): void {
    if (this.retired) return;
    this.retired = true;
    this.nextTickNs = undefined;
    this.#call("proxy_on_done", "done", []);
    this.#call("proxy_on_delete", "delete", []);
    this.destroy();
  }

  /** Envoy frees the context: whatever it dialled is reset without a word to the guest. */
  destroy(): void {
    this.retired = true;
    this.nextTickNs = undefined;
    this.vm.roots.delete(this.contextId);
    for (const stream of this.grpc.values()) if (!stream.remoteClosed) stream.reset = true;
    this.grpc.clear();
  }

  #call(name: string, phase: Phase, args: readonly number[]): void {
    this.vm.call(name, phase, this, [this.contextId, ...args]);
  }
}
