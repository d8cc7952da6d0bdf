/** Many Pods: how soon their changes are in the table that filters get, and what watching them costs. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, describe, it } from "node:test";
import type { TableRows } from "../../controller/src/table/rows.ts";
import type { Gateway } from "../e2e/harness.ts";
import { steadily } from "../e2e/client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { cpuSeconds, prepareClusterGateway, startClusterGateway, waitedSeconds } from "./gateway-harness.ts";
import { NAMESPACE, pod, pool } from "./inference-objects.ts";
import { type MetricsPages, startMetricsPages } from "./metrics-pages.ts";
import { TableFeed } from "./table-feed.ts";
import { until } from "./until.ts";

const CHURNING_PODS = 300;
const CHANGES_PER_MINUTE = 1000;
/**
 * Scraping is most of what the controller does here, 0.6 to 0.8 ms of CPU time for each page of 50 KB, and not what is to be measured: half
 * as often as by default.
 */
const SCRAPE_INTERVAL = "1s";
const STILL_SECONDS = 10;
/** Shorter for runs by hand. */
const CHURN_SECONDS = Number(process.env.KUBE_CHURN_SECONDS ?? 60);
/** Out of the pool at a time: each is back about 4 s later. */
const AWAY_PODS = 30;
/** A quiet machine's p99 was 233 ms. */
const LAG_P99_MS = 500;
/** Where the controller waits for a core for a larger share of the time, its lag tells of others: the bound is that much higher. */
const QUIET_SHARE = 0.1;
const BUSY_FACTOR = 4;
/** The aim is 0.5, and 0.40 were measured; the rest is room for processors of two thirds of that one's speed. */
const CHURN_CORES = 0.75;

const RESTING_POOLS = 50;
const RESTING_PODS = 1000;
const REST_SECONDS = Math.min(20, CHURN_SECONDS);
const REST_CORES = 0.1;
const REST_MEGABYTES = 300;

/** What a test started, ended in reverse. */
const ends: (() => Promise<void>)[] = [];

after(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function cluster(): Promise<Cluster> {
  const started = await startCluster();
  ends.push(() => started.stop());
  await started.installCrds();
  await started.createNamespace(NAMESPACE);
  return started;
}

/** For times that are themselves what is claimed. */
function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}

interface Usage {
  /** Cores that the process used. */
  readonly cores: number;
  /** Share of the time in which it could have run and all cores were busy with others. */
  readonly waitedShare: number;
}

async function usageDuring(child: ChildProcess, work: () => Promise<void>): Promise<Usage> {
  const [startMs, usedS, waitedS] = [performance.now(), cpuSeconds(child), waitedSeconds(child)];
  await work();
  const tookS = (performance.now() - startMs) / 1000;
  return {
    cores: (cpuSeconds(child) - usedS) / tookS,
    waitedShare: (waitedSeconds(child) - waitedS) / tookS,
  };
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted.at(Math.ceil(sorted.length * share) - 1)!;
}

/** Waits until the controller's table has as many endpoints. */
async function untilEndpoints(gateway: Gateway, count: number): Promise<void> {
  await until(`${count} endpoints`, async () => {
    const pools = (await gateway.table())?.pools ?? [];
    return pools.reduce((sum, { endpoints }) => sum + endpoints.length, 0) === count;
  });
}

describe(`${CHANGES_PER_MINUTE} changes a minute over ${CHURNING_PODS} Pods`, () => {
  it("are in the table soon, at little cost", async () => {
    const { kubelet, api, gateway, pages } = await churning();
    const churn = new Churn(api, kubelet);
    const feed = new TableFeed(gateway.rpcPort, (table, atMs) => churn.see(table, atMs));
    ends.push(async () => feed.close());
    await until("a table", () => feed.count > 0);
    const still = await usageDuring(gateway.controller!, () => seconds(STILL_SECONDS));
    const { cores, waitedShare } = await usageDuring(gateway.controller!, async () => {
      const pause = steadily(CHANGES_PER_MINUTE / 60, () => churn.change());
      await seconds(CHURN_SECONDS);
      pause();
    });
    await until("every change is seen", () => churn.pending === 0);
    assert.deepEqual(churn.problems, []);
    const lags = [...churn.lagsMs].sort((a, b) => a - b);
    const [p50, p99, longest] = [percentile(lags, 0.5), percentile(lags, 0.99), lags.at(-1)!];
    const figures = [p50, p99, longest].map((ms) => `${ms.toFixed(0)} ms`);
    console.log(
      `${lags.length} changes in ${CHURN_SECONDS} s, pages of ${pages.pageBytes} bytes scraped every ${SCRAPE_INTERVAL}: table lag p50 / p99 / longest ${figures.join(" / ")}, controller ${cores.toFixed(3)} cores (without changes ${still.cores.toFixed(3)}), ${(waitedShare * 100).toFixed(0)} % of the time without a core though it had work`,
    );
    assert.ok(lags.length >= (CHANGES_PER_MINUTE / 60) * CHURN_SECONDS * 0.95, `${lags.length} changes`);
    const boundMs = waitedShare > QUIET_SHARE ? BUSY_FACTOR * LAG_P99_MS : LAG_P99_MS;
    if (boundMs > LAG_P99_MS) console.log(`the machine was busy with others: ${boundMs} ms are allowed`);
    assert.ok(p99 < boundMs, `p99 ${p99} ms`);
    assert.ok(cores < CHURN_CORES, `${cores} cores`);
  });
});

