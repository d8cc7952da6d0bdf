import type { RequestOptions } from "../kubernetes/client.ts";
import { INFERENCE_POOL, keyOf } from "../kubernetes/kinds.ts";
import { KubernetesError } from "../kubernetes/kubernetes-error.ts";
import type { PoolObject } from "../kubernetes/objects.ts";
import type { Finding, PoolOutcome } from "../sources/kubernetes/findings.ts";
import type { Api } from "./api.ts";
import type { TestClock } from "./test-clock.ts";

type Fields = Record<string, unknown>;

/** What may go wrong with a request, before or after it was applied; `undefined`: nothing. */
export type Fault = "unreachable" | "black hole" | "answer lost" | number | undefined;

/**
 * An API server in memory: objects by path, resourceVersions that rise over all objects, 404, 409 for stale versions
 * and names that are taken, merge patches, and the status as a subresource.
 */
export class TestApi {
  readonly #clock: TestClock;
  readonly #objects = new Map<string, Fields>();
  #version = 1000;
  /** Every request that was received, as `PATCH /apis/…`. */
  readonly log: string[] = [];
  fault: (request: RequestOptions) => Fault = () => undefined;
  /** Runs before a request is applied: another writer. */
  before: (request: RequestOptions) => void = () => undefined;

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  /** A client of this server; each may be cut off by itself. */
  client(isCutOff: () => boolean = () => false): Api {
    return { request: <T>(options: RequestOptions) => this.#answer(options, isCutOff()) as Promise<T> };
  }

  get(path: string): Fields | undefined {
    return this.#objects.get(path);
  }

  paths(part: string): readonly string[] {
    return [...this.#objects.keys()].filter((path) => path.includes(part));
  }

  put(path: string, object: Fields): void {
    this.#version += 1;
    const metadata = { ...(object.metadata as Fields), resourceVersion: String(this.#version) };
    this.#objects.set(path, structuredClone({ ...object, metadata }));
  }

  delete(path: string): void {
    this.#objects.delete(path);
  }

  /** Requests since the last call whose line has `part`. */
  drain(part: string): readonly string[] {
    return this.log.splice(0).filter((line) => line.includes(part));
  }

  async #answer(request: RequestOptions, isCutOff: boolean): Promise<unknown> {
    const what = `${request.method} ${request.path}`;
    const fault = isCutOff ? "black hole" : this.fault(request);
    if (fault === "unreachable") throw new KubernetesError(0, "Unreachable", `${what}: refused`);
    if (fault === "black hole") return this.#silence(request, what);
    this.log.push(what);
    if (typeof fault === "number") throw new KubernetesError(fault, "Injected", `${what}: ${fault}`);
    this.before(request);
    const answer = structuredClone(this.#apply(request, what));
    return fault === "answer lost" ? this.#silence(request, what) : answer;
  }

  #silence({ timeoutMs = 10_000 }: RequestOptions, what: string): Promise<never> {
    return new Promise((_, reject) => {
      const timeout = new KubernetesError(0, "Timeout", `${what}: no answer within ${timeoutMs} ms`);
      this.#clock.setTimer(() => reject(timeout), timeoutMs);
    });
  }

  #apply({ method, path, body, contentType }: RequestOptions, what: string): Fields {
    const sent = structuredClone(body ?? {}) as Fields;
    if (method === "POST") {
      const place = `${path}/${String((sent.metadata as Fields).name)}`;
      if (this.#objects.has(place)) throw new KubernetesError(409, "AlreadyExists", what);
      this.put(place, sent);
      return this.#objects.get(place)!;
    }
    const place = path.replace(/\/status$/, "");
    const found = this.#objects.get(place);
    if (found === undefined) throw new KubernetesError(404, "NotFound", what);
    if (method === "GET") return found;
    const asked = (sent.metadata as Fields | undefined)?.resourceVersion;
    if (asked !== undefined && asked !== (found.metadata as Fields).resourceVersion)
      throw new KubernetesError(409, "Conflict", what);
    if (method === "PATCH" && contentType !== "application/merge-patch+json")
      throw new KubernetesError(415, "UnsupportedMediaType", what);
    const whole = method === "PUT" ? sent : (merged(found, sent) as Fields);
    const next = path === place ? whole : { ...found, status: whole.status };
    if (JSON.stringify(next) !== JSON.stringify(found)) this.put(place, next);
    return this.#objects.get(place)!;
  }
}

/** RFC 7396. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isMap = typeof target === "object" && target !== null && !Array.isArray(target);
  const result: Fields = isMap ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

export function poolPath(name: string): string {
  return `/apis/inference.networking.k8s.io/v1/namespaces/default/inferencepools/${name}`;
}

/** An InferencePool as the API server has it, without what `put` adds. */
export function rawPool(name: string, over: { generation?: number; uid?: string; status?: unknown } = {}) {
  const { generation = 1, uid = `uid-${name}`, status } = over;
  return {
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata: { name, namespace: "default", uid, generation },
    spec: {},
    ...(status === undefined ? {} : { status }),
  };
}

/** The pools of the API server as a watch that has caught up has them. */
export function poolsIn(api: TestApi): ReadonlyMap<string, PoolObject> {
  const pools = api.paths("/inferencepools/").flatMap((path) => INFERENCE_POOL.trim(api.get(path)) ?? []);
  return new Map(pools.map((pool) => [keyOf(pool.meta), pool]));
}

export function reference(name: string): Finding["object"] {
  return {
    kind: "InferencePool",
    apiVersion: "inference.networking.k8s.io/v1",
    namespace: "default",
    name,
    uid: `uid-${name}`,
  };
}

export function outcomeOf(name: string, over: Partial<PoolOutcome> = {}): PoolOutcome {
  return {
    object: reference(name),
    generation: 1,
    accepted: { status: "True", reason: "Accepted", message: "the pool is served" },
    resolvedRefs: { status: "True", reason: "ResolvedRefs", message: "" },
    exported: { status: "False", reason: "NotRequested", message: "" },
    ...over,
  };
}

export function findingOf(name: string, over: Partial<Finding> = {}): Finding {
  return {
    object: reference(name),
    reason: "InvalidSpec",
    message: "spec.targetPorts[0].number: 0 is not between 1 and 65535",
    severity: "Warning",
    ...over,
  };
}
