import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type KubernetesClient, loadClient } from "./client.ts";
import { apiVersionOf, type Kind, pathOf } from "./kinds.ts";

type AnyKind = Pick<Kind<unknown>, "name" | "group" | "version" | "plural">;

/** As it stands in the fake server; the rest is whatever the test wrote. */
export interface RawObject {
  readonly metadata: Readonly<Record<string, unknown>> & {
    readonly name: string;
    readonly namespace: string;
  };
  readonly [key: string]: unknown;
}

interface Change {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly version: number;
  readonly collection: string;
  readonly object: RawObject;
}

interface Watch {
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly response: ServerResponse;
}

export interface SeenRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
}

/**
 * An API server in this process that knows lists with pages, watches with history, and nothing else: no
 * authentication, no selectors. `intercept` is where faults are put.
 */
export class TestApiServer {
  readonly requests: SeenRequest[] = [];
  /** Takes a request over by returning true. */
  intercept: (request: SeenRequest, response: ServerResponse) => boolean = () => false;
  readonly #folder = mkdtempSync(join(tmpdir(), "picker-api-server-"));
  readonly #served = new Map<string, AnyKind>();
  readonly #objects = new Map<string, RawObject>();
  readonly #watches = new Set<Watch>();
  #history: Change[] = [];
  /** Changes up to this one are forgotten. */
  #compacted = 0;
  #version = 100;
  #uids = 0;
  #port = 0;
  #server: Server | undefined;

