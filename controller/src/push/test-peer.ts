import {
  Client,
  type ClientDuplexStream,
  type ChannelCredentials,
  type ServiceDefinition,
  type status,
} from "@grpc/grpc-js";

/** A client's end of a bidirectional stream, for tests: what arrived, and a wait for more. */
export class TestPeer<Request, Response> {
  readonly received: Response[] = [];
  ended: { readonly code: status | undefined; readonly details: string } | undefined;
  readonly call: ClientDuplexStream<Request, Response>;
  private readonly client: Client;
  private readonly waiting = new Set<() => void>();

  constructor(
    port: number,
    credentials: ChannelCredentials,
    service: ServiceDefinition,
    method: string,
    host = "127.0.0.1",
  ) {
    // A pool of its own: each peer is a connection of its own, as each Envoy is.
    this.client = new Client(`${host}:${port}`, credentials, { "grpc.use_local_subchannel_pool": 1 });
    const { path, requestSerialize, responseDeserialize } = service[method]!;
    this.call = this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.call.on("data", (response: Response) => {
      this.received.push(response);
      this.wake();
    });
    this.call.on("error", () => {});
    this.call.on("status", ({ code, details }) => {
      this.ended = { code, details };
      this.wake();
    });
  }

  send(request: Request): void {
    this.call.write(request);
  }

  /** Resolves once `condition` holds; looked at after every message and at the end of the stream. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  close(): void {
    this.call.cancel();
    this.client.close();
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
