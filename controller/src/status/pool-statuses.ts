import { INFERENCE_POOL, keyOf, pathOf } from "../kubernetes/kinds.ts";
import type { PoolObject } from "../kubernetes/objects.ts";
import type { PoolOutcome } from "../sources/kubernetes/findings.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { SetTimer } from "../timer.ts";
import { type Api, CONFLICT, FIELD_MANAGER, MERGE_PATCH, NOT_FOUND, secondTime, statusOf } from "./api.ts";
import { MAX_PARENTS, type Parent, type StatusChange, statusChange } from "./conditions.ts";
import { TokenBucket } from "./token-bucket.ts";
import { WorkQueue } from "./work-queue.ts";

export interface PoolStatusesOptions {
  readonly api: Api;
  readonly parent: Parent;
  /** The pools as they were seen last, by `namespace/name`. */
  readonly pools: () => ReadonlyMap<string, PoolObject>;
  readonly isLeading: () => boolean;
  readonly logger: Logger;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly random: () => number;
  readonly setTimer: SetTimer;
}

/** Writes at once, and then one every 50 ms: 50 pools at a start take under two seconds. */
const BURST = 25;
const REFILL_MS = 50;
/** Times that a status is read again within one run because somebody else wrote between. */
const MAX_CONFLICTS = 5;

/** Keeps our entry in the status of every pool as the last outcome wants it, while leading. */
export class PoolStatuses {
  readonly #options: PoolStatusesOptions;
  readonly #queue: WorkQueue;
  /** By uid; undefined until the first outcome has come. */
  #outcomes: ReadonlyMap<string, PoolOutcome> | undefined;
  /**
   * By uid: a pool as our write left it, and the version that was known before. It stands in for the known one until
   * that moves on, so that our own write is not taken for missing.
   */
  readonly #written = new Map<string, { readonly instead: string; readonly pool: PoolObject }>();
  #writes = 0;
  #conflicts = 0;
  #failures = 0;

  constructor(options: PoolStatusesOptions) {
    this.#options = options;
    const { isLeading, logger, nowMs, random, setTimer } = options;
    this.#queue = new WorkQueue({
      run: (key) => this.#run(key),
      isOpen: isLeading,
      bucket: new TokenBucket(BURST, REFILL_MS, nowMs),
      what: "status",
      logger,
      nowMs,
      random,
      setTimer,
    });
  }

  /** Since the start: statuses written, refused since somebody else had written, failed. */
  get counts(): { readonly writes: number; readonly conflicts: number; readonly failures: number } {
    return { writes: this.#writes, conflicts: this.#conflicts, failures: this.#failures };
  }

  /** The outcomes of all pools that are watched: our entry leaves the pools that are not among them. */
  update(outcomes: readonly PoolOutcome[]): void {
    this.#outcomes = new Map(outcomes.map((outcome) => [outcome.object.uid, outcome]));
    this.reconcile();
  }

  /** Looks at every pool for what is to be written: on outcomes, on the lease's coming, and now and then. */
  reconcile(): void {
    if (this.#outcomes === undefined || !this.#options.isLeading()) return;
    const uids = new Set<string>();
    for (const [key, pool] of this.#options.pools()) {
      uids.add(pool.meta.uid);
      if (this.#changeOf(this.#known(pool)).kind !== "none") this.#queue.add(key);
    }
    for (const uid of this.#written.keys()) if (!uids.has(uid)) this.#written.delete(uid);
    this.#queue.kick();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #run(key: string): Promise<boolean> {
    const seen = this.#options.pools().get(key);
    if (seen === undefined) {
      this.#queue.delete(key);
      return false;
    }
    try {
      return await this.#write(seen);
    } catch (error) {
      // Gone: no status to write.
      if (statusOf(error) === NOT_FOUND) return false;
      if (this.#options.isLeading()) this.#failures += 1;
      throw error;
    }
  }

  /** False if there was nothing to write. */
  async #write(seen: PoolObject): Promise<boolean> {
    let pool: PoolObject | undefined = this.#known(seen);
    for (let conflicts = 0; pool !== undefined && pool.meta.uid === seen.meta.uid; ) {
      const change = this.#changeOf(pool);
      if (change.kind === "full")
        throw new RangeError(
          `${keyOf(pool.meta)}: status.parents has ${MAX_PARENTS} entries of others, at most ${MAX_PARENTS} are allowed`,
        );
      if (change.kind === "none") {
        this.#remember(seen, pool);
        return false;
      }
      try {
        const answer = INFERENCE_POOL.trim(await this.#patch(pool, change.parents));
        this.#writes += 1;
        if (answer !== undefined) this.#remember(seen, answer);
        return true;
      } catch (error) {
        if (statusOf(error) !== CONFLICT) throw error;
        this.#conflicts += 1;
        conflicts += 1;
        if (conflicts > MAX_CONFLICTS) throw error;
        pool = INFERENCE_POOL.trim(await this.#read(pool));
      }
    }
    return false;
  }

  #changeOf(pool: PoolObject): StatusChange {
    const { parent, wallMs } = this.#options;
    return statusChange(pool, this.#outcomes?.get(pool.meta.uid), parent, secondTime(wallMs()));
  }

  #known(pool: PoolObject): PoolObject {
    const written = this.#written.get(pool.meta.uid);
    return written?.instead === pool.meta.resourceVersion ? written.pool : pool;
  }

  #remember(seen: PoolObject, pool: PoolObject): void {
    this.#written.set(seen.meta.uid, { instead: seen.meta.resourceVersion, pool });
  }

  /** With the version that the list was made from: a write between the two gets 409 and is not overwritten. */
  #patch({ meta }: PoolObject, parents: readonly unknown[]): Promise<unknown> {
    return this.#options.api.request<unknown>({
      method: "PATCH",
      path: `${pathOf(INFERENCE_POOL, meta.namespace, meta.name)}/status`,
      query: { fieldManager: FIELD_MANAGER },
      body: { metadata: { resourceVersion: meta.resourceVersion }, status: { parents } },
      contentType: MERGE_PATCH,
    });
  }

  #read({ meta }: PoolObject): Promise<unknown> {
    return this.#options.api.request<unknown>({
      method: "GET",
      path: pathOf(INFERENCE_POOL, meta.namespace, meta.name),
    });
  }
}
