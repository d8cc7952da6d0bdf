import { parseAllDocuments } from "yaml";
import { Agent, fetch, type Response } from "undici";

/** An object as the server keeps it; tests read the rest as they need it. */
export interface ApiObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMetadata;
  readonly [field: string]: unknown;
}

export interface ObjectMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** What names an object; any object does. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

export interface ObjectKind {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: ApiObject;
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Default 10 s. */
  readonly timeoutMs?: number;
}

export interface WriteOptions {
  /** e.g. `status` */
  readonly subresource?: string;
  /** The server checks and answers, and keeps nothing. */
  readonly dryRun?: boolean;
}

/** The server refused, or could not do it. */
export class ApiError extends Error {
  readonly status: number;
  /** e.g. `NotFound`, `Conflict`, `Forbidden`, `Invalid` */
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.reason = reason;
  }
}

const TIMEOUT_MS = 10_000;
const FIELD_MANAGER = "test";
const MERGE_PATCH = "application/merge-patch+json";
const APPLY_PATCH = "application/apply-patch+yaml";

/** A user of an API server, as tests need one: objects as they are, no retry, every refusal an `ApiError`. */
export class ApiClient {
  readonly url: string;
  private readonly token: string;
  private readonly agent: Agent;
  /** `apiVersion` → kind → where its objects are. */
  private readonly resources = new Map<string, Map<string, Resource>>();

  constructor(url: string, ca: string, token: string) {
    this.url = url;
    this.token = token;
    this.agent = new Agent({ connect: { ca }, bodyTimeout: 0 });
  }

  get<T = ApiObject>(reference: ObjectReference): Promise<T> {
    return this.onObject<T>("GET", reference, {});
  }

  /** Without a namespace: of all. */
  async list<T = ApiObject>(
    kind: ObjectKind,
    namespace?: string,
    query: Readonly<Record<string, string>> = {},
  ): Promise<readonly T[]> {
    const path = await this.collection(kind, namespace);
    const { items } = await this.request<{ readonly items: readonly T[] }>("GET", path, { query });
    return items;
  }

  async create<T = ApiObject>(object: ObjectReference, options: WriteOptions = {}): Promise<T> {
    const path = await this.collection(object, object.metadata.namespace);
    return this.request("POST", path, { body: object, query: writeQuery(options) });
  }

  /** Creates the object or makes it so (server-side apply, taking fields from others). */
  apply<T = ApiObject>(object: ObjectReference, options: WriteOptions = {}): Promise<T> {
    return this.onObject("PATCH", object, {
      ...options,
      body: object,
      contentType: APPLY_PATCH,
      query: { fieldManager: FIELD_MANAGER, force: "true" },
    });
  }

  /** Applies each document of a YAML text, in order; empty ones are passed over. */
  async applyYaml(text: string, options: WriteOptions = {}): Promise<readonly ApiObject[]> {
    const applied: ApiObject[] = [];
    for (const document of parseAllDocuments(text)) {
      const object = document.toJS() as ObjectReference | null;
      if (object !== null) applied.push(await this.apply(object, options));
    }
    return applied;
  }

  /** A merge patch. With `metadata.resourceVersion` in it, the server refuses it when the object has changed. */
  patch<T = ApiObject>(reference: ObjectReference, patch: unknown, options: WriteOptions = {}): Promise<T> {
    return this.onObject("PATCH", reference, { ...options, body: patch, contentType: MERGE_PATCH });
  }

  replace<T = ApiObject>(object: ApiObject, options: WriteOptions = {}): Promise<T> {
    return this.onObject("PUT", object, { ...options, body: object });
  }

  /** @param graceSeconds for Pods; 0: gone at once */
  async delete(reference: ObjectReference, graceSeconds?: number): Promise<void> {
    const query = graceSeconds === undefined ? {} : { gracePeriodSeconds: String(graceSeconds) };
    await this.onObject("DELETE", reference, { query });
  }