  /** Listens on 127.0.0.1, after `kill` on the port that it had. */
  async start(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    this.#server = server;
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Cuts all connections and refuses new ones. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#watches.clear();
    server?.closeAllConnections();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  client(): KubernetesClient {
    const kubeconfig = join(this.#folder, "kubeconfig");
    const cluster = { clusters: [{ name: "c", cluster: { server: this.url } }] };
    const context = { contexts: [{ name: "c", context: { cluster: "c" } }], "current-context": "c" };
    writeFileSync(kubeconfig, JSON.stringify({ ...cluster, ...context }));
    return loadClient({ kubeconfig }, {});
  }

  /** As installing the CRD does. */
  serve(...kinds: readonly AnyKind[]): void {
    for (const kind of kinds) this.#served.set(pathOf(kind), kind);
  }

  /** As removing the CRD does: its objects go, and so do the watches. */
  unserve(kind: AnyKind): void {
    for (const object of this.list(kind)) this.remove(kind, object.metadata.namespace, object.metadata.name);
    this.#served.delete(pathOf(kind));
    for (const { collection, response } of this.#watches) if (collection === pathOf(kind)) response.end();
  }

  list(kind: AnyKind): readonly RawObject[] {
    return [...this.#objects]
      .filter(([key]) => key.startsWith(`${pathOf(kind)} `))
      .map(([, object]) => object);
  }

  /** Adds an object, or replaces the one of its name; `fields` beside the metadata are its own. */
  put(
    kind: AnyKind,
    name: string,
    fields: Readonly<Record<string, unknown>> = {},
    metadata: Readonly<Record<string, unknown>> = {},
  ): void {
    const namespace = String(metadata.namespace ?? "default");
    const key = this.#key(kind, namespace, name);
    const known = this.#objects.get(key);
    const object: RawObject = {
      ...fields,
      metadata: {
        uid: known?.metadata.uid ?? `uid-${++this.#uids}`,
        creationTimestamp: "2026-01-01T00:00:00Z",
        ...metadata,
        name,
        namespace,
        resourceVersion: String(++this.#version),
      },
    };
    this.#objects.set(key, object);
    this.#record({ type: known === undefined ? "ADDED" : "MODIFIED", collection: pathOf(kind), object });
  }

  remove(kind: AnyKind, namespace: string, name: string): void {
    const key = this.#key(kind, namespace, name);
    const known = this.#objects.get(key);
    if (known === undefined) throw new Error(`${key} does not exist`);
    this.#objects.delete(key);
    const metadata = { ...known.metadata, resourceVersion: String(++this.#version) };
    this.#record({ type: "DELETED", collection: pathOf(kind), object: { ...known, metadata } });
  }

  /** Forgets all changes up to here: watches from older versions, and pages that follow older lists, are gone. */
  compact(): void {
    this.#version += 1;
    this.#compacted = this.#version;
    this.#history = [];
  }

  /** Tells every watch the present version. */
  bookmark(): void {
    for (const { collection, response } of this.#watches) {
      const kind = this.#served.get(collection);
      const metadata = { resourceVersion: String(this.#version) };
      response.write(eventLine("BOOKMARK", { kind: kind?.name, metadata }));
    }
  }

  /** Sends bytes to every watch as they are. */
  say(bytes: string | Uint8Array): void {
    for (const { response } of this.#watches) response.write(bytes);
  }

  /** Ends watches as the server does when their time is over. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
  }

  /** Cuts the connections of watches, in the midst of whatever they were saying. */
  cutWatches(): void {
    for (const { response } of this.#watches) response.destroy();
  }

  get watches(): number {
    return this.#watches.size;
  }

  get version(): number {
    return this.#version;
  }

  #key(kind: AnyKind, namespace: string, name: string): string {
    return `${pathOf(kind)} ${namespace}/${name}`;
  }

  #record(change: Omit<Change, "version">): void {
    const full = { ...change, version: this.#version };
    this.#history.push(full);
    for (const watch of this.#watches) this.#tell(watch, full);
  }

  #tell({ collection, namespace, response }: Watch, { type, object, collection: of }: Change): void {
    if (of !== collection || (namespace !== undefined && object.metadata.namespace !== namespace)) return;
    response.write(eventLine(type, object));
  }

  #answer(message: IncomingMessage, response: ServerResponse): void {
    const url = new URL(message.url ?? "/", this.url);
    const request = { path: url.pathname, query: url.searchParams, headers: message.headers };
    this.requests.push(request);
    if (this.intercept(request, response)) return;
    const namespace = /\/namespaces\/([^/]+)\//.exec(url.pathname)?.[1];
    const collection = url.pathname.replace(/\/namespaces\/[^/]+/, "");
    const kind = this.#served.get(collection);
    if (kind === undefined) {
      response.writeHead(404, { "content-type": "text/plain" }).end("404 page not found\n");
    } else if (url.searchParams.get("watch") === "true") {
      this.#watch({ collection, namespace, response }, Number(url.searchParams.get("resourceVersion")));
    } else {
      this.#list(kind, namespace, url.searchParams, response);
    }
  }

  #watch(watch: Watch, since: number): void {
    const { response } = watch;
    if (since < this.#compacted) {
      refuse(response, 410, "Expired", `too old resource version: ${since} (${this.#compacted})`);
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    for (const change of this.#history) if (change.version > since) this.#tell(watch, change);
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
  }

  #list(
    kind: AnyKind,
    namespace: string | undefined,
    query: URLSearchParams,
    response: ServerResponse,
  ): void {
    const [from = 0, asOf = this.#version] = (query.get("continue") ?? "")
      .split(".")
      .filter(Boolean)
      .map(Number);
    if (asOf < this.#compacted) {
      refuse(response, 410, "Expired", "The provided continue parameter is too old");
      return;
    }
    const limit = Number(query.get("limit") ?? Number.POSITIVE_INFINITY);
    const all = this.list(kind).filter(
      ({ metadata }) => namespace === undefined || metadata.namespace === namespace,
    );
    const items = all.slice(from, from + limit);
    const isLast = from + limit >= all.length;
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        kind: `${kind.name}List`,
        apiVersion: apiVersionOf(kind),
        metadata: {
          resourceVersion: String(asOf),
          ...(isLast ? {} : { continue: `${from + limit}.${asOf}` }),
        },
        items,
      }),
    );
  }
}

/** One line of a watch. */
export function eventLine(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

/** Answers with a `Status`, as the API server does. */
export function refuse(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(
    JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message }),
  );
}
