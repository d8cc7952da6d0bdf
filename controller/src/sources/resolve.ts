import { lookup as dnsLookup } from "node:dns/promises";
import { isIP, SocketAddress } from "node:net";
import { PickerError } from "../errors.ts";
import type { Endpoint, Inventory, PoolSpec } from "../model.ts";

const DEFAULT_INTERVAL_MS = 5000;
const DEFAULT_TIMEOUT_MS = 5000;
/** A report waits this long for the first answers to new names. */
const HOLD_MS = 1500;
/** `dns.lookup` blocks one of libuv's four threads, which file reads need too, until it returns. */
const LOOKUPS_AT_ONCE = 2;
/** Answers that arrive within this time of each other are reported together. */
const GATHER_MS = 20;
/** A name with more addresses than this is a mistake or an attack; the rest is left out. */
const MAX_ADDRESSES = 256;

/** All addresses of a host, IPv4 and IPv6. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export interface ResolverOptions {
  /**
   * Called with all endpoints at each change, once every name has had an answer or failed, 1.5 s after a
   * new one at the latest. `withheld` are the pools (`namespace/name`) of the first inventory some of
   * whose names have had neither: an earlier controller may have told Envoys more of them.
   */
  readonly onEndpoints: (endpoints: readonly Endpoint[], withheld: ReadonlySet<string>) => void;
  /** Called when a name, or a pool with all of its names, starts to fail and when its failure changes, not at every attempt. */
  readonly onError: (error: PickerError) => void;
  /** Runs `callback` once after `delayMs`; returns its cancellation. */
  readonly setTimer: (callback: () => void, delayMs: number) => () => void;
  readonly lookup?: Lookup;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

export interface Resolver {
  setInventory(inventory: Inventory): void;
  /** Pools none of whose names resolves and which keep the endpoints they had before. */
  stranded(): ReadonlySet<string>;
  close(): void;
}

/** The system's resolver: hosts file, search domains and all, in the order it answers. */
export async function systemLookup(host: string): Promise<readonly string[]> {
  const found = await dnsLookup(host, { all: true, verbatim: true });
  return found.map((entry) => entry.address);
}

/** An IP literal as `inet_ntop` spells it, which is how Envoy names its hosts; undefined if it is none. */
export function canonicalIp(text: string): string | undefined {
  const family = isIP(text);
  // A zone means something on one machine only.
  if (family === 0 || text.includes("%")) return undefined;
  return family === 4 ? text : new SocketAddress({ address: text, family: "ipv6" }).address;
}

