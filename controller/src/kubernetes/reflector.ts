import type { Logger } from "../telemetry/logger.ts";
import type { SetTimer } from "../timer.ts";
import type { KubernetesClient } from "./client.ts";
import { type Kind, pathOf } from "./kinds.ts";
import { errorOfStatus, KubernetesError } from "./kubernetes-error.ts";
import { ObjectStore, type Stored } from "./object-store.ts";
import { watchLines } from "./watch-lines.ts";

/**
 * - `listing`: nothing is known yet, or all is being read anew
 * - `watching`: the server tells of changes
 * - `backing-off`: it does not, and is asked again soon
 * - `absent`: the server does not know the kind; it is asked again every 5 s
 */
export type ReflectorState = "absent" | "listing" | "watching" | "backing-off";

export interface ReflectorOptions<T extends Stored> {
  readonly client: Pick<KubernetesClient, "request" | "stream">;
  readonly kind: Kind<T>;
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /**
   * Called at most once in a turn of the event loop, with the keys of what was added, changed or removed; never
   * after `stop`. `objects` is the reflector's own map, which goes on changing. What is thrown is logged.
   */
  readonly onChange: (objects: ReadonlyMap<string, T>, changed: readonly string[]) => void;
  readonly onState?: ((state: ReflectorState) => void) | undefined;
  /** Called each time that the server refuses the list, since whoever asks may not have it. */
  readonly onForbidden?: (() => void) | undefined;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
  readonly logger: Logger;
  /** For tests. */
  readonly limits?: Partial<ReflectorLimits> | undefined;
}

export interface ReflectorLimits {
  /** Objects of one page of a list. */
  readonly pageSize: number;
  /** Of one page, from the request to its last byte; and until a watch is agreed to. */
  readonly listTimeoutMs: number;
  /** Silence after which a watch is taken for dead. */
  readonly idleMs: number;
  /** How long a server that knew the kind has to say that it does not, until it is believed. */
  readonly absentAfterMs: number;
  readonly absentRetryMs: number;
  /** The least that is waited after a list was refused; 0: as after any failure. */
  readonly forbiddenRetryMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

export interface ReflectorCounts {
  /** Complete lists. */
  readonly lists: number;
  /** Watches that the server agreed to. */
  readonly watches: number;
  /** Changes that it told of; bookmarks are none. */
  readonly events: number;
  /** Objects without a name, namespace, uid or version, which were left out. */
  readonly malformed: number;
  /** Lists and watches that failed. */
  readonly failures: number;
}

const DEFAULT_LIMITS: ReflectorLimits = {
  // A Pod has some 8 KB as JSON: 2 MB a page take 15 ms to parse, and other work goes on in between.
  pageSize: 250,
  listTimeoutMs: 30_000,
  idleMs: 45_000,
  absentAfterMs: 10_000,
  absentRetryMs: 5000,
  forbiddenRetryMs: 0,
  backoffMinMs: 100,
  backoffMaxMs: 5000,
};
/**
 * The server ends each watch itself after a time between these, so that silence is bounded: bookmarks do not bound it,
 * since a server sends none of a kind until it has seen a change of any (measured on 1.36: the first after 120 s). That
 * costs a request every 35 s, on the same connection, and notices a server that is frozen, or a stream that something
 * in between has swallowed, in 45 s, as client-go's pings do; a host that is gone is found out by TCP before.
 */
const WATCH_MIN_S = 30;
const WATCH_MAX_S = 40;
/** A watch that ended sooner did not work, even if the server ended it properly. */
const SHORT_WATCH_MS = 1000;
/** The most that is waited because the server said so. */
const MAX_RETRY_AFTER_MS = 60_000;
interface Page {
  readonly metadata?: { readonly resourceVersion?: unknown; readonly continue?: unknown } | null;
  readonly items?: unknown;
}

/**
 * Keeps the objects of one kind as the API server has them: reads all, then watches, and reads all again
 * where a change may have been missed. Nothing that server, network or listener do ends it; what was known before an
 * outage stays known through it. Its life is `start` once, `stop` once.
 *
 * The library's informer and watch are not used: an informer is dead for good after its connection was reset, and a
 * watch takes exceptions of its listener and lines that it cannot parse for nothing, so that events are lost in silence;
 * it ends sound watches after 30 quiet seconds, and leaves a connection pool behind each.
 */
export class Reflector<T extends Stored> {
  readonly #options: ReflectorOptions<T>;
  readonly #limits: ReflectorLimits;
  readonly #logger: Logger;
  readonly #path: string;
  readonly #selector: Readonly<Record<string, string>>;
  readonly #store = new ObjectStore<T>();
  readonly #stopping = new AbortController();
  readonly #counts = { lists: 0, watches: 0, events: 0, malformed: 0, failures: 0 };
  readonly #synced: Promise<void>;
  #setSynced: () => void = () => {};
  #running: Promise<void> | undefined;
  #state: ReflectorState = "listing";
  /** Where the next watch goes on; undefined: all is to be read. */
  #version: string | undefined;
  /** In a row. */
  #failures = 0;
  #notFoundSinceMs: number | undefined;
  #isFailureLogged = false;
  #flushing: NodeJS.Immediate | undefined;
  #lastSyncMs: number | undefined;