interface Churning {
  readonly api: Cluster;
  readonly kubelet: FakeKubelet;
  readonly gateway: Gateway;
  readonly pages: MetricsPages;
}

/** One pool of all Pods, each of which has metrics and models, behind a real Envoy. */
async function churning(): Promise<Churning> {
  const api = await cluster();
  const pages = await startMetricsPages();
  ends.push(() => pages.stop());
  const kubelet = await startFakeKubelet(api, {
    programsOf: (_pod, ip) => {
      pages.listen(ip);
      return [];
    },
  });
  ends.push(() => kubelet.stop());
  const names = Array.from({ length: CHURNING_PODS }, (_, i) => `chat-${i}`);
  await Promise.all(names.map((name) => api.admin.create(pod(name, { app: "chat" }))));
  await api.admin.create(pool("chat", { scrape: { interval: SCRAPE_INTERVAL } }));
  const gateway = await startClusterGateway(api, { name: "kubernetes-churn" });
  ends.push(() => gateway.stop());
  await untilEndpoints(gateway, CHURNING_PODS);
  return { api, kubelet, gateway, pages };
}

interface Change {
  readonly podName: string;
  readonly isThere: boolean;
  /** `performance.now()` of the API server's answer; undefined until then. */
  answeredMs: number | undefined;
  /** Of the first table that shows it. */
  seenMs: number | undefined;
}

/** Takes Pods out of the pool and back, one after the other: by their readiness, and by their labels. */
class Churn {
  readonly lagsMs: number[] = [];
  readonly problems: string[] = [];
  private readonly api: Cluster;
  private readonly kubelet: FakeKubelet;
  private readonly changes = new Set<Change>();
  /** Pods that were taken out, and of these those that are back, since the start. */
  private left = 0;
  private returned = 0;

  constructor(api: Cluster, kubelet: FakeKubelet) {
    this.api = api;
    this.kubelet = kubelet;
  }

  /** Changes that no table has shown. */
  get pending(): number {
    return this.changes.size;
  }

  change(): void {
    const isThere = this.left - this.returned >= AWAY_PODS;
    const index = (isThere ? this.returned++ : this.left++) % CHURNING_PODS;
    const podName = `chat-${index}`;
    // What is seen next could be either's.
    if ([...this.changes].some((pending) => pending.podName === podName))
      this.problems.push(`${podName} changes before its last change was seen`);
    const change: Change = { podName, isThere, answeredMs: undefined, seenMs: undefined };
    this.changes.add(change);
    const done =
      index % 2 === 0
        ? this.kubelet.setReady(NAMESPACE, podName, isThere)
        : this.api.admin.patch(pod(podName, {}), {
            metadata: { labels: { app: isThere ? "chat" : "none" } },
          });
    done.then(
      () => {
        change.answeredMs = performance.now();
        this.settle(change);
      },
      (error: unknown) => this.problems.push(`${podName}: ${String(error)}`),
    );
  }

  see(table: TableRows, atMs: number): void {
    const names = new Set(table.pools[0]?.endpoints.filter(({ ready }) => ready).map(({ name }) => name));
    for (const change of this.changes) {
      if (names.has(change.podName) !== change.isThere) continue;
      change.seenMs ??= atMs;
      this.settle(change);
    }
  }

  private settle(change: Change): void {
    const { answeredMs, seenMs } = change;
    if (answeredMs === undefined || seenMs === undefined) return;
    this.changes.delete(change);
    // A table may be here before the answer.
    this.lagsMs.push(Math.max(0, seenMs - answeredMs));
  }
}

describe(`${RESTING_POOLS} pools and ${RESTING_PODS} Pods that do not change`, () => {
  it("cost next to nothing", async () => {
    const api = await cluster();
    const kubelet = await startFakeKubelet(api);
    ends.push(() => kubelet.stop());
    const pods = Array.from({ length: RESTING_PODS }, (_, i) =>
      pod(`pod-${i}`, { app: `pool-${i % RESTING_POOLS}` }),
    );
    await Promise.all(pods.map((wanted) => api.admin.create(wanted)));
    // What scrapes cost has a test of its own.
    const config = { scrape: false, models: ["llama"] };
    const pools = Array.from({ length: RESTING_POOLS }, (_, i) => pool(`pool-${i}`, config));
    await Promise.all(pools.map((wanted) => api.admin.create(wanted)));
    const gateway = await prepareClusterGateway(api, { name: "kubernetes-rest" });
    ends.push(() => gateway.stop());
    const controller = await gateway.startController();
    await untilEndpoints(gateway, RESTING_PODS);
    const { cores } = await usageDuring(controller, () => seconds(REST_SECONDS));
    const megabytes = gateway.residentBytes(controller) / 2 ** 20;
    console.log(
      `${RESTING_POOLS} pools, ${RESTING_PODS} Pods at rest: ${cores.toFixed(3)} cores, ${megabytes.toFixed(0)} MiB resident`,
    );
    assert.ok(cores < REST_CORES, `${cores} cores`);
    assert.ok(megabytes < REST_MEGABYTES, `${megabytes} MiB`);
  });
});
