import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { FeedServer } from "../push/feed-server.ts";
import type { ModelListStats } from "../scrape/model-discovery.ts";
import type { ScrapeStats } from "../scrape/scraper.ts";
import type { StatusWriterStats } from "../status/writer.ts";
import { fnv1a64 } from "../table/hash.ts";
import type { LearnedPool } from "../table/report.ts";
import type { EndpointRow, PoolRow, TableRows } from "../table/rows.ts";
import { accountsPage } from "../telemetry/accounts-page.ts";
import type { AccountsTotals } from "../telemetry/accounts-totals.ts";
import { controllerMetric, helpOf } from "../telemetry/metric-catalogue.ts";
import type { AdsServer } from "../xds/ads-server.ts";

/** Where the metrics are read from at the moment they are asked for. */
export interface MetricSources {
  /** The table published last. */
  readonly rows: () => TableRows | undefined;
  readonly scrapes: () => ScrapeStats;
  readonly modelLists: () => ModelListStats;
  readonly feed: FeedServer;
  /** Requests and answers over all Envoys. */
  readonly accounts: AccountsTotals;
  readonly ads: AdsServer;
  /** Tables that could not be encoded since the start. */
  readonly tableErrors: () => number;
  /** Pools none of whose names resolves and which keep their earlier endpoints. */
  readonly strandedPools: () => number;
  /** Errors of the pools file and of name resolution since the start, by code. */
  readonly configErrors: () => ReadonlyMap<string, number>;
  /** Undefined where nobody is told: pools come from a file. */
  readonly status?: (() => StatusWriterStats | undefined) | undefined;
  /** This program's. */
  readonly version: string;
}