  constructor(options: ReflectorOptions<T>) {
    const { kind, namespace, fieldSelector } = options;
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#logger = options.logger.child({
      kind: kind.name,
      ...(kind.group === "" ? {} : { group: kind.group }),
      ...(namespace === undefined ? {} : { namespace }),
    });
    this.#path = pathOf(kind, namespace);
    this.#selector = fieldSelector === undefined ? {} : { fieldSelector };
    this.#synced = new Promise((resolve) => {
      this.#setSynced = resolve;
    });
  }

  get state(): ReflectorState {
    return this.#state;
  }

  /** Monotonic ms of when the server last said something of the kind; undefined before it did. */
  get lastSyncMs(): number | undefined {
    return this.#lastSyncMs;
  }

  counts(): ReflectorCounts {
    return { ...this.#counts };
  }

  /** The reflector's own map, by `namespace/name`. */
  objects(): ReadonlyMap<string, T> {
    return this.#store.objects;
  }

  /**
   * Resolves when the objects were read once, after `onChange` was told of them, or when the server turned out not to
   * know the kind. Stays pending when the reflector is stopped before.
   */
  synced(): Promise<void> {
    return this.#synced;
  }

  /** A second call does nothing. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearImmediate(this.#flushing);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const waitMs = await this.#round().catch((error: unknown) => this.#failed(error));
      if (waitMs > 0 && !signal.aborted) await this.#sleep(waitMs);
    }
  }

  /** One list if that is needed, and one watch; returns the ms to wait before the next. */
  async #round(): Promise<number> {
    if (this.#version === undefined) {
      if (this.#state !== "absent") this.#setState("listing");
      this.#version = await this.#list();
    }
    const startedMs = this.#options.nowMs();
    const events = await this.#watch(this.#version);
    if (events > 0 || this.#options.nowMs() - startedMs >= SHORT_WATCH_MS) return 0;
    throw new KubernetesError(0, "Unreachable", `watch ${this.#path}: ended at once and told of nothing`);
  }

  /** Reads all pages before anything of them is used; returns the version to watch from. */
  async #list(): Promise<string> {
    const { client, kind } = this.#options;
    const objects: T[] = [];
    let next = "";
    let version: unknown;
    do {
      const page: Page | undefined = await client.request<Page | undefined>({
        method: "GET",
        path: this.#path,
        query: {
          ...this.#selector,
          limit: String(this.#limits.pageSize),
          ...(next === "" ? {} : { continue: next }),
        },
        timeoutMs: this.#limits.listTimeoutMs,
        signal: this.#stopping.signal,
      });
      version = page?.metadata?.resourceVersion;
      const items = page?.items ?? [];
      if (typeof version !== "string" || version === "" || !isList(items))
        throw new KubernetesError(0, "Malformed", `GET ${this.#path}: the answer is no list of ${kind.name}`);
      for (const raw of items) {
        const object = this.#trim(raw);
        if (object !== undefined) objects.push(object);
      }
      next = typeof page?.metadata?.continue === "string" ? page.metadata.continue : "";
    } while (next !== "");
    this.#counts.lists += 1;
    this.#notFoundSinceMs = undefined;
    this.#lastSyncMs = this.#options.nowMs();
    this.#store.replace(objects);
    this.#flush();
    this.#setSynced();
    return version;
  }

  /**
   * Follows the changes after `version` until the server ends the watch; returns how many events and bookmarks came.
   * @throws KubernetesError for every other end
   */
  async #watch(version: string): Promise<number> {
    const { client, nowMs, random, setTimer } = this.#options;
    let cancelProof = (): void => {};
    const watch = watchLines({
      client,
      path: this.#path,
      query: {
        ...this.#selector,
        watch: "true",
        resourceVersion: version,
        allowWatchBookmarks: "true",
        timeoutSeconds: String(WATCH_MIN_S + Math.floor(random() * (WATCH_MAX_S - WATCH_MIN_S + 1))),
      },
      signal: this.#stopping.signal,
      agreeWithinMs: this.#limits.listTimeoutMs,
      silenceMs: this.#limits.idleMs,
      onOpen: () => {
        this.#counts.watches += 1;
        this.#lastSyncMs = nowMs();
        this.#setState("watching");
        cancelProof = setTimer(() => this.#worked(), SHORT_WATCH_MS);
      },
      nowMs,
      setTimer,
    });
    let told = 0;
    try {
      for await (const lines of watch) {
        for (const line of lines) {
          this.#apply(line);
          told += 1;
        }
        if (told > 0) this.#worked();
        this.#lastSyncMs = nowMs();
      }
      return told;
    } finally {
      cancelProof();
    }
  }

  /** @throws KubernetesError for what makes the watch worthless: an error event, or a line that may have been an event */
  #apply(line: string): void {
    const event = eventOf(line);
    if (event === undefined)
      throw new KubernetesError(
        0,
        "Malformed",
        `watch ${this.#path}: a line of ${line.length} characters is no event`,
      );
    const { type, object } = event;
    if (type === "ERROR") throw errorOfStatus(`watch ${this.#path}`, object);
    if (type === "BOOKMARK") {
      this.#version = versionOf(object) ?? this.#version;
      return;
    }
    this.#counts.events += 1;
    const trimmed = this.#trim(object);
    if (trimmed !== undefined) {
      if (type === "DELETED") this.#store.remove(trimmed);
      else if (type === "ADDED" || type === "MODIFIED") this.#store.put(trimmed);
      this.#flushing ??= setImmediate(() => this.#flush());
    }
    this.#version = versionOf(object) ?? this.#version;
  }

  #trim(raw: unknown): T | undefined {
    const object = this.#options.kind.trim(raw);
    if (object === undefined) {
      this.#counts.malformed += 1;
      this.#logger.debug("kubernetes: an object without name, namespace, uid or version is left out");
    }
    return object;
  }

  #flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const changed = this.#store.takeChanged();
    if (changed.length === 0 || this.#stopping.signal.aborted) return;
    this.#guarded(() => this.#options.onChange(this.#store.objects, changed));
  }

  #setState(state: ReflectorState): void {
    if (state === this.#state) return;
    this.#state = state;
    if (!this.#stopping.signal.aborted) this.#guarded(() => this.#options.onState?.(state));
  }

  /** A listener's exception is its own affair, also if it is an async function. */
  #guarded(listener: () => unknown): void {
    const log = (err: unknown): void => this.#logger.error({ err }, "kubernetes: a listener threw");
    try {
      void Promise.resolve(listener()).catch(log);
    } catch (error) {
      log(error);
    }
  }

  #worked(): void {
    this.#failures = 0;
    if (!this.#isFailureLogged) return;
    this.#isFailureLogged = false;
    this.#logger.info("kubernetes: watching works again");
  }

  /** Decides where to go on; returns the ms until then. */
  #failed(error: unknown): number {
    if (this.#stopping.signal.aborted) return 0;
    const failure =
      error instanceof KubernetesError
        ? error
        : new KubernetesError(0, "Malformed", `watch ${this.#path}: ${String(error)}`, { cause: error });
    if (failure.status === 404 && this.#version === undefined && this.#isAbsent()) {
      this.#setAbsent();
      return this.#limits.absentRetryMs;
    }
    const isForbidden = failure.status === 403 && this.#version === undefined;
    if (isForbidden) this.#guarded(() => this.#options.onForbidden?.());
    this.#counts.failures += 1;
    this.#failures += 1;
    // Only a connection that broke, or a server that is busy, says nothing against the version.
    const isResumable = failure.status === 0 && failure.reason !== "Malformed";
    if (!isResumable && failure.status !== 429 && failure.status !== 503) this.#version = undefined;
    // An expired version is an ordinary end after a long silence: once, the list follows at once.
    if (failure.status === 410 && this.#failures === 1) return 0;
    this.#setState("backing-off");
    if (!this.#isFailureLogged) {
      this.#isFailureLogged = true;
      this.#logger.warn(
        { status: failure.status, reason: failure.reason, known: this.#store.objects.size },
        `kubernetes: ${failure.message}; what is known stays`,
      );
    }
    const { backoffMinMs, backoffMaxMs, forbiddenRetryMs } = this.#limits;
    const backoffMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failures - 1, 16));
    const jitteredMs = backoffMs * (0.5 + 0.5 * this.#options.random());
    const retryAfterMs = Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
    return Math.max(jitteredMs, retryAfterMs, isForbidden ? forbiddenRetryMs : 0);
  }

  /** A server that has just started may not know yet what it serves: where objects are known, one 404 is not believed. */
  #isAbsent(): boolean {
    if (this.#store.objects.size === 0) return true;
    const nowMs = this.#options.nowMs();
    this.#notFoundSinceMs ??= nowMs;
    return nowMs - this.#notFoundSinceMs >= this.#limits.absentAfterMs;
  }

  #setAbsent(): void {
    this.#notFoundSinceMs = undefined;
    this.#lastSyncMs = this.#options.nowMs();
    this.#worked();
    this.#store.replace([]);
    this.#flush();
    this.#setState("absent");
    this.#setSynced();
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#options.setTimer(done, ms);
      signal.addEventListener("abort", done);
    });
  }
}

function eventOf(line: string): { readonly type: string; readonly object: unknown } | undefined {
  try {
    const parsed = JSON.parse(line) as { type?: unknown; object?: unknown } | null;
    const type = parsed?.type;
    return typeof type === "string" ? { type, object: parsed?.object } : undefined;
  } catch {
    return undefined;
  }
}

function versionOf(object: unknown): string | undefined {
  const version = (object as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion;
  return typeof version === "string" && version !== "" ? version : undefined;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
