import { PickerError } from "../errors.ts";
import type { Endpoint, ModelListSpec, ModelSpec } from "../model.ts";
import type { SetTimer } from "../timer.ts";
import { ScrapeAgents } from "./agents.ts";
import { NotAModelList, readModelList } from "./model-list.ts";
import { describeFailure, failureOf, fetchPage, type PageFailure } from "./page.ts";
import { PollSchedule, type PollTarget } from "./poll-schedule.ts";
import { PoolModels } from "./pool-models.ts";

/** An entry takes some 500 bytes. */
const MAX_PAGE_BYTES = 1024 * 1024;
const TIMEOUT_MS = 2000;
const CONCURRENCY = 64;
/** New endpoints are asked within this time: a first table waits for them. */
const SPREAD_MS = 100;
/** A model server that starts is asked again soon; doubles up to the interval. */
const RETRY_MS = 1000;
/** How long a failing endpoint's last list counts, unless three intervals are longer, and how long a pool that is gone is known. */
const KEEP_MS = 60_000;
const KEEP_INTERVALS = 3;
/** Tells the request apart in the endpoints' logs. */
const USER_AGENT = "inference-picker";

/** `format`: the page is no list of models. */
export type ModelListFailure = PageFailure | "format";

export interface ModelListOutcome {
  readonly endpoint: Endpoint;
  /** Absent: it worked. */
  readonly failure?: ModelListFailure;
  readonly error?: PickerError;
}

export interface ModelListStats {
  readonly succeeded: number;
  readonly failed: Readonly<Record<ModelListFailure, number>>;
  /** Names left out for their length or number, over all lists. */
  readonly dropped: number;
}

export interface ModelDiscoveryOptions {
  /** Called when what a pool (`namespace/name`) serves by its endpoints' lists has changed; undefined: the pool is gone. */
  readonly onModels: (pool: string, models: readonly ModelSpec[] | undefined) => void;
  /** Called after every question, failed or not. */
  readonly onOutcome: (outcome: ModelListOutcome) => void;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
}

interface Target extends PollTarget {
  readonly endpoint: Endpoint;
  readonly modelList: ModelListSpec;
  /** What its agent is chosen by. */
  readonly scrape: { readonly timeoutMs: number; readonly tls?: NonNullable<ModelListSpec["tls"]> };
}

interface Pool {
  readonly models: PoolModels;
  /** What was told last, and its text; undefined: nothing. */
  told?: readonly ModelSpec[];
  toldText?: string;
  /** Present: none of its endpoints is asked any more. */
  goneMs?: number | undefined;
}

