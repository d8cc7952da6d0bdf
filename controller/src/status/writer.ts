import type { RequestOptions } from "../kubernetes/client.ts";
import type { PoolObject } from "../kubernetes/objects.ts";
import type { SourceOutcome } from "../sources/kubernetes/findings.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { SetTimer } from "../timer.ts";
import type { Api } from "./api.ts";
import type { Parent } from "./conditions.ts";
import { Events } from "./events.ts";
import { LeaderLease } from "./lease.ts";
import { PoolStatuses } from "./pool-statuses.ts";

export interface StatusWriterOptions {
  readonly client: Api;
  /** This process among its replicas: in the Lease and in Events. */
  readonly identity: string;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** The Gateway in whose name statuses are written. */
  readonly parent: Parent;
  /** The pools as they were seen last, by `namespace/name`. */
  readonly pools: () => ReadonlyMap<string, PoolObject>;
  readonly logger: Logger;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Ms since the Unix epoch. */
  readonly wallMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
  /** Default 15 s. */
  readonly leaseDurationMs?: number | undefined;
  /** Default 5 s. */
  readonly renewMs?: number | undefined;
}

/** Since the start. */
export interface StatusWriterStats {
  readonly leading: boolean;
  readonly statusWrites: number;
  /** Writes refused because somebody else had written meanwhile; each was made again from what was there then. */
  readonly statusConflicts: number;
  readonly statusFailures: number;
  readonly eventsWritten: number;
  /** Findings that were gone before they could be written, or for which there is no room. */
  readonly eventsDropped: number;
  readonly eventFailures: number;
}

export interface StatusWriter {
  /** Never fails and never waits: what it leads to is written when the API server and the rates allow. */
  update(outcome: SourceOutcome): void;
  readonly leading: boolean;
  stats(): StatusWriterStats;
  /** Ends what is being written, then gives the Lease back. */
  close(): Promise<void>;
}

/** What others have changed in statuses without any outcome changing is seen within this time. */
const RECONCILE_MS = 10_000;

/**
 * Stands for the Lease from the first outcome on, since one that never sees all kinds would hold it and write nothing,
 * and while it is held keeps statuses and Events as the last outcome wants them.
 */
export function startStatusWriter(options: StatusWriterOptions): StatusWriter {
  const { client, identity, parent, pools, logger, nowMs, wallMs, random, setTimer } = options;
  const common = { logger, nowMs, wallMs, random, setTimer };
  const lease = new LeaderLease({
    ...common,
    api: client,
    ...options.lease,
    identity,
    leaseDurationMs: options.leaseDurationMs,
    renewMs: options.renewMs,
    onChange: (leading) => {
      if (!leading) return;
      statuses.reconcile();
      events.kick();
    },
  });
  const isLeading = (): boolean => lease.leading;
  const api = whileLeading(client, lease);
  const statuses = new PoolStatuses({ ...common, api, parent, pools, isLeading });
  const events = new Events({ ...common, api, identity, isLeading });

  let cancelReconcile: () => void;
  const reconcileLater = (): void => {
    cancelReconcile = setTimer(() => {
      statuses.reconcile();
      reconcileLater();
    }, RECONCILE_MS);
  };
  reconcileLater();
  let isStarted = false;
  let isClosed = false;

  return {
    update(outcome) {
      statuses.update(outcome.pools);
      events.update(outcome.findings);
      if (isStarted || isClosed) return;
      isStarted = true;
      lease.start();
    },
    get leading() {
      return lease.leading;
    },
    stats() {
      const status = statuses.counts;
      const event = events.counts;
      return {
        leading: lease.leading,
        statusWrites: status.writes,
        statusConflicts: status.conflicts,
        statusFailures: status.failures,
        eventsWritten: event.written,
        eventsDropped: event.dropped,
        eventFailures: event.failures,
      };
    },
    async close() {
      isClosed = true;
      cancelReconcile();
      await Promise.all([statuses.close(), events.close()]);
      await lease.close();
    },
  };
}

/** Nothing is sent without the Lease, and what is sent has ended before another can hold it. */
function whileLeading(client: Api, lease: LeaderLease): Api {
  return {
    request<T>(request: RequestOptions): Promise<T> {
      return lease.leading
        ? client.request<T>({ ...request, timeoutMs: lease.requestMs })
        : Promise.reject(new Error("the lease is not held"));
    },
  };
}
