import type { Endpoint, Inventory } from "./model.ts";
import type { SetTimer } from "./timer.ts";

export interface HandoverOptions {
  /** Gives Envoy's clusters these hosts. */
  readonly serveHosts: (inventory: Inventory, endpoints: readonly Endpoint[]) => void;
  /** Has every Envoy answered what `serveHosts` gave it? True where no Envoy asks for hosts. */
  readonly hostsSettled: () => boolean;
  /** Gives the filter's table these endpoints. */
  readonly tableEndpoints: (inventory: Inventory, endpoints: readonly Endpoint[]) => void;
  /** Has every Envoy applied a table that was built after the last `tableEndpoints`? */
  readonly tableSettled: () => boolean;
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
}

/** How long one step may wait for an Envoy that does not answer. */
const STEP_MS = 1000;
const POLL_MS = 10;

/**
 * Moves from one set of endpoints to the next so that a pick never names a host that its cluster lacks:
 * first the clusters get the hosts of both sets, then the table gets the new set, then the clusters
 * lose the hosts that only the old one had.
 */
export class Handover {
  private readonly options: HandoverOptions;
  /** What the clusters hold, for the next change to start from. */
  private hosts: readonly Endpoint[] = [];
  private cancel: () => void = () => {};

  constructor(options: HandoverOptions) {
    this.options = options;
  }

  /** A change that comes while one is under way starts again from what the clusters hold by then. */
  move(inventory: Inventory, endpoints: readonly Endpoint[]): void {
    this.cancel();
    const both = union(endpoints, this.hosts, inventory);
    this.serve(inventory, both);
    this.when(this.options.hostsSettled, () => {
      this.options.tableEndpoints(inventory, endpoints);
      if (both.length === endpoints.length) return;
      this.when(this.options.tableSettled, () => this.serve(inventory, endpoints));
    });
  }

  close(): void {
    this.cancel();
  }

  private serve(inventory: Inventory, hosts: readonly Endpoint[]): void {
    this.hosts = hosts;
    this.options.serveHosts(inventory, hosts);
  }

  /** Goes on at once where the condition holds already, else when it does or the step's time is over. */
  private when(holds: () => boolean, next: () => void): void {
    const deadlineMs = this.options.nowMs() + STEP_MS;
    const look = () => {
      if (holds() || this.options.nowMs() >= deadlineMs) next();
      else this.cancel = this.options.setTimer(look, POLL_MS);
    };
    look();
  }
}

/** The new set, and of the old one what the new one lacks, or has only as not to be picked, in a pool that still exists. */
function union(
  next: readonly Endpoint[],
  before: readonly Endpoint[],
  inventory: Inventory,
): readonly Endpoint[] {
  const pools = new Set(inventory.pools.map((pool) => `${pool.namespace}/${pool.name}`));
  const served = new Set(next.filter(isServed).map(keyOf));
  const kept = before.filter(
    (endpoint) => isServed(endpoint) && pools.has(endpoint.pool) && !served.has(keyOf(endpoint)),
  );
  return [...next, ...kept];
}

function isServed(endpoint: Endpoint): boolean {
  return endpoint.ready && !endpoint.draining;
}

function keyOf(endpoint: Endpoint): string {
  return `${endpoint.pool} ${endpoint.address}`;
}
