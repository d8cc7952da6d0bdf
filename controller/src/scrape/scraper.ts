import { Buffer } from "node:buffer";
import { errors } from "undici";
import { PickerError } from "../errors.ts";
import type { Endpoint, Sample, ScrapeSpec } from "../model.ts";
import { ScrapeAgents, TlsFileUnreadable } from "./agents.ts";
import { readPage } from "./engines.ts";
import { TooManySeries } from "./scanner.ts";
import { Slots } from "./slots.ts";

/** A real page is 60 KB, one with many models and adapters a few times that. */
const MAX_PAGE_BYTES = 1024 * 1024;
/** With 1,000 endpoints that all hang for 2 s, the suspects' quarter comes round to each every 32 s. */
const DEFAULT_CONCURRENCY = 256;
/** Each wait between two scrapes differs from the interval by at most this share, so that phases drift apart. */
const JITTER = 0.1;
/** Pause after a scrape that took longer than its interval. */
const MIN_PAUSE_MS = 10;

export type ScrapeFailure =
  | "timeout"
  | "connect"
  | "reset"
  | "status"
  | "too-large"
  | "tls"
  | "empty"
  | "other";

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
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Runs `callback` once after `delayMs`; returns its cancellation. */
  readonly setTimer: (callback: () => void, delayMs: number) => () => void;
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

interface Target {
  endpoint: Endpoint;
  scrape: ScrapeSpec;
  /** What was asked for; a change restarts the target. */
  readonly signature: string;
  readonly abort: AbortController;
  dueMs: number;
  suspect: boolean;
  cancelTimer: () => void;
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
  readonly #targets = new Map<string, Target>();
  readonly #agents: ScrapeAgents;
  readonly #trusted: Slots;
  readonly #suspects: Slots;
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
    const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
    this.#options = options;
    this.#agents = new ScrapeAgents(options.nowMs);
    this.#maxPageBytes = options.maxPageBytes ?? MAX_PAGE_BYTES;
    this.#trusted = new Slots(concurrency);
    this.#suspects = new Slots(Math.max(1, Math.ceil(concurrency / 4)));
  }

  setTargets(endpoints: readonly Endpoint[]): void {
    if (this.#closed) return;
    const wanted = new Map<string, { endpoint: Endpoint; scrape: ScrapeSpec; signature: string }>();
    for (const endpoint of endpoints) {
      const { scrape, engine } = endpoint.spec;
      if (scrape === undefined || wanted.has(endpoint.address)) continue;
      wanted.set(endpoint.address, { endpoint, scrape, signature: JSON.stringify([engine, scrape]) });
    }
    for (const [address, target] of this.#targets) {
      if (wanted.get(address)?.signature !== target.signature) this.#drop(address, target);
    }
    const nowMs = this.#options.nowMs();
    for (const [address, { endpoint, scrape, signature }] of wanted) {
      const known = this.#targets.get(address);
      if (known !== undefined) {
        known.endpoint = endpoint;
        continue;
      }
      const target: Target = {
        endpoint,
        scrape,
        signature,
        abort: new AbortController(),
        dueMs: nowMs + this.#options.random() * scrape.intervalMs,
        suspect: false,
        cancelTimer: () => {},
      };
      this.#targets.set(address, target);
      this.#schedule(target);
    }
    this.#agents.retain([...this.#targets.values()]);
  }

  stats(): ScrapeStats {
    return {
      targets: this.#targets.size,
      running: this.#trusted.taken + this.#suspects.taken,
      succeeded: this.#succeeded,
      failed: { ...this.#failed },
      durationMs: this.#durationMs,
      adaptersDropped: this.#adaptersDropped,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const [address, target] of this.#targets) this.#drop(address, target);
    await this.#agents.close();
  }

  #drop(address: string, target: Target): void {
    this.#targets.delete(address);
    target.cancelTimer();
    target.abort.abort();
  }

  #schedule(target: Target): void {
    const delayMs = Math.max(0, target.dueMs - this.#options.nowMs());
    target.cancelTimer = this.#options.setTimer(() => {
      const slots = target.suspect ? this.#suspects : this.#trusted;
      target.cancelTimer = slots.take((release) => {
        target.cancelTimer = () => {};
        void this.#scrape(target).finally(() => {
          release();
          if (target.abort.signal.aborted) return;
          const waitMs = target.scrape.intervalMs * (1 + JITTER * (2 * this.#options.random() - 1));
          target.dueMs = Math.max(target.dueMs + waitMs, this.#options.nowMs() + MIN_PAUSE_MS);
          this.#schedule(target);
        });
      });
    }, delayMs);
  }

  async #scrape(target: Target): Promise<void> {
    const { endpoint, scrape } = target;
    const startMs = this.#options.nowMs();
    let outcome: { failure?: ScrapeFailure; error?: PickerError } = {};
    try {
      const page = await this.#fetch(target);
      const { sample, adaptersDropped } = readPage(endpoint.spec.engine, page, this.#options.nowMs());
      if (target.abort.signal.aborted) return;
      // Only the time of arrival: a page without a single wanted metric is another program's.
      if (Object.keys(sample).length === 1) throw new EmptyPage();
      this.#succeeded++;
      this.#adaptersDropped += adaptersDropped;
      this.#options.onSample(endpoint.address, sample);
    } catch (cause) {
      if (target.abort.signal.aborted) return;
      const failure = classify(cause);
      this.#failed[failure]++;
      const error = new PickerError("SCRAPE_FAILED", `${failure}: ${describe(cause)}`, {
        path: `${endpoint.pool}/${endpoint.spec.name}`,
        value: endpoint.address,
        bound: failure === "timeout" ? scrape.timeoutMs : undefined,
        cause,
      });
      outcome = { failure, error };
    }
    target.suspect = outcome.failure !== undefined;
    const durationMs = this.#options.nowMs() - startMs;
    this.#durationMs += durationMs;
    this.#options.onOutcome?.({ endpoint: target.endpoint, durationMs, ...outcome });
  }

  async #fetch(target: Target): Promise<Buffer> {
    const { endpoint, scrape } = target;
    const abort = new AbortController();
    const giveUp = (): void => abort.abort(target.abort.signal.reason);
    target.abort.signal.addEventListener("abort", giveUp, { once: true });
    const cancelTimeout = this.#options.setTimer(() => abort.abort(new ScrapeTimeout()), scrape.timeoutMs);
    try {
      const host = endpoint.ip.includes(":") ? `[${endpoint.ip}]` : endpoint.ip;
      const response = await this.#agents.of(target).request({
        origin: `${scrape.tls === undefined ? "http" : "https"}://${host}:${scrape.port ?? endpoint.spec.port}`,
        path: scrape.path,
        method: "GET",
        headers: {
          accept: "text/plain;version=0.0.4",
          "accept-encoding": "identity",
          ...(scrape.bearerToken === undefined ? {} : { authorization: `Bearer ${scrape.bearerToken}` }),
        },
        signal: abort.signal,
      });
      if (response.statusCode !== 200) {
        abort.abort();
        response.body.on("error", () => {});
        throw new BadStatus(response.statusCode);
      }
      const maxBytes = scrape.maxPageBytes ?? this.#maxPageBytes;
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of response.body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw new PageTooLarge(maxBytes);
        chunks.push(chunk);
      }
      return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
    } finally {
      cancelTimeout();
      target.abort.signal.removeEventListener("abort", giveUp);
    }
  }
}

