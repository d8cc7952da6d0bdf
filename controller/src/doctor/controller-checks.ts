import { type Check, Checks, counted, listed } from "./check.ts";
import { type ControllerTable, parseControllerTable } from "./controller-table.ts";
import { parseJson } from "./json-fields.ts";
import { labelOf, readSeries, type Series } from "./metrics-lines.ts";
import { type Page, PageUnreachable, type ReadPage } from "./page.ts";

/** Reports come once a second at least, tables ten times a second by default: an Envoy this far behind takes none. */
const TABLES_BEHIND = 50n;

/** A change of controller or filter may have some refused, as older than what is there; the feed ends after more. */
export const REFUSED_IN_PASSING = 8;

/** Counters that stay at zero where all is well, and what one above it means. */
const TROUBLE: readonly { readonly metric: string; readonly labels?: string; readonly remedy: string }[] = [
  {
    metric: "inference_picker_config_errors_total",
    remedy: "read the controller's log for what was wrong; what was in force before stays in force",
  },
  {
    metric: "inference_picker_table_errors_total",
    remedy:
      "read the controller's log: a table that cannot be encoded is not sent, and Envoys keep the last one",
  },
  {
    metric: "inference_picker_ads_nacks_total",
    remedy: "read the controller's log for what Envoy rejected; it keeps the configuration it had",
  },
  {
    metric: "inference_picker_feed_accounts_total",
    labels: 'outcome="refused"',
    remedy: "bring filter and controller to one version",
  },
  {
    metric: "inference_picker_feed_reports_total",
    labels: 'outcome="refused"',
    remedy: "bring filter and controller to one version",
  },
];

export interface ControllerFindings {
  readonly checks: readonly Check[];
  /** Absent where there is none to be had. */
  readonly table?: ControllerTable;
}

/** Whether the controller answers, is ready, has endpoints and feeds Envoys. */
export async function checkController(
  address: string,
  ownVersion: string,
  read: ReadPage,
): Promise<ControllerFindings> {
  const checks = new Checks(`controller ${address}`);
  const page = (path: string) => pageOrReason(`http://${address}${path}`, read);
  const [ready, tablePage, metrics] = await Promise.all([page("/readyz"), page("/table"), page("/metrics")]);
  if (typeof ready === "string") {
    checks.failure(
      "reachable",
      ready,
      "start the controller, or name its --web-listen with --controller (none: it is not looked at)",
    );
    return { checks: checks.list };
  }
  checkReady(checks, ready);
  if (typeof metrics === "string" || metrics.status !== 200) {
    checks.warning("metrics", reasonOf(metrics), "is this the controller's --web-listen?");
  } else checkMetrics(checks, readSeries(metrics.body), ownVersion);
  if (typeof tablePage === "string" || tablePage.status !== 200) {
    checks.skipped("table", reasonOf(tablePage));
    return { checks: checks.list };
  }
  const table = parseControllerTable(parseJson(tablePage.body));
  if (table === undefined) {
    checks.failure("table", "the page is no table", "use the doctor of the controller's version");
    return { checks: checks.list };
  }
  checkTable(checks, table);
  checkEnvoys(checks, table);
  return { checks: checks.list, table };
}

function checkReady(checks: Checks, { status, body }: Page): void {
  if (status === 200) {
    checks.ok("ready", "a table is out");
    return;
  }
  checks.failure(
    "ready",
    `${status}: ${body.trim().slice(0, 200)}`,
    "read the controller's log: it sends its first table when its pools are read, and one every half second from then on",
  );
}

function checkMetrics(checks: Checks, series: readonly Series[], ownVersion: string): void {
  const reference = series.find(({ name }) => name === "inference_extension_info")?.labels ?? "";
  const version = labelOf(reference, "build_ref");
  if (version === undefined)
    checks.warning("version", "the page has none", "is this the controller's --web-listen?");
  else if (version === ownVersion) checks.ok("version", version);
  else {
    checks.warning(
      "version",
      `${version}, and this doctor is ${ownVersion}`,
      "use the controller's own doctor",
    );
  }
  const before = checks.list.length;
  for (const { metric, labels, remedy } of TROUBLE) {
    const count = series
      .filter(({ name, labels: own }) => name === metric && (labels === undefined || own.includes(labels)))
      .reduce((sum, { value }) => sum + value, 0);
    if (count > 0) checks.warning("errors", `${metric}${labels ? `{${labels}}` : ""} is ${count}`, remedy);
  }
  if (checks.list.length === before) checks.ok("errors", "none since its start");
}