export interface MetricsPage {
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

/**
 * The controller's Prometheus page. `inference_pool_*` keep the reference picker's names; a mean is over
 * the endpoints that reported a fresh value, and absent if none did. Names, labels and descriptions are the
 * catalogue's.
 */
export function createMetrics(sources: MetricSources): MetricsPage {
  const registry = new Registry();
  // Event-loop lag, memory and CPU of this process.
  collectDefaultMetrics({ register: registry });
  poolGauges(registry, sources);
  endpointMetrics(registry, sources);
  total(registry, "inference_picker_scrapes_total", (set) => {
    const stats = sources.scrapes();
    set(stats.succeeded, { result: "success" });
    for (const [failure, count] of Object.entries(stats.failed)) set(count, { result: failure });
  });
  total(registry, "inference_picker_scrape_seconds_total", (set) =>
    set(sources.scrapes().durationMs / 1000, {}),
  );
  gauge(registry, "inference_picker_scrape_targets", (set) => set(sources.scrapes().targets, {}));
  total(registry, "inference_picker_scrape_adapters_dropped_total", (set) =>
    set(sources.scrapes().adaptersDropped, {}),
  );
  total(registry, "inference_picker_model_lists_total", (set) => {
    const stats = sources.modelLists();
    set(stats.succeeded, { result: "success" });
    for (const [failure, count] of Object.entries(stats.failed)) set(count, { result: failure });
  });
  total(registry, "inference_picker_model_names_dropped_total", (set) =>
    set(sources.modelLists().dropped, {}),
  );
  gauge(registry, "inference_picker_pools_stranded", (set) => set(sources.strandedPools(), {}));
  total(registry, "inference_picker_table_errors_total", (set) => set(sources.tableErrors(), {}));
  gauge(registry, "inference_picker_table_adapters_dropped", (set) =>
    set(sources.rows()?.adaptersDropped ?? 0, {}),
  );
  gauge(registry, "inference_picker_table_models_dropped", (set) =>
    set(sources.rows()?.modelsDropped ?? 0, {}),
  );
  gauge(registry, "inference_picker_table_sequence", (set) =>
    set(Number(sources.rows()?.sequence ?? 0n), {}),
  );
  gauge(registry, "inference_picker_feed_streams", (set) => set(sources.feed.counters().streams, {}));
  total(registry, "inference_picker_feed_tables_total", (set) => {
    const { tablesSent, tablesSkipped } = sources.feed.counters();
    set(tablesSent, { outcome: "sent" });
    set(tablesSkipped, { outcome: "skipped" });
  });
  total(registry, "inference_picker_feed_reports_total", (set) => {
    const { reportsAccepted, reportsRefused } = sources.feed.counters();
    set(reportsAccepted, { outcome: "accepted" });
    set(reportsRefused, { outcome: "refused" });
  });
  total(registry, "inference_picker_feed_accounts_total", (set) => {
    const { accountsAccepted, accountsRefused, accountsWithoutRoom } = sources.feed.counters();
    set(accountsAccepted, { outcome: "accepted" });
    set(accountsRefused, { outcome: "refused" });
    set(accountsWithoutRoom, { outcome: "no_room" });
  });
  total(registry, "inference_picker_feed_prefixes_total", (set) => {
    const { prefixesAccepted, prefixesRefused, prefixesSent, prefixesDropped } = sources.feed.counters();
    set(prefixesAccepted, { outcome: "accepted" });
    set(prefixesRefused, { outcome: "refused" });
    set(prefixesSent, { outcome: "sent" });
    set(prefixesDropped, { outcome: "dropped" });
  });
  learnedGauges(registry, sources);
  gauge(registry, "inference_picker_accounts_vms", (set) => set(sources.accounts.size, {}));
  gauge(registry, "inference_extension_info", (set) => set(1, { build_ref: sources.version }));
  gauge(registry, "inference_picker_ads_streams", (set) => set(sources.ads.states().length, {}));
  total(registry, "inference_picker_ads_nacks_total", (set) => set(sources.ads.nacks, {}));
  total(registry, "inference_picker_config_errors_total", (set) => {
    for (const [code, count] of sources.configErrors()) set(count, { code });
  });
  statusMetrics(registry, () => sources.status?.());
  return {
    contentType: registry.contentType,
    text: async () => `${await registry.metrics()}\n${accountsPage(sources.accounts.list())}`,
  };
}

type Set = (value: number, labels: Record<string, string>) => void;

function gauge(registry: Registry, name: string, read: (set: Set) => void): void {
  new Gauge({
    ...described(name),
    registers: [registry],
    collect() {
      this.reset();
      read((value, values) => this.set(values, value));
    },
  });
}

function described(name: string): { name: string; help: string; labelNames: string[] } {
  const metric = controllerMetric(name);
  return { name, help: helpOf(metric), labelNames: [...metric.labels] };
}

/** A counter whose total is kept elsewhere. */
function total(registry: Registry, name: string, read: (set: Set) => void): void {
  new Counter({
    ...described(name),
    registers: [registry],
    collect() {
      this.reset();
      read((value, values) => this.inc(values, value));
    },
  });
}

function statusMetrics(registry: Registry, stats: () => StatusWriterStats | undefined): void {
  new Gauge({
    ...described("inference_picker_leading"),
    registers: [registry],
    collect() {
      const known = stats();
      // A gauge without labels is 0 where nothing was set, which would say that another one leads.
      if (known === undefined) this.remove();
      else this.set(known.leading ? 1 : 0);
    },
  });
  const results = (name: string, read: (known: StatusWriterStats) => Readonly<Record<string, number>>) =>
    total(registry, name, (set) => {
      const known = stats();
      if (known === undefined) return;
      for (const [result, count] of Object.entries(read(known))) set(count, { result });
    });
  results("inference_picker_status_writes_total", (known) => ({
    success: known.statusWrites,
    conflict: known.statusConflicts,
    failure: known.statusFailures,
  }));
  results("inference_picker_events_total", (known) => ({
    success: known.eventsWritten,
    dropped: known.eventsDropped,
    failure: known.eventFailures,
  }));
}

function poolGauges(registry: Registry, sources: MetricSources): void {
  const mean = (name: string, column: (endpoint: EndpointRow) => number | undefined) =>
    gauge(registry, name, (set) => {
      for (const pool of sources.rows()?.pools ?? []) {
        const values = pool.endpoints.filter((endpoint) => fresh(pool, endpoint)).map(column);
        const known = values.filter((value) => value !== undefined);
        if (known.length > 0)
          set(known.reduce((sum, value) => sum + value, 0) / known.length, poolLabels(pool));
      }
    });
  mean("inference_pool_average_kv_cache_utilization", (row) => row.kvUsedRatio);
  mean("inference_pool_average_queue_size", (row) => row.queuedRequests);
  mean("inference_pool_average_running_requests", (row) => row.runningRequests);
  gauge(registry, "inference_pool_ready_pods", (set) => {
    for (const pool of sources.rows()?.pools ?? []) {
      set(pool.endpoints.filter((row) => row.ready && !row.draining).length, poolLabels(pool));
    }
  });
}

/** What nobody has learned yet is absent. */
function learnedGauges(registry: Registry, sources: MetricSources): void {
  const ofPools = (name: string, read: (learned: LearnedPool) => Readonly<Record<string, number>>) =>
    gauge(registry, name, (set) => {
      for (const pool of sources.rows()?.pools ?? []) {
        const learned = sources.feed.learned.poolOf(fnv1a64(pool.name));
        if (learned === undefined) continue;
        for (const [of, value] of Object.entries(read(learned))) {
          set(value, of === "" ? poolLabels(pool) : { ...poolLabels(pool), of });
        }
      }
    });
  ofPools("inference_picker_learned_time_seconds", (learned) => ({
    step: learned.stepMs / 1000,
    context_token: learned.contextTokenMs / 1000,
    sequence: learned.sequenceMs / 1000,
    prompt_token: learned.promptTokenMs / 1000,
  }));
  ofPools("inference_picker_learned_output_tokens", (learned) => ({ "": learned.outputTokens }));
  ofPools("inference_picker_learned_tokens_per_byte", (learned) => ({ "": learned.tokensPerByte }));
  ofPools("inference_picker_learned_observations", (learned) => ({ "": learned.observations }));
  gauge(registry, "inference_picker_learned_slowness", (set) => {
    for (const pool of sources.rows()?.pools ?? []) {
      for (const row of pool.endpoints) {
        const slowness = sources.feed.learned.slownessOf(row.id);
        if (slowness !== undefined) set(slowness, endpointLabels(pool, row));
      }
    }
  });
}

function endpointMetrics(registry: Registry, sources: MetricSources): void {
  gauge(registry, "inference_pool_per_pod_queue_size", (set) => {
    for (const pool of sources.rows()?.pools ?? []) {
      for (const row of pool.endpoints) {
        if (fresh(pool, row) && row.queuedRequests !== undefined)
          set(row.queuedRequests, endpointLabels(pool, row));
      }
    }
  });
  gauge(registry, "inference_picker_endpoint_age_seconds", (set) => {
    for (const pool of sources.rows()?.pools ?? []) {
      for (const row of pool.endpoints) {
        if (row.ageMs !== undefined) set(row.ageMs / 1000, endpointLabels(pool, row));
      }
    }
  });
  total(registry, "inference_picker_picks_total", (set) => {
    for (const pool of sources.rows()?.pools ?? []) {
      for (const row of pool.endpoints) set(Number(sources.feed.picksOf(row.id)), endpointLabels(pool, row));
    }
  });
}

function fresh(pool: PoolRow, row: EndpointRow): boolean {
  return row.ageMs !== undefined && row.ageMs <= pool.staleAfterMs;
}

function poolLabels(pool: PoolRow): { namespace: string; name: string } {
  const slash = pool.name.indexOf("/");
  return { namespace: pool.name.slice(0, slash), name: pool.name.slice(slash + 1) };
}

function endpointLabels(pool: PoolRow, row: EndpointRow): Record<string, string> {
  return { ...poolLabels(pool), model_server_pod: row.name };
}