/** Asks endpoints which models they serve, each on a schedule of its own, and puts a pool's answers together. */
export class ModelDiscovery {
  readonly #options: ModelDiscoveryOptions;
  readonly #agents: ScrapeAgents;
  readonly #schedule: PollSchedule<Target>;
  readonly #pools = new Map<string, Pool>();
  readonly #failed: Record<ModelListFailure, number> = {
    timeout: 0,
    connect: 0,
    reset: 0,
    status: 0,
    "too-large": 0,
    tls: 0,
    format: 0,
    other: 0,
  };
  #succeeded = 0;
  #dropped = 0;
  #closed = false;

  constructor(options: ModelDiscoveryOptions) {
    this.#options = options;
    this.#agents = new ScrapeAgents(options.nowMs);
    this.#schedule = new PollSchedule({
      poll: (target, signal) => this.#ask(target, signal),
      nowMs: options.nowMs,
      random: options.random,
      setTimer: options.setTimer,
      concurrency: CONCURRENCY,
      spreadMs: SPREAD_MS,
      retryMs: RETRY_MS,
    });
  }

  /**
   * Asks these from now on, those without `modelList` never. A server that stands in two pools is asked for
   * each. Pools that are not among them any more are forgotten after a while: tables go on naming them for some time.
   */
  setTargets(endpoints: readonly Endpoint[]): void {
    if (this.#closed) return;
    const targets = endpoints.flatMap((endpoint): readonly Target[] => {
      const { modelList } = endpoint.spec;
      if (modelList === undefined) return [];
      const { tls } = modelList;
      return [
        {
          key: keyOf(endpoint),
          signature: JSON.stringify(modelList),
          intervalMs: modelList.intervalMs,
          endpoint,
          modelList,
          scrape: { timeoutMs: TIMEOUT_MS, ...(tls === undefined ? {} : { tls }) },
        },
      ];
    });
    this.#schedule.setTargets(targets);
    this.#agents.retain(this.#schedule.targets);
    this.#setPools(targets);
  }

  stats(): ModelListStats {
    return { succeeded: this.#succeeded, failed: { ...this.#failed }, dropped: this.#dropped };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#schedule.close();
    await this.#agents.close();
  }

  #setPools(targets: readonly Target[]): void {
    const addresses = new Map<string, Set<string>>();
    for (const { endpoint, modelList } of targets) {
      const { pool, address } = endpoint;
      const known = addresses.get(pool);
      if (known === undefined) addresses.set(pool, new Set([address]));
      else known.add(address);
      if (this.#pools.has(pool)) continue;
      const keepMs = Math.max(KEEP_MS, KEEP_INTERVALS * modelList.intervalMs);
      this.#pools.set(pool, { models: new PoolModels(keepMs) });
    }
    for (const [name, pool] of this.#pools) {
      const present = addresses.get(name);
      if (present === undefined) {
        pool.goneMs ??= this.#options.nowMs();
        continue;
      }
      pool.goneMs = undefined;
      pool.models.retain(present);
      this.#tell(name);
    }
    this.#forgetGone();
  }

  #forgetGone(): void {
    const nowMs = this.#options.nowMs();
    for (const [name, { goneMs, told }] of this.#pools) {
      if (goneMs === undefined || nowMs - goneMs <= KEEP_MS) continue;
      this.#pools.delete(name);
      if (told !== undefined) this.#options.onModels(name, undefined);
    }
  }

  #tell(pool: string): void {
    const known = this.#pools.get(pool);
    if (known === undefined) return;
    const models = known.models.union(this.#options.nowMs());
    if (models === undefined || models === known.told) return;
    known.told = models;
    const text = JSON.stringify(models);
    if (text === known.toldText) return;
    known.toldText = text;
    this.#options.onModels(pool, models);
  }

  /** Whether it worked. */
  async #ask(target: Target, signal: AbortSignal): Promise<boolean> {
    const { endpoint, modelList } = target;
    let outcome: { failure?: ModelListFailure; error?: PickerError } = {};
    try {
      const page = await fetchPage({
        agent: this.#agents.of(target),
        endpoint,
        isTls: modelList.tls !== undefined,
        port: endpoint.spec.port,
        path: modelList.path,
        headers: { accept: "application/json", "user-agent": USER_AGENT },
        bearerToken: modelList.bearerToken,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_PAGE_BYTES,
        signal,
        setTimer: this.#options.setTimer,
      });
      const { models, dropped } = readModelList(page);
      if (signal.aborted) return false;
      this.#succeeded++;
      this.#dropped += dropped;
      this.#pools.get(endpoint.pool)?.models.listed(endpoint.address, models, this.#options.nowMs());
    } catch (cause) {
      if (signal.aborted) return false;
      const failure = cause instanceof NotAModelList ? "format" : failureOf(cause);
      this.#failed[failure]++;
      const error = new PickerError("MODEL_LIST_FAILED", `${failure}: ${describeFailure(cause)}`, {
        path: `${endpoint.pool}/${endpoint.spec.name}`,
        value: endpoint.address,
        bound: failure === "timeout" ? TIMEOUT_MS : undefined,
        cause,
      });
      outcome = { failure, error };
    }
    // Also after a failure: a list may have grown too old.
    this.#tell(endpoint.pool);
    this.#options.onOutcome({ endpoint, ...outcome });
    return outcome.failure === undefined;
  }
}

function keyOf({ pool, address }: Endpoint): string {
  return `${pool} ${address}`;
}
