import type { HeaderPair } from "./header-map.ts";

/** What the guest's side of a stream can be told; the VM's root implements it. */
export interface GrpcOwner {
  onGrpcMetadata(token: number, pairs: readonly HeaderPair[]): void;
  onGrpcMessage(token: number, message: Uint8Array): void;
  onGrpcTrailers(token: number, pairs: readonly HeaderPair[]): void;
  onGrpcClose(token: number, status: number): void;
}

/** How a dial to a cluster ends. `refuse` fails at once, as with no healthy host. */
export type DialMode = "accept" | "refuse";

export interface DialRequest {
  readonly cluster: string;
  readonly authority: string;
  readonly service: string;
  readonly method: string;
  readonly metadata: readonly HeaderPair[];
}

/** A stream that a guest dialled, seen from the server. */
export class GrpcStream {
  readonly sent: Uint8Array[] = [];
  localClosed = false;
  remoteClosed = false;
  /** Reset by the guest, or because its VM was destroyed. */
  reset = false;
  closing = false;

  constructor(
    readonly owner: GrpcOwner,
    readonly token: number,
    readonly request: DialRequest,
    /** Monotonic time of the dial, ns. */
    readonly dialledAtNs: bigint,
  ) {}

  /** Both directions still work. */
  get open(): boolean {
    return !this.localClosed && !this.remoteClosed && !this.reset;
  }

  acceptHeaders(pairs: readonly HeaderPair[] = []): void {
    this.#mustBeOpen("initial metadata");
    this.owner.onGrpcMetadata(this.token, pairs);
  }

  /** The server sends one message. Reaches the guest before this returns. */
  push(message: Uint8Array): void {
    this.#mustBeOpen("a message");
    this.owner.onGrpcMessage(this.token, message);
  }

  /** The server, or the network, ends the stream with a gRPC status. */
  close(status: number): void {
    this.#mustBeOpen("a close");
    this.remoteClosed = true;
    this.owner.onGrpcTrailers(this.token, []);
    this.closing = true;
    try {
      this.owner.onGrpcClose(this.token, status);
    } finally {
      this.closing = false;
    }
  }

  #mustBeOpen(what: string): void {
    if (this.remoteClosed || this.reset)
      throw new Error(`${what} on gRPC stream ${this.token}, which is over`);
  }
}

/** All gRPC of one process. A cluster that nobody declared does not exist. */
export class GrpcTransport {
  readonly #modes = new Map<string, DialMode>();
  readonly streams: GrpcStream[] = [];
  /** Dials that failed at once, by monotonic time in ns. */
  readonly failedDialsNs: bigint[] = [];

  cluster(name: string, mode: DialMode): void {
    this.#modes.set(name, mode);
  }

  mode(name: string): DialMode | undefined {
    return this.#modes.get(name);
  }

  open(): GrpcStream[] {
    return this.streams.filter((stream) => stream.open);
  }

  /** Remotely closed streams that the guest never closed: each keeps a handle in Envoy. */
  unclosed(): GrpcStream[] {
    return this.streams.filter((stream) => stream.remoteClosed && !stream.localClosed && !stream.reset);
  }
}
