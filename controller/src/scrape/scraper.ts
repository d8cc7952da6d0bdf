import type { Buffer } from "node:buffer";
import { PickerError } from "../errors.ts";
import type { Endpoint, Sample, ScrapeSpec } from "../model.ts";
import type { SetTimer } from "../timer.ts";
import { ScrapeAgents } from "./agents.ts";
import { EndpointLives } from "./endpoint-lives.ts";
import { readPage } from "./engines.ts";
import { describeFailure, failureOf, fetchPage, type PageFailure } from "./page.ts";
import { PollSchedule, type PollTarget } from "./poll-schedule.ts";
import { TooManySeries } from "./scanner.ts";

/** A real page is 60 KB, one with many models and adapters a few times that. */
const MAX_PAGE_BYTES = 1024 * 1024;
/** With 1,000 endpoints that all hang for 2 s, the suspects' quarter comes round to each every 32 s. */
const DEFAULT_CONCURRENCY = 256;

/** `empty`: the page has no metric of the endpoint's engine. */
export type ScrapeFailure = PageFailure | "empty";

export interface ScrapeOutcome {
  readonly endpoint: Endpoint;
  /** Absent: it worked. */
  readonly failure?: ScrapeFailure;
  readonly error?: PickerError;
  readonly durationMs: number;
}

export interface ScrapeStats {
  readonly targets: number;
  readonly running: number;
  readonly succeeded: number;
  readonly failed: Readonly<Record<ScrapeFailure, number>>;
  /** Sum over all scrapes, failed ones too. */
  readonly durationMs: number;
  /** Adapter names left out of samples for their length or number, over all scrapes. */
  readonly adaptersDropped: number;
}

export interface ScraperOptions {
  readonly onSample: (address: string, sample: Sample) => void;
  /** Called after every scrape, failed or not. */
  readonly onOutcome?: (outcome: ScrapeOutcome) => void;
  /** Monotonic ms; the clock of `Sample.atMs`. */
  readonly nowMs: () => number;
  /** Ms since the Unix epoch, for restarts that an endpoint does not name itself; absent: they are counted, and no named start is believed. */
  readonly wallMs?: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
  /** Scrapes of endpoints in good standing at once; those whose last one failed share a quarter of it more. */
  readonly concurrency?: number;
  /** Of targets that do not say it themselves; default 1 MiB. */
  readonly maxPageBytes?: number;
}

export interface Scraper {
  /**
   * Scrapes these from now on: new ones within an interval, the kept ones on their schedule, the others
   * no more. Endpoints without `scrape` are ignored; of several with one address the first counts.
   */
  setTargets(endpoints: readonly Endpoint[]): void;
  stats(): ScrapeStats;
  /** Ends running scrapes and closes connections. */
  close(): Promise<void>;
}

interface Target extends PollTarget {
  readonly endpoint: Endpoint;
  readonly scrape: ScrapeSpec;
}

/**
 * Scrapes model servers on a schedule of their own each, spread by chance over the interval. An
 * endpoint has at most one scrape under way; one that hangs, answers garbage or never ends costs its
 * own slot until its timeout, and only among the suspects from then on.
 */
export function createScraper(options: ScraperOptions): Scraper {
  return new ScheduledScraper(options);
}