  /**
   * One watch, until the server or `signal` ends it.
   *
   * @throws ApiError as an answer or as an event (410: the version is older than what the server remembers, a list is due); what else
   * breaks a connection as it comes
   */
  async watch(
    kind: ObjectKind,
    resourceVersion: string,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
    query: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const path = await this.collection(kind, undefined);
    const all = { ...query, watch: "1", resourceVersion, allowWatchBookmarks: "true" };
    const answer = await this.send("GET", path, { query: all }, signal);
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of answer.body!) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const event = JSON.parse(line) as WatchEvent | { readonly type: "ERROR"; readonly object: Status };
        if (event.type === "ERROR") throw errorOf(event.object.code, JSON.stringify(event.object));
        onEvent(event);
      }
    }
  }

  /** @throws ApiError */
  async request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
    const answer = await this.send(method, path, options, signal);
    const text = await answer.text();
    return (text.startsWith("{") ? JSON.parse(text) : text) as T;
  }

  /** Where the objects of a kind are: `/apis/GROUP/VERSION[/namespaces/NAMESPACE]/PLURAL`. */
  async collection(kind: ObjectKind, namespace: string | undefined): Promise<string> {
    const { plural, namespaced } = await this.resource(kind);
    const inNamespace = namespaced && namespace !== undefined ? `/namespaces/${namespace}` : "";
    return `${versionPath(kind.apiVersion)}${inNamespace}/${plural}`;
  }

  /** Ends what is open. */
  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async onObject<T>(
    method: Method,
    reference: ObjectReference,
    { subresource, dryRun, ...options }: RequestOptions & WriteOptions,
  ): Promise<T> {
    const { name, namespace } = reference.metadata;
    const { namespaced } = await this.resource(reference);
    if (namespaced && namespace === undefined) throw new Error(`${reference.kind} ${name} has no namespace`);
    const path = `${await this.collection(reference, namespace)}/${name}${subresource ? `/${subresource}` : ""}`;
    const query = { ...options.query, ...writeQuery({ dryRun: dryRun ?? false }) };
    return this.request<T>(method, path, { ...options, query });
  }

  private async resource({ apiVersion, kind }: ObjectKind): Promise<Resource> {
    const known = this.resources.get(apiVersion)?.get(kind);
    if (known !== undefined) return known;
    // Asked for again whenever a kind is unknown: a definition may have come since.
    const answer = await this.request<ResourceList>("GET", versionPath(apiVersion));
    const served = answer.resources.filter(({ name }) => !name.includes("/"));
    this.resources.set(
      apiVersion,
      new Map(served.map(({ kind, name, namespaced }) => [kind, { plural: name, namespaced }])),
    );
    const found = this.resources.get(apiVersion)!.get(kind);
    if (found === undefined) throw new ApiError(404, "NotFound", `${apiVersion} has no kind ${kind}`);
    return found;
  }

  private async send(
    method: Method,
    path: string,
    { query = {}, body, contentType }: RequestOptions,
    signal: AbortSignal,
  ): Promise<Response> {
    const answer = await fetch(`${this.url}${path}?${new URLSearchParams(query)}`, {
      method,
      dispatcher: this.agent,
      signal,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { "content-type": contentType ?? "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (answer.ok) return answer;
    throw errorOf(answer.status, await answer.text());
  }
}

interface Resource {
  readonly plural: string;
  readonly namespaced: boolean;
}

interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
  }[];
}

/** What the server answers instead of an object. */
interface Status {
  readonly code: number;
  readonly reason?: string;
  readonly message?: string;
}

function versionPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function writeQuery({ dryRun }: WriteOptions): Readonly<Record<string, string>> {
  return dryRun ? { dryRun: "All" } : {};
}

function errorOf(status: number, text: string): ApiError {
  try {
    const { reason, message } = JSON.parse(text) as Status;
    return new ApiError(status, reason ?? "", message ?? text);
  } catch {
    return new ApiError(status, "", text);
  }
}
