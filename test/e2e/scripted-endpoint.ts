import { createServer, type Server, type Socket } from "node:net";

const HEAD_END = Buffer.from("\r\n\r\n");

/**
 * A model server of raw sockets that answers as each request's `x-test-answer` says: `whole` (default), at
 * once; `held`, when the test releases it; `half`, head and half a body, the rest when released; `never`.
 * The body of an answer is the endpoint's own name. `GET /metrics` gives an idle vLLM page; asked for its models
 * by the controller, not through the gateway, it knows no such page.
 */
export class ScriptedEndpoint {
  readonly address: string;
  /** Requests whose body has arrived and whose answer is not complete. */
  inFlight = 0;
  served = 0;
  /** The most in flight at once. */
  most = 0;
  /** Called with each request's head when all of it is here. */
  onRequest: ((head: string) => void) | undefined;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private held: (() => void)[] = [];
  private readonly answerHead: string;
  private readonly answerBody: string;

  private constructor(server: Server, port: number) {
    this.server = server;
    this.address = `127.0.0.1:${port}`;
    this.answerBody = `{"served":"${this.address}"}`;
    this.answerHead = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${this.answerBody.length}\r\n\r\n`;
    server.on("connection", (socket) => this.accept(socket));
  }

  static async start(): Promise<ScriptedEndpoint> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", 1024, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the endpoint has no port");
    return new ScriptedEndpoint(server, address.port);
  }

  /** Completes every answer that waits. */
  release(): void {
    const held = this.held;
    this.held = [];
    for (const complete of held) complete();
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.sockets) socket.destroy();
    });
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    let received: Buffer = Buffer.alloc(0);
    let open = false;
    const finish = () => {
      if (!open) return;
      open = false;
      this.inFlight--;
    };
    socket.on("data", (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      while (true) {
        const end = received.indexOf(HEAD_END);
        if (end < 0) return;
        const head = received.toString("latin1", 0, end + 4);
        const whole = end + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        if (received.length < whole) return;
        received = received.subarray(whole);
        if (head.startsWith("GET /metrics")) {
          socket.write(METRICS);
          continue;
        }
        if (head.startsWith("GET /v1/models ") && !head.includes("\r\nx-request-id:")) {
          socket.write(NO_MODELS);
          continue;
        }
        open = true;
        this.inFlight++;
        this.served++;
        this.most = Math.max(this.most, this.inFlight);
        this.answer(socket, head, finish);
        this.onRequest?.(head);
      }
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      finish();
      this.sockets.delete(socket);
    });
  }

  private answer(socket: Socket, head: string, finish: () => void): void {
    const how = /\r\nx-test-answer: *(\w+)/.exec(head)?.[1] ?? "whole";
    const whole = this.answerHead + this.answerBody;
    const half = this.answerHead.length + (this.answerBody.length >> 1);
    const complete = (text: string) => {
      finish();
      if (!socket.destroyed) socket.write(text);
    };
    if (how === "whole") complete(whole);
    else if (how === "held") this.held.push(() => complete(whole));
    else if (how === "half") {
      socket.write(whole.slice(0, half));
      this.held.push(() => complete(whole.slice(half)));
    }
  }
}

const PAGE = [
  "# TYPE vllm:num_requests_running gauge",
  'vllm:num_requests_running{model_name="m"} 0',
  "# TYPE vllm:num_requests_waiting gauge",
  'vllm:num_requests_waiting{model_name="m"} 0',
  "# TYPE vllm:kv_cache_usage_perc gauge",
  'vllm:kv_cache_usage_perc{model_name="m"} 0',
  "",
].join("\n");
const METRICS = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${PAGE.length}\r\n\r\n${PAGE}`;
const NO_MODELS = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
