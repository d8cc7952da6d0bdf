import { createHash } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** What the metrics page shows. */
export interface Load {
  readonly queue: number;
  readonly running: number;
  /** 0 to 1 */
  readonly kv: number;
}

/** How requests other than for the metrics page are treated. */
export type Behaviour =
  | { readonly kind: "serve" }
  /** Read the request, then cut the connection before an answer. */
  | { readonly kind: "reset" }
  | { readonly kind: "status"; readonly status: number }
  /** Read the request and stay silent until `release`. */
  | { readonly kind: "hold" };

/** One request as it arrived here. */
export interface Received {
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
  /** Of the whole body, hexadecimal. */
  readonly sha256: string;
}

/** What a request that was served is told, as JSON. */
export interface Served {
  readonly served: string;
  readonly bytes: number;
  readonly sha256: string;
}

export const IDLE: Load = { queue: 0, running: 0, kv: 0 };

/**
 * A model server that a test rules: its metrics, what it does with requests, and whether it listens. Asked for its
 * models by the controller, not through the gateway, it knows no such page, and that request does not count.
 */
export class Backend {
  behaviour: Behaviour = { kind: "serve" };
  /** Whole requests, metrics pages left out. */
  readonly received: Received[] = [];
  /** `performance.now()` at each metrics page, with what it showed. */
  readonly scrapes: { readonly atMs: number; readonly load: Load }[] = [];
  load: Load = IDLE;
  private readonly server = createServer((request, response) => this.answer(request, response));
  private readonly sockets = new Set<Socket>();
  private readonly held = new Set<ServerResponse>();
  private port = 0;

  private constructor() {
    // The gateway closes idle connections first, as with a real server behind it.
    this.server.keepAliveTimeout = 60_000;
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.sockets.delete(socket));
    });
  }

  static async start(): Promise<Backend> {
    const backend = new Backend();
    await backend.listen();
    return backend;
  }

  /** `ip:port` */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get listening(): boolean {
    return this.server.listening;
  }

  /** Listens again on its port after `refuse`. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(this.port, "127.0.0.1", () => {
        this.server.off("error", reject);
        this.port = (this.server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  /** Cuts every connection; new ones are refused until `listen`. */
  async refuse(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** Answers everything that is held. */
  release(): void {
    for (const response of this.held) response.end("{}");
    this.held.clear();
  }

  async stop(): Promise<void> {
    if (this.server.listening) await this.refuse();
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === "/metrics") {
      this.scrapes.push({ atMs: performance.now(), load: this.load });
      response.end(metricsPage(this.load));
      return;
    }
    if (request.url === "/v1/models" && request.headers["x-request-id"] === undefined) {
      response.writeHead(404).end();
      return;
    }
    const hash = createHash("sha256");
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    });
    request.on("end", () => {
      const sha256 = hash.digest("hex");
      const { method = "", url: path = "", headers } = request;
      this.received.push({ atMs: performance.now(), method, path, headers, bytes, sha256 });
      this.act(response, { served: this.address, bytes, sha256 });
    });
  }

  private act(response: ServerResponse, served: Served): void {
    const { behaviour } = this;
    if (behaviour.kind === "reset") {
      response.socket?.resetAndDestroy();
      return;
    }
    if (behaviour.kind === "hold") {
      this.held.add(response);
      response.on("close", () => this.held.delete(response));
      return;
    }
    const status = behaviour.kind === "status" ? behaviour.status : 200;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(served));
  }
}

/** A vLLM's metrics page. */
export function metricsPage({ queue, running, kv }: Load): string {
  const labels = '{engine="0",model_name="test-model"}';
  return [
    "# TYPE vllm:num_requests_running gauge",
    `vllm:num_requests_running${labels} ${running}`,
    "# TYPE vllm:num_requests_waiting gauge",
    `vllm:num_requests_waiting${labels} ${queue}`,
    "# TYPE vllm:kv_cache_usage_perc gauge",
    `vllm:kv_cache_usage_perc${labels} ${kv}`,
    "# TYPE vllm:cache_config_info gauge",
    'vllm:cache_config_info{block_size="16",engine="0",num_gpu_blocks="1000"} 1.0',
    "",
  ].join("\n");
}
