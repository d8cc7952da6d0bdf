/** One port that speaks HTTP/1.1 and, by prior knowledge, HTTP/2 without TLS; it can close and open again. */
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** What every HTTP/2 client sends first (RFC 9113, section 3.4). */
const PREFACE = Buffer.from("PRI * HTTP/2.0");
/** Longer than clients and proxies keep an idle connection, so that the client is the one that closes. */
const KEEP_ALIVE_MS = 75_000;

export class ServerSocket {
  readonly #http1: http.Server;
  readonly #http2: http2.Http2Server;
  readonly #open = new Set<net.Socket>();
  readonly #host: string;
  #listener: net.Server | undefined;
  #port: number;

  constructor(host: string, port: number, handler: Handler) {
    this.#host = host;
    this.#port = port;
    this.#http1 = http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, handler);
    this.#http2 = http2.createServer((request, response) =>
      // The compatibility classes have what the handler uses of HTTP/1's.
      handler(request as unknown as http.IncomingMessage, response as unknown as http.ServerResponse),
    );
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Opens the port; 0 takes a free one and keeps it for later. */
  async listen(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = net.createServer((socket) => this.#accept(socket));
    this.#listener = listener;
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(this.#port, this.#host, 1024, () => resolve());
    });
    this.#port = (listener.address() as net.AddressInfo).port;
  }

  /** Closes the port and cuts every connection. */
  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener === undefined) return;
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #accept(socket: net.Socket): void {
    this.#open.add(socket);
    socket.setNoDelay(true);
    socket.once("close", () => this.#open.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.once("data", (first) => {
      socket.pause();
      const length = Math.min(first.length, PREFACE.length);
      const isHttp2 = length >= 3 && first.subarray(0, length).equals(PREFACE.subarray(0, length));
      socket.unshift(first);
      (isHttp2 ? this.#http2 : this.#http1).emit("connection", socket);
      process.nextTick(() => socket.resume());
    });
  }
}

/** Cuts the connection of a response without an end: RST for HTTP/1.1, RST_STREAM for HTTP/2. */
export function cut(response: http.ServerResponse): void {
  if ("stream" in response) {
    (response as unknown as http2.Http2ServerResponse).stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    return;
  }
  response.socket?.resetAndDestroy();
}
