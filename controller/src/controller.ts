import { randomBytes } from "node:crypto";
import packageJson from "../../package.json" with { type: "json" };
import type { PickerError } from "./errors.ts";
import { FailureLog } from "./failure-log.ts";
import { Handover } from "./handover.ts";
import type { Peer } from "./handover-peers.ts";
import type { Target } from "./handover-steps.ts";
import type { Endpoint, Inventory } from "./model.ts";
import { startSource } from "./inventory-source.ts";
import { FeedServer } from "./push/feed-server.ts";
import { PrefixSecret } from "./push/prefix-secret.ts";
import { Publisher } from "./push/publisher.ts";
import { TableErrors } from "./push/table-errors.ts";
import { startRpcServer } from "./push/rpc-server.ts";
import type { SetTimer } from "./timer.ts";
import { ModelDiscovery } from "./scrape/model-discovery.ts";
import { createScraper } from "./scrape/scraper.ts";
import type { Settings } from "./settings.ts";
import { createResolver, type Lookup } from "./sources/resolve.ts";
import { SCORER_NAMES } from "./table/names.ts";
import { AccountsTotals } from "./telemetry/accounts-totals.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createMetrics } from "./web/metrics.ts";
import { type EnvoyView, type TableView, tableView } from "./web/table-view.ts";
import { startWebServer } from "./web/web-server.ts";
import { AdsServer } from "./xds/ads-server.ts";
import { type ModuleWatch, watchModule } from "./xds/module-watch.ts";
import { buildSnapshot } from "./xds/resources.ts";

export interface ControllerDeps {
  readonly logger: Logger;
  /** Where the pools file's `apiKeyEnv` and `tokenEnv` look, and what leads to an API server. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  /** Ms since the Unix epoch. */
  readonly wallMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly setTimer: SetTimer;
  /** Default: the system's resolver. */
  readonly lookup?: Lookup | undefined;
}

export interface Controller {
  /** Port of ADS and feed. */
  readonly rpcPort: number;
  readonly webPort: number;
  readonly feed: FeedServer;
  readonly ads: AdsServer;
  readonly ready: () => boolean;
  /** What `/table` shows. */
  readonly table: () => TableView | undefined;
  /** Takes nothing new, ends streams, waits for them up to the grace of the settings. What fails on the way is logged. */
  readonly close: () => Promise<void>;
}

/**
 * Wires sources → scrape → table → feed and ADS, and serves them.
 * @throws PickerError for a pools file that is bad at the start or where no API server is configured, else the system's
 * error for a port, certificate or module; nothing runs on then.
 */
