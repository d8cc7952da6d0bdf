/** What a metrics page tells of its server's life; absent: the page does not say. */
export interface LifeSigns {
  /** When the process started, in seconds since the Unix epoch. */
  readonly startedAtS?: number;
  /** A sum of counters that only grow while the server lives. */
  readonly servedTotal?: number;
}

/** The epoch of an endpoint that is watched, that does not say when it started, and that did not restart so far. */
export const EPOCH_WATCHED = 1;
/** `process_start_time_seconds` may be told a little differently from scrape to scrape where clocks are adjusted. */
const SAME_START_S = 2;
/** A start that lies further ahead of this controller's clock is no start: it would outrank every later one. */
const MAX_START_AHEAD_S = 24 * 3600;
/** Epochs are u32 in a table. */
const MAX_EPOCH_S = 0xffff_ffff;
/**
 * An endpoint that has left is remembered for so long: whoever gets its address meanwhile is another life of it, since
 * filters go by the address.
 */
const REMEMBERED_MS = 3_600_000;

interface Life {
  readonly name: string;
  readonly epochS: number;
  readonly servedTotal?: number;
  /** Wall clock at which it was no longer watched; absent: it is watched. */
  readonly goneMs?: number;
}

/**
 * Notices that an endpoint lost its memory: its process started anew, its counters went back, or another one of another
 * name stands at its address. Each of its lives has an epoch, in seconds since the Unix epoch, that only rises: the
 * start that the page names, else the moment at which the restart was noticed. So controllers agree where pages name
 * it, and one that starts later never invents a restart.
 */
export class EndpointLives {
  readonly #lives = new Map<string, Life>();
  readonly #wallMs: () => number;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** The endpoint's epoch after a scrape: a whole number of 32 bits, at least EPOCH_WATCHED. */
  epochOf(address: string, name: string, signs: LifeSigns): number {
    const before = this.#lives.get(address);
    const namedStartS = this.#startOf(signs);
    const startedAtS = namedStartS ?? EPOCH_WATCHED;
    let epochS = startedAtS;
    if (before !== undefined) {
      epochS = before.epochS;
      // Processes behind one address that each have counters of their own would seem to restart for ever.
      const wentBack =
        namedStartS === undefined &&
        signs.servedTotal !== undefined &&
        before.servedTotal !== undefined &&
        signs.servedTotal < before.servedTotal;
      if (startedAtS > epochS + SAME_START_S) epochS = startedAtS;
      else if (wentBack || name !== before.name) epochS = this.#now(epochS);
    }
    const servedTotal = signs.servedTotal ?? before?.servedTotal;
    this.#lives.set(address, { name, epochS, ...(servedTotal === undefined ? {} : { servedTotal }) });
    return epochS;
  }

  /** The others are not watched any more: they are forgotten in an hour, unless they come back. */
  retain(addresses: ReadonlySet<string>): void {
    const nowMs = this.#wallMs();
    for (const [address, { goneMs, ...life }] of this.#lives) {
      if (goneMs !== undefined && nowMs - goneMs > REMEMBERED_MS) this.#lives.delete(address);
      else if (addresses.has(address)) this.#lives.set(address, life);
      else this.#lives.set(address, { ...life, goneMs: goneMs ?? nowMs });
    }
  }

  /** The start that the page names, where that can be one. */
  #startOf({ startedAtS }: LifeSigns): number | undefined {
    if (startedAtS === undefined) return undefined;
    const startS = Math.round(startedAtS);
    const latestS = Math.min(this.#wallMs() / 1000 + MAX_START_AHEAD_S, MAX_EPOCH_S);
    return startS >= EPOCH_WATCHED && startS <= latestS ? startS : undefined;
  }

  /** Above the epoch before it, whatever the clock says. */
  #now(beforeS: number): number {
    return Math.min(Math.max(Math.floor(this.#wallMs() / 1000), beforeS + 1), MAX_EPOCH_S);
  }
}
