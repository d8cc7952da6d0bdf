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

interface Life {
  readonly name: string;
  readonly epochS: number;
  readonly servedTotal?: number;
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
    const startedAtS = signs.startedAtS === undefined ? EPOCH_WATCHED : Math.round(signs.startedAtS);
    let epochS = startedAtS;
    if (before !== undefined) {
      epochS = before.epochS;
      // Processes behind one address that each have counters of their own would seem to restart for ever.
      const wentBack =
        signs.startedAtS === undefined &&
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

  /** The others are not watched any more. */
  retain(addresses: ReadonlySet<string>): void {
    for (const address of this.#lives.keys()) if (!addresses.has(address)) this.#lives.delete(address);
  }

  /** Above the epoch before it, whatever the clock says. */
  #now(beforeS: number): number {
    return Math.max(Math.floor(this.#wallMs() / 1000), beforeS + 1);
  }
}
