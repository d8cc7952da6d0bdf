/**
 * A load client and a backend over raw sockets, so that Envoy, not Node's HTTP stack, is what a
 * round measures. HTTP/1.1, keep-alive, one request in flight per connection.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { EventStreams, streamWrites } from "./event-stream.ts";
import { MessageReader } from "./message-reader.ts";

/** A request with this line is answered by a stream of events. */
const STREAM_LINE = "\r\naccept: text/event-stream\r\n";
const ANSWER_BODY =
  '{"object":"text_completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}';
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ANSWER_BODY.length}\r\n\r\n${ANSWER_BODY}`,
);

/**
 * Answers every request after its whole body, at once or, where it accepts only that, with a stream of events
 * of `model`; `GET /metrics` with `metricsPage`. Listens on all of 127.0.0.0/8.
 */
export async function startBackend(
  metricsPage: string,
  model: string,
): Promise<{ port: number; close: () => void }> {
  const sockets = new Set<Socket>();
  const streams = new EventStreams(streamWrites(model));
  const page = Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(metricsPage)}\r\n\r\n${metricsPage}`,
  );
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    const reader = new MessageReader();
    socket.on("data", (chunk: Buffer) =>
      reader.feed(chunk, (head) => {
        if (head.includes(STREAM_LINE)) streams.start(socket);
        else socket.write(head.indexOf("GET /metrics") === 0 ? page : ANSWER);
      }),
    );
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the backend has no port");
  return {
    port: address.port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export interface RoundResult {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  /** Sorted, ms. */
  readonly latenciesMs: readonly number[];
}

/** Sends `request` over `connections` connections, one at a time each, until `durationMs` is over. */
export function runLoad(
  port: number,
  request: Buffer,
  connections: number,
  durationMs: number,
): Promise<RoundResult> {
  return new Promise((resolve, reject) => {
    const latenciesMs: number[] = [];
    const startedMs = performance.now();
    let failed = 0;
    let open = connections;
    for (let i = 0; i < connections; i++) {
      const socket = connect(port, "127.0.0.1");
      socket.setNoDelay(true);
      const reader = new MessageReader();
      let sentMs = 0;
      const send = () => {
        sentMs = performance.now();
        socket.write(request);
      };
      socket.on("connect", send);
      socket.on("data", (chunk: Buffer) =>
        reader.feed(chunk, (head) => {
          const nowMs = performance.now();
          if (head.indexOf("HTTP/1.1 200") === 0) latenciesMs.push(nowMs - sentMs);
          else failed++;
          if (nowMs - startedMs < durationMs) send();
          else socket.end();
        }),
      );
      socket.on("error", reject);
      socket.on("close", () => {
        if (--open > 0) return;
        latenciesMs.sort((a, b) => a - b);
        resolve({
          requests: latenciesMs.length,
          failed,
          seconds: (performance.now() - startedMs) / 1000,
          latenciesMs,
        });
      });
    }
  });
}
