import type { PickerError } from "../errors.ts";
import type { Endpoint, Engine, Inventory, Sample } from "../model.ts";
import { createScraper, type ScrapeFailure } from "../scrape/scraper.ts";
import { createResolver } from "../sources/resolve.ts";
import type { SetTimer } from "../timer.ts";

/** No second scrape within a look: targets are asked once, at once. */
const ONCE_MS = 3_600_000;

export interface Clocks {
  /** Monotonic ms. */
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
}

export interface Resolved {
  readonly endpoints: readonly Endpoint[];
  /** By host name, why it does not resolve. */
  readonly failures: ReadonlyMap<string, string>;
}

/** The endpoints of all pools, as the controller resolves them, with what has an answer within the time. */
export function resolveOnce(inventory: Inventory, timeoutMs: number, clocks: Clocks): Promise<Resolved> {
  const failures = new Map<string, string>();
  return new Promise((resolve) => {
    const finish = (endpoints: readonly Endpoint[]): void => {
      cancel();
      // The resolver reports from within its first look, before it has been handed over.
      queueMicrotask(() => resolver.close());
      resolve({ endpoints, failures });
    };
    const resolver = createResolver({
      onEndpoints: finish,
      onError: (error: PickerError) => failures.set(error.path ?? "", error.message),
      setTimer: clocks.setTimer,
      timeoutMs,
    });
    // Where no name at all has an answer, nothing is reported before the names' own time is over.
    const cancel = clocks.setTimer(() => finish([]), 2 * timeoutMs);
    resolver.setInventory(inventory);
  });
}

export interface Scraped {
  readonly endpoint: Endpoint;
  /** Present: it worked. */
  readonly sample?: Sample;
  readonly failure?: ScrapeFailure;
  readonly message?: string;
}

/** One scrape of each endpoint that has metrics, all at once, by the controller's own scraper. */
export async function scrapeOnce(
  endpoints: readonly Endpoint[],
  timeoutMs: number,
  { nowMs, setTimer }: Clocks,
): Promise<readonly Scraped[]> {
  const targets = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const { scrape } = endpoint.spec;
    if (scrape === undefined || targets.has(endpoint.address)) continue;
    const once = {
      ...scrape,
      intervalMs: ONCE_MS,
      timeoutMs: Math.min(scrape.timeoutMs, timeoutMs),
    };
    targets.set(endpoint.address, { ...endpoint, spec: { ...endpoint.spec, scrape: once } });
  }
  const samples = new Map<string, Sample>();
  const outcomes = new Map<string, Scraped>();
  if (targets.size > 0) {
    await new Promise<void>((resolve) => {
      const scraper = createScraper({
        onSample: (address, sample) => samples.set(address, sample),
        onOutcome: ({ endpoint, failure, error }) => {
          const { address } = endpoint;
          const sample = samples.get(address);
          outcomes.set(address, {
            endpoint,
            ...(sample === undefined ? {} : { sample }),
            ...(failure === undefined ? {} : { failure, message: error?.message ?? failure }),
          });
          if (outcomes.size < targets.size) return;
          void scraper.close();
          resolve();
        },
        nowMs,
        random: () => 0,
        setTimer,
      });
      scraper.setTargets([...targets.values()]);
    });
  }
  return endpoints.flatMap((endpoint) => {
    const outcome = outcomes.get(endpoint.address);
    return outcome === undefined ? [] : [{ ...outcome, endpoint }];
  });
}

const ENGINES: readonly Engine[] = ["vllm", "sglang", "trtllm", "triton"];

/** The engine whose metrics the endpoint's page has; undefined if it has none's. */
export async function engineOf(
  endpoint: Endpoint,
  timeoutMs: number,
  clocks: Clocks,
): Promise<Engine | undefined> {
  const as = (engine: Engine) => ({ ...endpoint, spec: { ...endpoint.spec, engine } });
  const tried = await Promise.all(ENGINES.map((engine) => scrapeOnce([as(engine)], timeoutMs, clocks)));
  return ENGINES.find((_, index) => tried[index]![0]?.sample !== undefined);
}
