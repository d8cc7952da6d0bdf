import type { Logger } from "../telemetry/logger.ts";
import type { SetTimer } from "../timer.ts";
import { type Api, CONFLICT, describe, FIELD_MANAGER, microTime, NOT_FOUND, statusOf } from "./api.ts";

export interface LeaseOptions {
  readonly api: Api;
  readonly namespace: string;
  readonly name: string;
  /** This process among its likes; random digits are added, so that two of one name do not both hold it. */
  readonly identity: string;
  /** Whole seconds, since that is what a Lease can say. Default 15 s. */
  readonly leaseDurationMs?: number | undefined;
  /** Time between renewals. Default 5 s. */
  readonly renewMs?: number | undefined;
  readonly onChange: (leading: boolean) => void;
  readonly logger: Logger;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly random: () => number;
  readonly setTimer: SetTimer;
}

/** coordination.k8s.io/v1; what else an object has is sent back as it came. */
interface LeaseObject {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec?: LeaseSpec;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

/*
 * Everything is a share of the lease's duration (15 s), counted from when the last renewal that worked was sent:
 *
 *   renewed again 5 s · the leader stops writing 10 s · its last request has ended 13 s · a candidate takes over 13.2 s
 *
 * A candidate counts from when it saw the renewal, at most one poll (0.9 s) after it was made: it never takes over before
 * 13.2 s, and 14.1 s and a request's time after the renewal at the latest, so within 15 s of the holder's death. No clock of
 * another machine is ever read.
 */
const DEFAULT_DURATION_MS = 15_000;
const DEFAULT_RENEW_MS = 5_000;
const WRITING_SHARE = 2 / 3;
const REQUEST_SHARE = 1 / 5;
const TAKEOVER_SHARE = 0.88;
const POLL_SHARE = 0.06;
const MIN_POLL_SHARE = 0.04;
/** Renewals come up to this share early, so that replicas that started together spread. */
const RENEW_JITTER = 0.1;

/** Holds a Lease or waits for it, from `start` to `close`. */
export class LeaderLease {
  readonly #options: LeaseOptions;
  readonly #durationMs: number;
  readonly #renewMs: number;
  readonly #identity: string;
  /** Monotonic; writing is allowed before it. */
  #leadsUntilMs = Number.NEGATIVE_INFINITY;
  #wasLeading = false;
  /** As it stood after our last write. */
  #held: LeaseObject | undefined;
  /** Who held it as of which renewal, and when we saw that first. */
  #observed: { readonly record: string; readonly durationMs: number; readonly atMs: number } | undefined;
  #step: Promise<void> | undefined;
  #cancelStep: () => void = () => undefined;
  #cancelExpiry: () => void = () => undefined;
  #isFailing = false;
  #isClosed = false;

  /** @throws RangeError for durations with which two could write at a time. */
  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#durationMs = options.leaseDurationMs ?? DEFAULT_DURATION_MS;
    this.#renewMs = options.renewMs ?? DEFAULT_RENEW_MS;
    if (this.#durationMs < 1000 || this.#durationMs % 1000 !== 0)
      throw new RangeError(`leaseDurationMs: ${this.#durationMs} is not whole seconds, at least 1000`);
    if (!(this.#renewMs > 0 && this.#renewMs <= this.#durationMs / 3))
      throw new RangeError(`renewMs: ${this.#renewMs} is not above 0 and at most ${this.#durationMs / 3}`);
    const digits = Math.floor(options.random() * 2 ** 32).toString(16);
    this.#identity = `${options.identity}_${digits.padStart(8, "0")}`;
  }

  /** Whether this process may write now. */
  get leading(): boolean {
    return this.#options.nowMs() < this.#leadsUntilMs;
  }

  /** As in the Lease's `holderIdentity`. */
  get identity(): string {
    return this.#identity;
  }

  /** Longest that a write begun under the lease may take: it ends before another can lead. */
  get requestMs(): number {
    return this.#durationMs * REQUEST_SHARE;
  }

  start(): void {
    this.#cancelStep = this.#options.setTimer(() => this.#begin(), 0);
  }

  /** Stops, and gives the Lease back if it is ours, so that another need not wait for its end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelStep();
    await this.#step;
    this.#cancelExpiry();
    const held = this.leading ? this.#held : undefined;
    this.#leadsUntilMs = Number.NEGATIVE_INFINITY;
    this.#changed();
    if (held === undefined) return;
    try {
      // A duration of 0 is refused.
      await this.#put(held, {
        ...held.spec,
        holderIdentity: "",
        leaseDurationSeconds: 1,
        ...this.#renewed(),
      });
    } catch (error) {
      this.#options.logger.info(describe(error), "lease: not given back, the next one waits for its end");
    }
  }

  #begin(): void {
    this.#step = this.#once()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#step = undefined;
        if (!this.#isClosed) this.#cancelStep = this.#options.setTimer(() => this.#begin(), this.#waitMs());
      });
  }

  async #once(): Promise<void> {
    if (this.#held !== undefined && (await this.#renew(this.#held))) return;
    const found = await this.#read();
    if (found === undefined) await this.#create();
    else if (this.#observe(found)) await this.#take(found);
    this.#worked();
  }

  /** False if the Lease is not as we left it. */
  async #renew(held: LeaseObject): Promise<boolean> {
    try {
      await this.#claim(() => this.#put(held, { ...held.spec, ...this.#renewed() }));
      return true;
    } catch (error) {
      const status = statusOf(error);
      if (status !== CONFLICT && status !== NOT_FOUND) throw error;
      this.#held = undefined;
      if (status === NOT_FOUND) this.#lost("deleted");
      return false;
    }
  }

  async #read(): Promise<LeaseObject | undefined> {
    try {
      return await this.#request("GET", this.#path());
    } catch (error) {
      if (statusOf(error) === NOT_FOUND) return undefined;
      throw error;
    }
  }

