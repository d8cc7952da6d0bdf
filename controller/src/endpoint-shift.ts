import { POLL_MS, STEP_MS, type HandoverPeers } from "./handover-peers.ts";
import { isServed, rowOf, type Target } from "./handover-steps.ts";
import type { Endpoint } from "./model.ts";
import type { SetTimer } from "./timer.ts";

export interface EndpointShiftOptions {
  /** Gives Envoy's clusters these hosts. */
  readonly serveHosts: (target: Target) => void;
  /** Gives the filter's table these pools and endpoints; returns the table's ticket. */
  readonly serveTable: (target: Target) => bigint;
  readonly peers: HandoverPeers;
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
  /** Every Envoy has all of it; called in the end of `shift`, or later. */
  readonly onSettled: () => void;
}

/** Rows that tables have no more, whose hosts stay until every Envoy has such a table. */
interface Leaving {
  readonly endpoints: readonly Endpoint[];
  readonly ticket: bigint;
  readonly deadlineMs: number;
}

/**
 * Takes Envoys from one target to another that differs in endpoints alone, and on to the newest of those that come
 * meanwhile. What goes leaves the table at once and its host when every Envoy has such a table; what comes is a host
 * first, and in the table when every Envoy has the host. Neither waits for the other, so that in a long
 * row of changes none waits for those before it.
 */
export class EndpointShift {
  private readonly options: EndpointShiftOptions;
  private target: Target | undefined;
  /** Rows whose hosts every Envoy has. */
  private known = new Set<string>();
  /** Rows whose hosts were served last, with the names that they were served under. */
  private served = new Map<string, string>();
  private tabled: readonly Endpoint[] = [];
  /** Rows that come, whose hosts were served and are not answered by all. */
  private coming: { readonly rows: readonly string[]; readonly deadlineMs: number } | undefined;
  private leaving: readonly Leaving[] = [];
  /** Hosts are to be looked at anew. */
  private isStale = false;
  private cancel: () => void = () => {};

  constructor(options: EndpointShiftOptions) {
    this.options = options;
  }

  /** Every Envoy has exactly this one, however it got there. */
  reset(target: Target): void {
    this.cancel();
    this.target = target;
    this.tabled = target.endpoints;
    this.known = rowsOf(target.endpoints);
    this.served = hostsOf(target.endpoints);
    this.coming = undefined;
    this.leaving = [];
  }

  get isSettled(): boolean {
    return this.coming === undefined && this.leaving.length === 0;
  }

  shift(target: Target): void {
    this.target = target;
    this.isStale = true;
    this.tabulate(target);
    this.advance(target);
  }

  close(): void {
    this.cancel();
  }

  /** The table of all rows whose hosts are there. */
  private tabulate(target: Target): void {
    const endpoints = target.endpoints.filter(
      (endpoint) => !isServed(endpoint) || this.known.has(rowOf(endpoint)),
    );
    const ticket = this.options.serveTable({ ...target, endpoints });
    const rows = rowsOf(endpoints);
    const gone = this.tabled.filter((endpoint) => isServed(endpoint) && !rows.has(rowOf(endpoint)));
    this.tabled = endpoints;
    if (gone.length === 0) return;
    const deadlineMs = this.options.nowMs() + STEP_MS;
    this.leaving = [...this.leaving, { endpoints: gone, ticket, deadlineMs }];
  }

  private advance(target: Target): void {
    this.cancel();
    if (this.coming !== undefined) {
      if (!this.isOver(this.options.peers.withoutServed(), this.coming.deadlineMs)) {
        this.later();
        return;
      }
      for (const row of this.coming.rows) this.known.add(row);
      this.coming = undefined;
      this.isStale = true;
      this.tabulate(target);
    }
    const left = this.leaving.length;
    this.leaving = this.leaving.filter(
      ({ ticket, deadlineMs }) => !this.isOver(this.options.peers.withoutTable(ticket), deadlineMs),
    );
    if (this.leaving.length === left && !this.isStale) {
      this.later();
      return;
    }
    this.isStale = false;
    this.serveHosts(target);
    const coming = [...rowsOf(target.endpoints)].filter((row) => !this.known.has(row));
    if (coming.length > 0) {
      this.coming = { rows: coming, deadlineMs: this.options.nowMs() + STEP_MS };
      this.advance(target);
    } else if (this.isSettled) this.options.onSettled();
    else this.later();
  }

  /** The target's hosts and those that stay for a while, unless they are what was served last. */
  private serveHosts(target: Target): void {
    const rows = new Map<string, Endpoint>();
    for (const endpoint of [...target.endpoints, ...this.leaving.flatMap(({ endpoints }) => endpoints)]) {
      const row = rowOf(endpoint);
      if (isServed(endpoint) && !rows.has(row)) rows.set(row, endpoint);
    }
    const endpoints = [...rows.values()];
    const wanted = hostsOf(endpoints);
    const isSame = [...wanted].every(([row, host]) => this.served.get(row) === host);
    if (isSame && wanted.size === this.served.size) return;
    this.served = wanted;
    this.known = new Set([...this.known].filter((row) => wanted.has(row)));
    this.options.serveHosts({ ...target, endpoints });
  }

  private isOver(missing: ReturnType<HandoverPeers["withoutServed"]>, deadlineMs: number): boolean {
    if (missing.length === 0) return true;
    if (this.options.nowMs() < deadlineMs) return false;
    this.options.peers.passOver(missing);
    return true;
  }

  private later(): void {
    this.cancel = this.options.setTimer(() => {
      if (this.target !== undefined) this.advance(this.target);
    }, POLL_MS);
  }
}

function hostsOf(endpoints: readonly Endpoint[]): Map<string, string> {
  return new Map(endpoints.filter(isServed).map((endpoint) => [rowOf(endpoint), endpoint.spec.host]));
}

function rowsOf(endpoints: readonly Endpoint[]): Set<string> {
  return new Set(endpoints.filter(isServed).map(rowOf));
}