class ScrapeTimeout extends Error {}
class EmptyPage extends Error {}

class BadStatus extends Error {
  constructor(status: number) {
    super(`status ${status}`);
  }
}

class PageTooLarge extends Error {
  constructor(boundBytes: number) {
    super(`more than ${boundBytes} bytes`);
  }
}

function systemCode(cause: unknown): string {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
}

function classify(cause: unknown): ScrapeFailure {
  if (cause instanceof ScrapeTimeout) return "timeout";
  if (cause instanceof EmptyPage) return "empty";
  if (cause instanceof TlsFileUnreadable) return "tls";
  if (cause instanceof BadStatus) return "status";
  if (cause instanceof PageTooLarge || cause instanceof TooManySeries) return "too-large";
  if (
    cause instanceof errors.ConnectTimeoutError ||
    cause instanceof errors.HeadersTimeoutError ||
    cause instanceof errors.BodyTimeoutError
  ) {
    return "timeout";
  }
  const code = systemCode(cause);
  if (/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ETIMEDOUT)$/.test(code)) return "connect";
  if (/^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/.test(code)) return "reset";
  if (/CERT|^ERR_TLS|^ERR_SSL|^EPROTO|SELF_SIGNED|UNABLE_TO/.test(code)) return "tls";
  return "other";
}

/** Says what happened without the page or the request in it. */
function describe(cause: unknown): string {
  if (cause instanceof EmptyPage) return "no metric of this engine on the page";
  const code = systemCode(cause);
  const message = cause instanceof Error ? cause.message : String(cause);
  return code === "" ? message || "no answer in time" : `${code} ${message}`;
}