  /** Notes who holds it; true if it may be taken. */
  #observe({ spec = {} }: LeaseObject): boolean {
    const { holderIdentity = "", leaseDurationSeconds, renewTime, leaseTransitions } = spec;
    if (holderIdentity === this.#identity) return true;
    if (this.leading) this.#lost(`taken by ${holderIdentity}`);
    const record = JSON.stringify([holderIdentity, renewTime, leaseTransitions]);
    if (this.#observed?.record !== record) {
      // The holder's own duration counts, as the kind demands.
      const durationMs = leaseDurationSeconds === undefined ? this.#durationMs : leaseDurationSeconds * 1000;
      this.#observed = { record, durationMs, atMs: this.#options.nowMs() };
    }
    return holderIdentity === "" || this.#untilTakeableMs(this.#observed) <= 0;
  }

  #untilTakeableMs({ atMs, durationMs }: { readonly atMs: number; readonly durationMs: number }): number {
    return atMs + durationMs * TAKEOVER_SHARE - this.#options.nowMs();
  }

  async #create(): Promise<void> {
    const { namespace, name } = this.#options;
    const lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { namespace, name },
      spec: { ...this.#acquired(), leaseTransitions: 0 },
    };
    await this.#attempt(() => this.#request("POST", this.#path(false), lease));
  }

  async #take(found: LeaseObject): Promise<void> {
    const isOurs = found.spec?.holderIdentity === this.#identity;
    const spec = isOurs
      ? { ...found.spec, ...this.#renewed() }
      : {
          ...found.spec,
          ...this.#acquired(),
          leaseTransitions: (found.spec?.leaseTransitions ?? 0) + 1,
        };
    await this.#attempt(() => this.#put(found, spec));
  }

  /** Somebody else was quicker: the next poll sees who. */
  async #attempt(write: () => Promise<LeaseObject>): Promise<void> {
    try {
      await this.#claim(write);
    } catch (error) {
      if (statusOf(error) !== CONFLICT) throw error;
    }
  }

  /** Leads from the moment of sending: the server cannot have applied it earlier. */
  async #claim(write: () => Promise<LeaseObject>): Promise<void> {
    const sentMs = this.#options.nowMs();
    this.#held = await write();
    this.#observed = undefined;
    this.#leadsUntilMs = sentMs + this.#durationMs * WRITING_SHARE;
    this.#cancelExpiry();
    // A timer may come up to a millisecond early.
    const untilMs = this.#leadsUntilMs - this.#options.nowMs() + 1;
    this.#cancelExpiry = this.#options.setTimer(() => this.#changed(), Math.max(0, untilMs));
    this.#worked();
    this.#changed();
  }

  /** Somebody did not keep to the protocol. */
  #lost(how: string): void {
    this.#leadsUntilMs = Number.NEGATIVE_INFINITY;
    this.#cancelExpiry();
    this.#options.logger.warn({ how }, "lease: lost before its end");
    this.#changed();
  }

  #changed(): void {
    const isLeading = this.leading;
    if (isLeading === this.#wasLeading) return;
    this.#wasLeading = isLeading;
    const { logger, onChange, namespace, name } = this.#options;
    const lease = `${namespace}/${name}`;
    if (isLeading) logger.info({ lease }, "lease: held, statuses and Events are written here");
    else logger.info({ lease }, "lease: not held any more, nothing is written here");
    onChange(isLeading);
  }

  #failed(error: unknown): void {
    this.#changed();
    if (!this.#isFailing)
      this.#options.logger.warn(describe(error), "lease: cannot be read or renewed, tried again");
    this.#isFailing = true;
  }

  #worked(): void {
    if (this.#isFailing) this.#options.logger.info("lease: reached again");
    this.#isFailing = false;
  }

  #waitMs(): number {
    const { random } = this.#options;
    if (this.#held !== undefined && this.leading && !this.#isFailing)
      return this.#renewMs * (1 - random() * RENEW_JITTER);
    const pollMs = this.#durationMs * (MIN_POLL_SHARE + random() * (POLL_SHARE - MIN_POLL_SHARE));
    if (this.#observed === undefined || this.#isFailing) return pollMs;
    const untilMs = this.#untilTakeableMs(this.#observed);
    return untilMs > 0 ? Math.min(pollMs, untilMs) : pollMs;
  }

  #renewed(): LeaseSpec {
    return { renewTime: microTime(this.#options.wallMs()) };
  }

  #acquired(): LeaseSpec {
    const time = microTime(this.#options.wallMs());
    return {
      holderIdentity: this.#identity,
      leaseDurationSeconds: this.#durationMs / 1000,
      acquireTime: time,
      renewTime: time,
    };
  }

  /** Carries the resourceVersion that was read: anybody's write between gets us 409. */
  #put(lease: LeaseObject, spec: LeaseSpec): Promise<LeaseObject> {
    return this.#request("PUT", this.#path(), { ...lease, spec });
  }

  #path(withName = true): string {
    const { namespace, name } = this.#options;
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
    return withName ? `${leases}/${encodeURIComponent(name)}` : leases;
  }

  #request(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<LeaseObject> {
    return this.#options.api.request<LeaseObject>({
      method,
      path,
      ...(body === undefined ? {} : { body, query: { fieldManager: FIELD_MANAGER } }),
      timeoutMs: this.requestMs,
    });
  }
}