class ScheduledScraper implements Scraper {
  readonly #options: ScraperOptions;
  readonly #maxPageBytes: number;
  readonly #agents: ScrapeAgents;
  readonly #lives: EndpointLives;
  readonly #schedule: PollSchedule<Target>;
  readonly #failed: Record<ScrapeFailure, number> = {
    timeout: 0,
    connect: 0,
    reset: 0,
    status: 0,
    "too-large": 0,
    tls: 0,
    empty: 0,
    other: 0,
  };
  #succeeded = 0;
  #durationMs = 0;
  #adaptersDropped = 0;
  #closed = false;

  constructor(options: ScraperOptions) {
    this.#options = options;
    this.#agents = new ScrapeAgents(options.nowMs);
    this.#lives = new EndpointLives(options.wallMs ?? (() => 0));
    this.#maxPageBytes = options.maxPageBytes ?? MAX_PAGE_BYTES;
    this.#schedule = new PollSchedule({
      poll: (target, signal) => this.#scrape(target, signal),
      nowMs: options.nowMs,
      random: options.random,
      setTimer: options.setTimer,
      concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
    });
  }

  setTargets(endpoints: readonly Endpoint[]): void {
    if (this.#closed) return;
    const targets = endpoints.flatMap((endpoint): readonly Target[] => {
      const { scrape, engine } = endpoint.spec;
      if (scrape === undefined) return [];
      const { address: key } = endpoint;
      const signature = JSON.stringify([engine, scrape]);
      return [{ key, signature, intervalMs: scrape.intervalMs, endpoint, scrape }];
    });
    this.#schedule.setTargets(targets);
    this.#agents.retain(this.#schedule.targets);
    this.#lives.retain(new Set(targets.map(({ key }) => key)));
  }

  stats(): ScrapeStats {
    return {
      targets: this.#schedule.targets.length,
      running: this.#schedule.running,
      succeeded: this.#succeeded,
      failed: { ...this.#failed },
      durationMs: this.#durationMs,
      adaptersDropped: this.#adaptersDropped,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#schedule.close();
    await this.#agents.close();
  }

  /** Whether it worked. */
  async #scrape(target: Target, signal: AbortSignal): Promise<boolean> {
    const { endpoint, scrape } = target;
    const startMs = this.#options.nowMs();
    let outcome: { failure?: ScrapeFailure; error?: PickerError } = {};
    try {
      const page = await this.#fetch(target, signal);
      const { sample, signs, adaptersDropped } = readPage(endpoint.spec.engine, page, this.#options.nowMs());
      if (signal.aborted) return false;
      // Only the time of arrival: a page without a single wanted metric is another program's.
      if (Object.keys(sample).length === 1) throw new EmptyPage("no metric of this engine on the page");
      this.#succeeded++;
      this.#adaptersDropped += adaptersDropped;
      const epoch = this.#lives.epochOf(endpoint.address, endpoint.spec.name, signs);
      this.#options.onSample(endpoint.address, { ...sample, epoch });
    } catch (cause) {
      if (signal.aborted) return false;
      const failure = classify(cause);
      this.#failed[failure]++;
      const error = new PickerError("SCRAPE_FAILED", `${failure}: ${describeFailure(cause)}`, {
        path: `${endpoint.pool}/${endpoint.spec.name}`,
        value: endpoint.address,
        bound: failure === "timeout" ? scrape.timeoutMs : undefined,
        cause,
      });
      outcome = { failure, error };
    }
    const durationMs = this.#options.nowMs() - startMs;
    this.#durationMs += durationMs;
    this.#options.onOutcome?.({ endpoint, durationMs, ...outcome });
    return outcome.failure === undefined;
  }

  #fetch(target: Target, signal: AbortSignal): Promise<Buffer> {
    const { endpoint, scrape } = target;
    return fetchPage({
      agent: this.#agents.of(target),
      endpoint,
      isTls: scrape.tls !== undefined,
      port: scrape.port ?? endpoint.spec.port,
      path: scrape.path,
      headers: { accept: "text/plain;version=0.0.4" },
      bearerToken: scrape.bearerToken,
      timeoutMs: scrape.timeoutMs,
      maxBytes: scrape.maxPageBytes ?? this.#maxPageBytes,
      signal,
      setTimer: this.#options.setTimer,
    });
  }
}

class EmptyPage extends Error {}

function classify(cause: unknown): ScrapeFailure {
  if (cause instanceof EmptyPage) return "empty";
  return cause instanceof TooManySeries ? "too-large" : failureOf(cause);
}