export async function startController(settings: Settings, deps: ControllerDeps): Promise<Controller> {
  const { logger, nowMs, setTimer } = deps;
  const closers: (() => void | Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) {
      try {
        await closer();
      } catch (error) {
        logger.error({ err: error }, "shutdown: a part could not be closed, the others go on");
      }
    }
  };
  try {
    return await start();
  } catch (error) {
    await close();
    throw error;
  }

  async function start(): Promise<Controller> {
    const configErrors = new Map<string, number>();
    const onConfigError = (error: PickerError): void => {
      configErrors.set(error.code, (configErrors.get(error.code) ?? 0) + 1);
      logger.error({ code: error.code, path: error.path, line: error.line }, error.message);
    };
    const accounts = new AccountsTotals(nowMs);
    const epoch = BigInt(Math.floor(deps.wallMs()));
    const secret = new PrefixSecret({
      nowMs,
      wallMs: deps.wallMs,
      draw: () => randomBytes(8).readBigUInt64LE(),
      epoch,
    });
    const feed = new FeedServer({
      nowMs,
      setTimer,
      onAccounts: (message) => accounts.add(message),
      onTrouble: (trouble) => logger.warn(trouble, "feed: a peer's message was not taken"),
      secret,
    });
    const ads = new AdsServer({
      setTimer,
      onNack: (nack) => logger.error(nack, "ads: an Envoy rejected a response and keeps what it had"),
    });
    const tableErrors = new TableErrors();
    const publisher = new Publisher({
      feed,
      nowMs,
      setTimer,
      epoch,
      secret: () => secret.value,
      pushIntervalMs: settings.pushIntervalMs,
      pushAtMostMs: settings.pushAtMostMs,
      firstPushWaitMs: settings.firstPushWaitMs,
      onFirst: () => logger.info("first table published"),
      onError: (error) => {
        if (tableErrors.add(error))
          logger.error({ err: error }, "table: cannot be encoded, the last one stays");
      },
    });
    closers.push(() => publisher.close());

    const ready = (): boolean =>
      (publisher.ageMs() ?? Number.POSITIVE_INFINITY) <= READY_INTERVALS * settings.pushAtMostMs;

    let hosts: Target | undefined;
    let routed: Inventory | null = null;
    let watched: ModuleWatch | undefined;
    const publishResources = (): void => {
      if (hosts === undefined) return;
      const filter =
        settings.wasmFile === undefined
          ? undefined
          : {
              wasmFile: settings.wasmFile,
              moduleSha256: watched?.state().sha256,
              feeds: settings.feedClusters.map((cluster) => ({ cluster })),
              tickMs: settings.filterTickMs,
            };
      ads.publish(
        buildSnapshot(
          hosts.inventory,
          hosts.endpoints,
          { systemCaFile: settings.systemCaFile, filter },
          watched?.state().generation ?? 0,
          { withheld: hosts.withheld, routed },
        ),
      );
    };
    if (settings.wasmFile !== undefined) {
      const watch = watchModule(settings.wasmFile, {
        setTimer,
        reported: () => feed.reports().map(({ generation }) => generation),
        believedUpToMs: deps.wallMs(),
        onChange: (module) => {
          logger.info(module, "filter module changed");
          publishResources();
        },
        onError: (error) => logger.error({ err: error }, "filter module cannot be read"),
      });
      watched = watch;
      closers.push(() => watch.close());
    }

    const clocks = { nowMs, random: deps.random, setTimer };
    const scrapeFailures = new FailureLog(logger, "scrape");
    const scraper = createScraper({
      onSample: (address, sample) => publisher.setSample(address, sample),
      onOutcome: ({ endpoint: { address }, failure, error }) => {
        publisher.setAttempted(address);
        if (failure === undefined) scrapeFailures.worked(address);
        else scrapeFailures.failed(address, failure, error?.message);
      },
      wallMs: deps.wallMs,
      ...clocks,
    });
    closers.push(() => scraper.close());
    const listFailures = new FailureLog(logger, "list of models");
    const discovery = new ModelDiscovery({
      onModels: (pool, models) => {
        publisher.setModels(pool, models);
        if (models === undefined) logger.info({ pool }, "models forgotten");
        else logger.info({ pool, models: models.length }, "models found");
      },
      onOutcome: ({ endpoint, failure, error }) => {
        publisher.setAsked(endpoint);
        // A server that stands in two pools may answer the one's key and refuse the other's.
        const place = placeOf(endpoint);
        if (failure === undefined) listFailures.worked(place);
        else listFailures.failed(place, failure, error?.message);
      },
      ...clocks,
    });
    closers.push(() => discovery.close());
    const handover = new Handover({
      serveHosts: (target) => {
        hosts = target;
        publishResources();
      },
      serveRoutes: (inventory) => {
        routed = inventory;
        publishResources();
      },
      servedPeers: () => servedPeers(ads, feed),
      serveTable: ({ inventory, endpoints, withheld }) =>
        publisher.setEndpoints(inventory, endpoints, withheld),
      tableSent: (ticket) => (publisher.published()?.sequence ?? 0n) >= ticket,
      tablePeers: (ticket) =>
        feed.reports().map((report) => ({
          id: `feed ${report.node}`,
          node: report.node,
          settled: report.epoch === epoch && report.sequence >= ticket,
        })),
      nowMs,
      setTimer,
    });
    closers.push(() => handover.close());
    let configured: Inventory | undefined;
    const resolver = createResolver({
      onEndpoints: (resolved, withheld) => {
        if (configured === undefined) return;
        scrapeFailures.retain(new Set(resolved.map(({ address }) => address)));
        listFailures.retain(new Set(resolved.map(placeOf)));
        scraper.setTargets(resolved);
        discovery.setTargets(resolved);
        handover.move({ inventory: configured, endpoints: resolved, withheld });
        logger.info({ pools: configured.pools.length, endpoints: resolved.length }, "endpoints resolved");
      },
      onError: onConfigError,
      setTimer,
      ...(deps.lookup === undefined ? {} : { lookup: deps.lookup }),
    });
    closers.push(() => resolver.close());
    const source = await startSource(settings.source, {
      onInventory: (read) => {
        configured = read;
        resolver.setInventory(read);
      },
      onError: onConfigError,
      env: deps.env,
      logger,
      wallMs: deps.wallMs,
      ...clocks,
    });
    closers.push(() => source.close());

    const table = (): TableView | undefined => {
      const rows = publisher.rowsNow();
      return rows === undefined
        ? undefined
        : tableView(
            rows,
            (id) => feed.picksOf(id),
            inFlightOf(feed),
            envoyViews(feed),
            missingTermsOf(feed),
            { problem: source.problem(), findings: source.findings() },
          );
    };
    const rpc = await startRpcServer({
      host: settings.rpc.host,
      port: settings.rpc.port,
      tls: settings.rpcTls,
      setTimer,
      onCertificateError: (error) =>
        logger.error({ err: error }, "certificates cannot be renewed, the last ones stay"),
      services: [feed.service, ads.service],
    });
    closers.push(async () => {
      feed.close();
      ads.close();
      await rpc.close(settings.shutdownGraceMs);
    });
    const metrics = createMetrics({
      rows: () => publisher.rowsNow(),
      scrapes: () => scraper.stats(),
      modelLists: () => discovery.stats(),
      feed,
      accounts,
      ads,
      tableErrors: () => tableErrors.count,
      strandedPools: () => resolver.stranded().size,
      configErrors: () => configErrors,
      status: () => source.status(),
      version: packageJson.version,
    });
    const web = await startWebServer(settings.web.host, settings.web.port, {
      ready,
      metrics: async () => ({ contentType: metrics.contentType, body: await metrics.text() }),
      table,
    });
    closers.push(() => web.close());
    logger.info(
      { rpcPort: rpc.port, webPort: web.port, tls: settings.rpcTls !== undefined },
      "controller started",
    );
    return { rpcPort: rpc.port, webPort: web.port, feed, ads, ready, table, close };
  }
}

