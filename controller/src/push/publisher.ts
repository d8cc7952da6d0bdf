import type { Endpoint, Inventory, ModelSpec, Sample } from "../model.ts";
import type { FeedServer } from "./feed-server.ts";
import type { SetTimer } from "../timer.ts";
import { buildTable } from "../table/build.ts";
import { encodeTable } from "../table/encode.ts";
import type { TableRows } from "../table/rows.ts";

export interface PublisherOptions {
  readonly feed: FeedServer;
  /** Monotonic, the clock of `Sample.atMs`. */
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
  /** Start of this controller's life in ms since the Unix epoch. */
  readonly epoch: bigint;
  /** With which Envoys make the keys of prompts; undefined: not known (yet). */
  readonly secret?: () => bigint | undefined;
  readonly pushIntervalMs: number;
  readonly pushAtMostMs: number;
  /** How long the first table waits for one scrape and one list of models of every endpoint. */
  readonly firstPushWaitMs: number;
  readonly onFirst: () => void;
  /** A table that the format cannot hold: the old one stays. */
  readonly onError: (error: Error) => void;
}

/**
 * Turns what is known into tables: every push interval when something changed, and at least every
 * `pushAtMostMs`, so that rows' ages and a filter's notion of a living controller stay true.
 */
export class Publisher {
  private readonly options: PublisherOptions;
  private readonly samples = new Map<string, Sample>();
  /** Addresses scraped at least once, whatever came of it. */
  private readonly attempted = new Set<string>();
  /** By pool, what its endpoints list; a pool that has not been told anything is absent. */
  private readonly learned = new Map<string, readonly ModelSpec[]>();
  /** Endpoints (by `placeOf`) asked at least once for their models, whatever came of it. */
  private readonly asked = new Set<string>();
  private inventory: Inventory | undefined;
  private endpoints: readonly Endpoint[] | undefined;
  private withheld: ReadonlySet<string> = new Set();
  private rows: TableRows | undefined;
  private sequence = 0n;
  private dirty = false;
  private remoteRevision = 0;
  private triedMs = Number.NEGATIVE_INFINITY;
  private publishedMs: number | undefined;
  private syncedMs: number | undefined;
  private cancelTick: () => void = () => {};
  private closed = false;

  constructor(options: PublisherOptions) {
    this.options = options;
    this.tick();
  }

  /** The rows of the table published last. */
  published(): TableRows | undefined {
    return this.rows;
  }

  /** Ms since the newest table; undefined before the first. */
  ageMs(): number | undefined {
    return this.publishedMs === undefined ? undefined : this.options.nowMs() - this.publishedMs;
  }

  /** The rows of the table published last, as old as they are by now. */
  rowsNow(): TableRows | undefined {
    const olderMs = Math.round(this.ageMs() ?? 0);
    return this.rows === undefined || olderMs <= 0 ? this.rows : agedRows(this.rows, olderMs);
  }

  /**
   * `withheld` names pools (`namespace/name`) some of whose names wait for a first answer.
   * @returns the sequence of the first table that will hold them
   */
  setEndpoints(
    inventory: Inventory,
    endpoints: readonly Endpoint[],
    withheld: ReadonlySet<string> = new Set(),
  ): bigint {
    this.inventory = inventory;
    this.endpoints = endpoints;
    this.withheld = withheld;
    this.syncedMs ??= this.options.nowMs();
    const addresses = new Set(endpoints.map((endpoint) => endpoint.address));
    for (const address of this.samples.keys()) if (!addresses.has(address)) this.samples.delete(address);
    for (const address of this.attempted) if (!addresses.has(address)) this.attempted.delete(address);
    const places = new Set(endpoints.map(placeOf));
    for (const place of this.asked) if (!places.has(place)) this.asked.delete(place);
    this.dirty = true;
    return this.sequence + 1n;
  }

  setSample(address: string, sample: Sample): void {
    this.samples.set(address, sample);
    this.dirty = true;
  }

  setAttempted(address: string): void {
    this.attempted.add(address);
  }

  /** What the endpoints of a pool (`namespace/name`) list; undefined: that is not known any more. */
  setModels(pool: string, models: readonly ModelSpec[] | undefined): void {
    if (models === undefined) this.learned.delete(pool);
    else this.learned.set(pool, models);
    this.dirty = true;
  }

  setAsked(endpoint: Endpoint): void {
    this.asked.add(placeOf(endpoint));
  }

  close(): void {
    this.closed = true;
    this.cancelTick();
  }

  private tick(): void {
    if (this.closed) return;
    this.cancelTick = this.options.setTimer(() => {
      this.publishIfDue();
      this.tick();
    }, this.options.pushIntervalMs);
  }

  private publishIfDue(): void {
    const { inventory, endpoints, syncedMs } = this;
    if (inventory === undefined || endpoints === undefined || syncedMs === undefined) return;
    const nowMs = this.options.nowMs();
    if (
      this.rows === undefined &&
      nowMs - syncedMs < this.options.firstPushWaitMs &&
      !this.complete(inventory, endpoints)
    ) {
      return;
    }
    const { remoteRevision } = this.options.feed;
    const changed = this.dirty || remoteRevision !== this.remoteRevision;
    if (!changed && nowMs - this.triedMs < this.options.pushAtMostMs) return;
    this.dirty = false;
    this.remoteRevision = remoteRevision;
    this.triedMs = nowMs;
    this.publish(inventory, endpoints, nowMs);
  }

  private publish(inventory: Inventory, endpoints: readonly Endpoint[], nowMs: number): void {
    const first = this.rows === undefined;
    try {
      const secret = this.options.secret?.();
      const rows = buildTable({
        ...(secret === undefined ? {} : { secret }),
        pools: inventory.pools,
        routes: inventory.routes,
        endpoints,
        samples: this.samples,
        learned: this.learned,
        nowMs,
        epoch: this.options.epoch,
        sequence: this.sequence + 1n,
      });
      const table = encodeTable(rows);
      this.sequence = rows.sequence;
      this.rows = rows;
      this.publishedMs = nowMs;
      this.options.feed.publish(table);
    } catch (error) {
      this.options.onError(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (first) this.options.onFirst();
  }

  /** Every pool's names are resolved, and every endpoint has been scraped and asked for its models once, well or badly. */
  private complete(inventory: Inventory, endpoints: readonly Endpoint[]): boolean {
    const pools = new Set(endpoints.map((endpoint) => endpoint.pool));
    const resolved = inventory.pools.every(
      (pool) => pool.endpoints.length === 0 || pools.has(`${pool.namespace}/${pool.name}`),
    );
    return (
      resolved &&
      this.withheld.size === 0 &&
      endpoints.every(({ spec, address }) => spec.scrape === undefined || this.attempted.has(address)) &&
      endpoints.every(
        (endpoint) => endpoint.spec.modelList === undefined || this.asked.has(placeOf(endpoint)),
      )
    );
  }
}

/** An address may stand in several pools, each of which asks it. */
function placeOf({ pool, address }: Endpoint): string {
  return `${pool} ${address}`;
}

function agedRows(rows: TableRows, olderMs: number): TableRows {
  return {
    ...rows,
    pools: rows.pools.map((pool) => ({
      ...pool,
      endpoints: pool.endpoints.map((row) =>
        row.ageMs === undefined ? row : { ...row, ageMs: row.ageMs + olderMs },
      ),
    })),
  };
}