/** `ip:port`, IPv6 in brackets. */
export function formatAddress(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/**
 * The endpoints of all pools under the addresses known for their hosts; a host that is not in
 * `addresses` gives none. One address keeps the endpoint's name, several give `name-0`, `name-1`, … in
 * the order of the addresses.
 */
export function expandEndpoints(
  pools: readonly PoolSpec[],
  addresses: ReadonlyMap<string, readonly string[]>,
): readonly Endpoint[] {
  return pools.flatMap((pool) =>
    pool.endpoints.flatMap((spec) => {
      const literal = canonicalIp(spec.host);
      const ips = literal === undefined ? (addresses.get(spec.host) ?? []) : [literal];
      return ips.map((ip, index) => ({
        pool: `${pool.namespace}/${pool.name}`,
        spec: ips.length === 1 ? spec : { ...spec, name: `${spec.name}-${index}` },
        ip,
        address: formatAddress(ip, spec.port),
        ready: true,
        draining: false,
      }));
    }),
  );
}

/**
 * Keeps host names resolved, asking again every interval. A name that fails keeps its last good
 * answers, for a resolver's outage must not take healthy endpoints away; a pool none of whose names
 * resolves keeps the endpoints that it had under other names, for a mistyped name must not either.
 */
export function createResolver(options: ResolverOptions): Resolver {
  return new PeriodicResolver(options);
}

class PeriodicResolver implements Resolver {
  readonly #options: ResolverOptions;
  readonly #lookup: Lookup;
  readonly #timeoutMs: number;
  readonly #answers = new Map<string, readonly string[]>();
  readonly #failures = new Map<string, string>();
  /** Names that have had no answer and have not failed since they appeared, each with its timer's cancellation. */
  readonly #unsettled = new Map<string, () => void>();
  /** Pools of the first inventory whose names have not all been settled yet. */
  #unproven: Set<string> | undefined;
  /** By pool, the endpoints it had last when it had any. */
  #kept = new Map<string, readonly Endpoint[]>();
  #stranded: ReadonlySet<string> = new Set();
  #pools: readonly PoolSpec[] = [];
  #hosts = new Set<string>();
  #queue: string[] = [];
  #asking = new Set<string>();
  /** When each name was asked last, as a count of all questions. */
  readonly #turns = new Map<string, number>();
  #questions = 0;
  #reported: string | undefined;
  #cancelRound: () => void = () => {};
  #cancelGather: (() => void) | undefined;
  #cancelHold: (() => void) | undefined;
  #holdOver = false;
  #closed = false;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#lookup = options.lookup ?? systemLookup;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  setInventory(inventory: Inventory): void {
    if (this.#closed) return;
    this.#pools = inventory.pools;
    this.#unproven ??= new Set(inventory.pools.map(keyOf));
    const hosts = inventory.pools.flatMap((pool) => pool.endpoints.map((endpoint) => endpoint.host));
    this.#hosts = new Set(hosts.filter((host) => canonicalIp(host) === undefined));
    for (const known of [...this.#answers.keys(), ...this.#failures.keys(), ...this.#unsettled.keys()]) {
      if (!this.#hosts.has(known)) this.#forget(known);
    }
    for (const host of this.#hosts) {
      if (this.#answers.has(host) || this.#failures.has(host) || this.#unsettled.has(host)) continue;
      // Counted from here, not from the question: lookups that hang may keep it from being asked at all.
      this.#unsettled.set(
        host,
        this.#options.setTimer(() => this.#expired(host), this.#timeoutMs),
      );
      if (this.#holdOver) this.#endHold();
    }
    // Specs may have changed while addresses did not, so this always reports.
    this.#reported = undefined;
    this.#report();
    this.#round();
  }

  stranded(): ReadonlySet<string> {
    return this.#stranded;
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#cancelRound();
    this.#cancelGather?.();
    this.#cancelHold?.();
    for (const cancel of this.#unsettled.values()) cancel();
  }

  #forget(host: string): void {
    this.#answers.delete(host);
    this.#failures.delete(host);
    this.#turns.delete(host);
    this.#settle(host);
  }

  #settle(host: string): void {
    this.#unsettled.get(host)?.();
    this.#unsettled.delete(host);
  }

  #round(): void {
    this.#cancelRound();
    // New names first: somebody waits for them. Then by turns, for lookups that hang leave room for few.
    const turn = (host: string) => this.#turns.get(host) ?? 0;
    this.#queue = [...this.#hosts].sort((left, right) => turn(left) - turn(right));
    this.#drain();
    this.#cancelRound = this.#options.setTimer(
      () => this.#round(),
      this.#options.intervalMs ?? DEFAULT_INTERVAL_MS,
    );
  }

  #drain(): void {
    while (this.#asking.size < LOOKUPS_AT_ONCE) {
      const host = this.#queue.shift();
      if (host === undefined) return;
      if (this.#asking.has(host)) continue;
      this.#asking.add(host);
      this.#questions += 1;
      this.#turns.set(host, this.#questions);
      // A lookup whose time is over keeps its place until it returns: its thread is busy until then.
      void this.#ask(host).finally(() => {
        this.#asking.delete(host);
        if (!this.#closed) this.#drain();
      });
    }
  }

  async #ask(host: string): Promise<void> {
    const cancel = this.#options.setTimer(() => this.#expired(host), this.#timeoutMs);
    try {
      const found = await this.#lookup(host);
      const ips = [...new Set(found.map(canonicalIp).filter((ip) => ip !== undefined))].sort();
      if (ips.length === 0) throw new Error("no addresses");
      if (this.#closed || !this.#hosts.has(host)) return;
      this.#answers.set(host, ips.slice(0, MAX_ADDRESSES));
      this.#failures.delete(host);
      this.#settle(host);
      this.#gather();
    } catch (cause) {
      this.#failed(host, cause instanceof Error ? cause.message : String(cause), cause);
    } finally {
      cancel();
    }
  }

  #expired(host: string): void {
    this.#failed(host, `no answer in ${this.#timeoutMs} ms`);
  }

  #failed(host: string, reason: string, cause?: unknown): void {
    if (this.#closed || !this.#hosts.has(host)) return;
    this.#settle(host);
    this.#gather();
    if (this.#failures.get(host) === reason) return;
    this.#failures.set(host, reason);
    const kept = this.#answers.get(host)?.length ?? 0;
    this.#options.onError(
      new PickerError("RESOLVE_FAILED", `${reason}; ${kept} addresses kept`, {
        path: host,
        value: host,
        cause,
      }),
    );
  }

  #gather(): void {
    if (this.#cancelGather !== undefined) return;
    this.#cancelGather = this.#options.setTimer(() => {
      this.#cancelGather = undefined;
      this.#report();
    }, GATHER_MS);
  }

  #report(): void {
    if (this.#holds()) return;
    const endpoints = this.#withKept(expandEndpoints(this.#pools, this.#answers));
    const withheld = this.#withheld();
    // Nothing at all yet, and names still to be answered: it would look like pools without endpoints.
    if (endpoints.length === 0 && this.#unsettled.size > 0) return;
    const fingerprint = [
      ...endpoints.map((endpoint) => `${endpoint.pool} ${endpoint.spec.name} ${endpoint.address}`),
      ...withheld,
    ].join("\n");
    if (fingerprint === this.#reported) return;
    this.#reported = fingerprint;
    this.#options.onEndpoints(endpoints, withheld);
  }

  /** While names are unsettled, until the time from the first of them is over. */
  #holds(): boolean {
    if (this.#unsettled.size === 0) {
      this.#endHold();
      return false;
    }
    if (this.#holdOver) return false;
    this.#cancelHold ??= this.#options.setTimer(() => {
      this.#holdOver = true;
      this.#report();
    }, HOLD_MS);
    return true;
  }

  #endHold(): void {
    this.#cancelHold?.();
    this.#cancelHold = undefined;
    this.#holdOver = false;
  }

  #withheld(): ReadonlySet<string> {
    const withheld = new Set<string>();
    for (const pool of this.#pools) {
      const key = keyOf(pool);
      if (this.#unproven?.has(key) !== true) continue;
      if (pool.endpoints.some(({ host }) => this.#unsettled.has(host))) withheld.add(key);
    }
    // A pool proven once is known from then on, and so is one that a later inventory brings.
    this.#unproven = withheld;
    return withheld;
  }

  /** With the endpoints that a pool had before, where none of its names resolves. */
  #withKept(found: readonly Endpoint[]): readonly Endpoint[] {
    const byPool = new Map<string, Endpoint[]>();
    for (const endpoint of found) {
      const list = byPool.get(endpoint.pool);
      if (list === undefined) byPool.set(endpoint.pool, [endpoint]);
      else list.push(endpoint);
    }
    const kept = new Map<string, readonly Endpoint[]>();
    const stranded = new Set<string>();
    for (const pool of this.#pools) {
      const key = keyOf(pool);
      const own = byPool.get(key);
      const before = this.#kept.get(key);
      if (own !== undefined) kept.set(key, own);
      else if (before !== undefined && pool.endpoints.length > 0) {
        kept.set(key, before);
        stranded.add(key);
        if (!this.#stranded.has(key)) this.#options.onError(strandedError(key, before.length));
      }
    }
    this.#kept = kept;
    this.#stranded = stranded;
    return stranded.size === 0 ? found : [...kept.values()].flat();
  }
}

function strandedError(pool: string, kept: number): PickerError {
  return new PickerError("RESOLVE_FAILED", `none of its names resolves; its ${kept} earlier endpoints stay`, {
    path: pool,
    value: pool,
  });
}

function keyOf(pool: PoolSpec): string {
  return `${pool.namespace}/${pool.name}`;
}