/** Longest silences of the publisher, in `pushAtMostMs`, after which this controller is not ready. */
const READY_INTERVALS = 3;

function placeOf({ pool, address }: Endpoint): string {
  return `${pool} ${address}`;
}

/** The streams of discovery, and the Envoys that report and have none here: another controller serves their hosts. */
function servedPeers(ads: AdsServer, feed: FeedServer): readonly Peer[] {
  const streams = ads.progress();
  const nodes = new Set(streams.map(({ node }) => node));
  const elsewhere = feed.reports().filter(({ node }) => !nodes.has(node));
  return [
    ...streams,
    ...elsewhere.map(({ node }) => ({ id: `elsewhere ${node}`, node, settled: false, elsewhere: true })),
  ];
}

/** In flight to an endpoint over all Envoys. */
function inFlightOf(feed: FeedServer): (id: bigint) => number {
  const sums = new Map<bigint, number>();
  for (const report of feed.reports()) {
    for (const { id, requests } of report.endpoints) sums.set(id, (sums.get(id) ?? 0) + requests);
  }
  return (id) => sums.get(id) ?? 0;
}

/** What some Envoy's filter lacks of a pool's profile, by name. */
function missingTermsOf(feed: FeedServer): (poolId: bigint) => readonly string[] {
  const bits = new Map<bigint, number>();
  for (const report of feed.reports()) {
    for (const [id, missing] of report.missingTerms) bits.set(id, (bits.get(id) ?? 0) | missing);
  }
  return (poolId) =>
    [...SCORER_NAMES].filter(([kind]) => (bits.get(poolId) ?? 0) & (1 << kind)).map(([, name]) => name);
}

function envoyViews(feed: FeedServer): readonly EnvoyView[] {
  return feed.reports().map((report) => ({
    node: report.node,
    epoch: report.epoch.toString(),
    sequence: report.sequence.toString(),
    generation: report.generation.toString(),
    liveSlots: report.liveSlots,
    tablesRefused: report.tablesRefused,
    inFlight: report.endpoints.reduce((sum, { requests }) => sum + requests, 0),
  }));
}
