import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface WebPages {
  /** Ready: a table is out, and it is no older than it may be. */
  readonly ready: () => boolean;
  /** The Prometheus page and its content type. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Undefined before the first table. */
  readonly table: () => unknown;
}

export interface WebServer {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** Ends a client that sends its request slower than this. */
const REQUEST_TIMEOUT_MS = 5000;

/**
 * `/healthz`, `/readyz`, `/metrics` and `/table`, for GET and HEAD.
 * @throws the system's error if the port cannot be bound.
 */
export async function startWebServer(host: string, port: number, pages: WebPages): Promise<WebServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    answer(request, response, pages).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, pages: WebPages): Promise<void> {
  const send = (status: number, contentType: string, body: string) => {
    response.writeHead(status, {
      "content-type": contentType,
      "content-length": Buffer.byteLength(body),
      "cache-control": "no-store",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    send(405, "text/plain", "GET and HEAD only\n");
    return;
  }
  switch ((request.url ?? "").split("?")[0]) {
    case "/healthz":
      send(200, "text/plain", "ok\n");
      return;
    case "/readyz":
      if (pages.ready()) send(200, "text/plain", "ready\n");
      else send(503, "text/plain", "no table published yet, or none for too long\n");
      return;
    case "/metrics": {
      const { contentType, body } = await pages.metrics();
      send(200, contentType, body);
      return;
    }
    case "/table": {
      const table = pages.table();
      if (table === undefined) send(503, "application/json", '{"error":"no table published yet"}\n');
      else send(200, "application/json", `${JSON.stringify(table)}\n`);
      return;
    }
    default:
      send(404, "text/plain", "healthz, readyz, metrics, table\n");
  }
}
