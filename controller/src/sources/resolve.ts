import { lookup as dnsLookup } from "node:dns/promises";
import { isIP, SocketAddress } from "node:net";
import { PickerError } from "../errors.ts";
import type { Endpoint, Inventory, PoolSpec } from "../model.ts";

const DEFAULT_INTERVAL_MS = 5000;
const DEFAULT_TIMEOUT_MS = 5000;
/** `dns.lookup` blocks one of libuv's four threads, which file reads need too. */
const LOOKUPS_AT_ONCE = 2;
/** Answers that arrive within this time of each other are reported together. */
const GATHER_MS = 20;
/** A name with more addresses than this is a mistake or an attack; the rest is left out. */
const MAX_ADDRESSES = 256;

/** All addresses of a host, IPv4 and IPv6. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export interface ResolverOptions {
  /** Called with all endpoints, at once for IP literals and known names, and at each change. */
  readonly onEndpoints: (endpoints: readonly Endpoint[]) => void;
  /** Called when a name starts to fail and when its failure changes, not at every attempt. */
  readonly onError: (error: PickerError) => void;
  /** Runs `callback` once after `delayMs`; returns its cancellation. */
  readonly setTimer: (callback: () => void, delayMs: number) => () => void;
  readonly lookup?: Lookup;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

export interface Resolver {
  setInventory(inventory: Inventory): void;
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
 * answers, for a resolver's outage must not take healthy endpoints away.
 */
export function createResolver(options: ResolverOptions): Resolver {
  return new PeriodicResolver(options);
}

class PeriodicResolver implements Resolver {
  readonly #options: ResolverOptions;
  readonly #lookup: Lookup;
  readonly #answers = new Map<string, readonly string[]>();
  readonly #failures = new Map<string, string>();
  /** Names asked at least once since they appeared. */
  readonly #settled = new Set<string>();
  #pools: readonly PoolSpec[] = [];
  #hosts = new Set<string>();
  #queue: string[] = [];
  #asking = new Set<string>();
  #reported: string | undefined;
  #cancelRound: () => void = () => {};
  #cancelGather: (() => void) | undefined;
  #closed = false;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#lookup = options.lookup ?? systemLookup;
  }

  setInventory(inventory: Inventory): void {
    if (this.#closed) return;
    this.#pools = inventory.pools;
    const hosts = inventory.pools.flatMap((pool) => pool.endpoints.map((endpoint) => endpoint.host));
    this.#hosts = new Set(hosts.filter((host) => canonicalIp(host) === undefined));
    for (const known of [...this.#answers.keys(), ...this.#failures.keys()]) {
      if (!this.#hosts.has(known)) this.#forget(known);
    }
    // Specs may have changed while addresses did not, so this always reports.
    this.#reported = undefined;
    this.#report();
    this.#round();
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#cancelRound();
    this.#cancelGather?.();
  }

  #forget(host: string): void {
    this.#answers.delete(host);
    this.#failures.delete(host);
    this.#settled.delete(host);
  }

  #round(): void {
    this.#cancelRound();
    // New names first: somebody waits for them.
    this.#queue = [...this.#hosts].sort(
      (left, right) => Number(this.#settled.has(left)) - Number(this.#settled.has(right)),
    );
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
      void this.#ask(host).finally(() => {
        this.#asking.delete(host);
        if (this.#closed) return;
        this.#gather();
        this.#drain();
      });
    }
  }

  async #ask(host: string): Promise<void> {
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    let cancel: () => void = () => {};
    try {
      const expiry = new Promise<never>((_, reject) => {
        cancel = this.#options.setTimer(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
      });
      const found = await Promise.race([this.#lookup(host), expiry]);
      const ips = [...new Set(found.map(canonicalIp).filter((ip) => ip !== undefined))].sort();
      if (ips.length === 0) throw new Error("no addresses");
      if (!this.#hosts.has(host)) return;
      this.#answers.set(host, ips.slice(0, MAX_ADDRESSES));
      this.#failures.delete(host);
      this.#settled.add(host);
    } catch (cause) {
      if (this.#closed || !this.#hosts.has(host)) return;
      this.#settled.add(host);
      const reason = cause instanceof Error ? cause.message : String(cause);
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
    } finally {
      cancel();
    }
  }

  #gather(): void {
    if (this.#cancelGather !== undefined) return;
    this.#cancelGather = this.#options.setTimer(() => {
      this.#cancelGather = undefined;
      this.#report();
    }, GATHER_MS);
  }

  #report(): void {
    const endpoints = expandEndpoints(this.#pools, this.#answers);
    // Nothing yet and names still to be answered: an empty list would look like pools without endpoints.
    if (endpoints.length === 0 && [...this.#hosts].some((host) => !this.#settled.has(host))) return;
    const fingerprint = endpoints
      .map((endpoint) => `${endpoint.pool} ${endpoint.spec.name} ${endpoint.address}`)
      .join("\n");
    if (fingerprint === this.#reported) return;
    this.#reported = fingerprint;
    this.#options.onEndpoints(endpoints);
  }
}
