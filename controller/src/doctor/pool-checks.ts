import type { Endpoint, Engine, Inventory, PoolSpec, Sample } from "../model.ts";
import { metricNames } from "../scrape/engines.ts";
import type { ScrapeFailure } from "../scrape/scraper.ts";
import { type Check, Checks, counted, listed } from "./check.ts";
import { checkClasses } from "./class-checks.ts";
import { type Clocks, engineOf, resolveOnce, type Scraped, scrapeOnce } from "./endpoints.ts";

const REMEDIES: Readonly<Record<ScrapeFailure, string>> = {
  connect:
    "start the server, or set scrape.port to the port of its metrics; the controller may stand in another network",
  timeout: "look at the server's load and at the network, or raise scrape.timeout",
  reset: "look at the server's log: it closed the connection",
  status: "set scrape.path to the page that has its metrics, or give the token that it asks for",
  "too-large": "raise scrape.maxPageBytes",
  tls: "set scrape.tls as the server has it: its authority, its name, a client's certificate",
  empty:
    "set the pool's engine to the server's, and scrape.path to its metrics; with vLLM, do not disable its stats",
  other: "look at the server's log",
};

/** What picking goes by; the sizes of the KV cache are told to nobody yet. */
const WANTED = ["queuedRequests", "runningRequests", "kvUsedRatio"] as const;

/** For each pool: do its endpoints' names resolve, do their metrics answer from here, and is on them what is wanted? */
export async function checkPools(
  inventory: Inventory,
  timeoutMs: number,
  clocks: Clocks,
): Promise<readonly Check[]> {
  const checks = new Checks("pools");
  if (inventory.pools.length === 0) checks.failure("pools", "none", "add a pool");
  const { endpoints, failures } = await resolveOnce(inventory, timeoutMs, clocks);
  const scraped = await scrapedTwice(endpoints, timeoutMs, clocks);
  for (const pool of inventory.pools) {
    const key = `${pool.namespace}/${pool.name}`;
    const name = `pool ${key}`;
    const own = endpoints.filter((endpoint) => endpoint.pool === key);
    const resolved = new Set(own.map(({ spec }) => spec.host));
    const unresolved = [...new Set(pool.endpoints.map(({ host }) => host))]
      .filter((host) => !resolved.has(host))
      .map((host) => failures.get(host) ?? `${host}: no answer in time`);
    if (unresolved.length > 0) {
      checks.failure(
        name,
        `names that do not resolve here: ${listed(unresolved)}`,
        "mend the names; the controller may have another resolver",
      );
    }
    checkClasses(checks, name, pool);
    const withMetrics = own.filter(({ spec }) => spec.scrape !== undefined);
    if (own.length === 0) {
      if (unresolved.length === 0)
        checks.failure(name, "no endpoint", "add one: requests get 503, or round robin with FailOpen");
      continue;
    }
    if (withMetrics.length === 0) {
      checks.ok(name, `${counted(own.length, "endpoint")} without metrics, as configured`);
      continue;
    }
    await checkMetrics(
      checks,
      name,
      pool,
      scraped.filter(({ endpoint }) => endpoint.pool === key),
      { timeoutMs, clocks },
    );
  }
  return checks.list;
}

/** Who did not answer in time is asked once more: a busy moment is none of the controller's worries either. */
async function scrapedTwice(
  endpoints: readonly Endpoint[],
  timeoutMs: number,
  clocks: Clocks,
): Promise<readonly Scraped[]> {
  const first = await scrapeOnce(endpoints, timeoutMs, clocks);
  const late = first.filter(({ failure }) => failure === "timeout").map(({ endpoint }) => endpoint);
  const second = await scrapeOnce(late, timeoutMs, clocks);
  const byPlace = new Map(second.map((outcome) => [placeOf(outcome.endpoint), outcome]));
  return first.map((outcome) => byPlace.get(placeOf(outcome.endpoint)) ?? outcome);
}

/** An address may stand in several pools. */
function placeOf({ pool, address }: Endpoint): string {
  return `${pool} ${address}`;
}

interface Asking {
  readonly timeoutMs: number;
  readonly clocks: Clocks;
}

async function checkMetrics(
  checks: Checks,
  name: string,
  pool: PoolSpec,
  scraped: readonly Scraped[],
  { timeoutMs, clocks }: Asking,
): Promise<void> {
  const failed = scraped.filter(({ failure }) => failure !== undefined);
  const answered = scraped.length - failed.length;
  if (answered > 0)
    checks.ok(name, `metrics of ${answered} of ${counted(scraped.length, "endpoint")} answer`);
  // One line a kind of failure: a pool's endpoints mostly fail alike.
  const kinds = new Set(failed.map(({ failure }) => failure!));
  for (const kind of kinds) {
    const alike = failed.filter(({ failure }) => failure === kind);
    const names = listed(alike.map(({ endpoint }) => `${endpoint.spec.name} (${endpoint.address})`));
    const seen = `metrics of ${names}: ${alike[0]!.message!.replace(/^[^:]*: /, "")}`;
    const engine = kind === "empty" ? await engineOf(alike[0]!.endpoint, timeoutMs, clocks) : undefined;
    const remedy = engine === undefined ? REMEDIES[kind] : `set engine: ${engine}`;
    if (answered === 0) checks.failure(name, seen, remedy);
    else checks.warning(name, seen, remedy);
  }
  for (const [metrics, endpoints] of missingMetrics(pool, scraped)) {
    checks.warning(
      name,
      `${metrics} not on the page of ${listed(endpoints)}`,
      "bring the server to a version that has them; scorers that go by them take the endpoint as average",
    );
  }
}

/** By what is missing, the endpoints that lack it. */
function missingMetrics(pool: PoolSpec, scraped: readonly Scraped[]): ReadonlyMap<string, readonly string[]> {
  const missing = new Map<string, string[]>();
  for (const { endpoint, sample } of scraped) {
    if (sample === undefined) continue;
    const names = missingOf(endpoint.spec.engine, sample, pool);
    if (names.length === 0) continue;
    const key = names.join(", ");
    missing.set(key, [...(missing.get(key) ?? []), endpoint.spec.name]);
  }
  return missing;
}

function missingOf(engine: Engine, sample: Sample, pool: PoolSpec): readonly string[] {
  const names = metricNames(engine);
  const wanted = WANTED.filter((column) => sample[column] === undefined).map((column) => names[column]);
  const wantsAdapters = names.adapters !== undefined && pool.models.some(({ adapter }) => adapter);
  return wantsAdapters && sample.adapters === undefined ? [...wanted, names.adapters!] : wanted;
}
