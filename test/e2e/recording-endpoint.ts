import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { IDLE, metricsPage } from "./backend.ts";

/** A request as it arrived at an endpoint. */
export interface Recorded {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What it is answered, written piece by piece: with its length in one, chunked in several. */
export interface RecordedAnswer {
  /** Default 200. */
  readonly status?: number;
  /** Default application/json. */
  readonly contentType?: string;
  readonly pieces: readonly (string | Uint8Array)[];
}

/** A model server that keeps whole bodies until they are taken, and answers as the test says. */
export class RecordingEndpoint {
  answer: (request: Recorded) => RecordedAnswer = () => ({ pieces: ["{}"] });
  readonly address: string;
  private readonly byPath = new Map<string, Recorded[]>();
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: ReturnType<typeof createServer>) {
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.keepAliveTimeout = 60_000;
    server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.sockets.delete(socket));
    });
    server.on("request", (request, response) => this.receive(request, response));
  }

  static async start(): Promise<RecordingEndpoint> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new RecordingEndpoint(server);
  }

  /** All that arrived with this path, attempt by attempt; forgotten here. */
  take(path: string): readonly Recorded[] {
    const recorded = this.byPath.get(path) ?? [];
    this.byPath.delete(path);
    return recorded;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private receive(request: IncomingMessage, response: ServerResponse): void {
    const { url: path = "", headers } = request;
    if (path === "/metrics") {
      response.end(metricsPage(IDLE));
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const recorded = { path, headers, body: Buffer.concat(chunks) };
      const before = this.byPath.get(path);
      if (before === undefined) this.byPath.set(path, [recorded]);
      else before.push(recorded);
      void write(response, this.answer(recorded));
    });
  }
}

/** Each piece in a turn of the event loop of its own, so that it is a write of its own. */
async function write(
  response: ServerResponse,
  { status, contentType, pieces }: RecordedAnswer,
): Promise<void> {
  response.statusCode = status ?? 200;
  response.setHeader("content-type", contentType ?? "application/json");
  if (pieces.length === 1) {
    response.end(pieces[0]);
    return;
  }
  for (const piece of pieces) {
    response.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  response.end();
}