function checkTable(checks: Checks, { problem, findings, pools }: ControllerTable): void {
  if (problem !== null && problem !== undefined)
    checks.failure("configuration", problem, "mend it: what was in force before stays in force until then");
  if (findings.length > 0) {
    checks.warning(
      "configuration",
      findings.join("; "),
      "mend these objects: their conditions and Events say the same; everything else is in force",
    );
  } else if (problem === null || problem === undefined) checks.ok("configuration", "in force as it stands");
  if (pools.length === 0) checks.failure("pools", "none", "add a pool");
  for (const pool of pools) {
    const name = `pool ${pool.name}`;
    const inState = (...states: readonly string[]) =>
      pool.endpoints.filter(({ state }) => states.includes(state)).map(({ name: endpoint }) => endpoint);
    const blind = inState("stale", "never scraped");
    const leaving = inState("draining", "not ready");
    const eligible = pool.endpoints.length - leaving.length;
    if (eligible === 0) {
      checks.failure(
        name,
        `no endpoint of ${pool.endpoints.length} may be picked`,
        "see the pool's own checks",
      );
    } else if (blind.length === 0)
      checks.ok(name, `${counted(eligible, "endpoint")} with fresh measurements`);
    else {
      const seen = `${blind.length} of ${counted(eligible, "endpoint")} picked without fresh measurements: ${listed(blind)}`;
      const remedy =
        "check their metrics from where the controller runs, and scrape.path, port and timeout of the pool";
      if (blind.length === eligible) checks.failure(name, seen, remedy);
      else checks.warning(name, seen, remedy);
    }
    if (pool.missingTerms.length > 0) {
      checks.warning(
        name,
        `an Envoy's filter lacks ${listed(pool.missingTerms)} of profile ${pool.profile}`,
        "deliver the filter of the controller's version to every Envoy",
      );
    }
  }
}

function checkEnvoys(checks: Checks, { envoys, epoch, sequence }: ControllerTable): void {
  if (envoys.length === 0) {
    checks.failure(
      "Envoys",
      "no Envoy's filter has a feed open",
      "check that Envoy runs, has the filter, and reaches --listen of the controller (the checks of --envoy-admin say which)",
    );
    return;
  }
  const newest = BigInt(sequence);
  // One that follows another controller counts by that one's sequence.
  const behind = envoys.filter(
    (envoy) => envoy.epoch === epoch && newest - BigInt(envoy.sequence) > TABLES_BEHIND,
  );
  const refusing = envoys.filter(({ tablesRefused }) => tablesRefused > REFUSED_IN_PASSING);
  const generations = new Set(envoys.map(({ generation }) => generation));
  if (refusing.length > 0) {
    checks.warning(
      "Envoys",
      `refused tables: ${listed(refusing.map(({ node, tablesRefused }) => `${node} ${tablesRefused}`))}`,
      "bring filter and controller to one version; read Envoy's log for the reason",
    );
  }
  if (behind.length > 0) {
    checks.warning(
      "Envoys",
      `behind by more than ${TABLES_BEHIND} tables: ${listed(behind.map(({ node }) => node))}`,
      "check the load of these Envoys and the network to them",
    );
  }
  if (generations.size > 1) {
    checks.warning(
      "Envoys",
      `filters of ${counted(generations.size, "generation")}: ${listed([...generations])}`,
      "wait for the change to reach all Envoys; one that stays behind did not get it",
    );
  }
  if (refusing.length + behind.length === 0 && generations.size === 1)
    checks.ok("Envoys", `${counted(envoys.length, "feed")} open: ${listed(envoys.map(({ node }) => node))}`);
}

async function pageOrReason(url: string, read: ReadPage): Promise<Page | string> {
  try {
    return await read(url);
  } catch (error) {
    if (error instanceof PageUnreachable) return `${url}: ${error.message}`;
    throw error;
  }
}

function reasonOf(page: Page | string): string {
  return typeof page === "string" ? page : `status ${page.status}`;
}
