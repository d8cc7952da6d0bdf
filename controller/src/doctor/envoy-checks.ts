import { type Check, Checks, counted, listed } from "./check.ts";
import { REFUSED_IN_PASSING } from "./controller-checks.ts";
import type { ControllerTable } from "./controller-table.ts";
import { type EnvoyConfig, type FilterConfig, parseEnvoyConfig } from "./envoy-config.ts";
import { type ClusterHosts, parseClusterHosts } from "./envoy-hosts.ts";
import { at, parseJson, textOf } from "./json-fields.ts";
import { readStats } from "./metrics-lines.ts";
import { PageUnreachable, type ReadPage } from "./page.ts";

/** The minor version that the tests run on. */
const TESTED = "1.40";
/** Stats that are read: of the filter, its VMs, discovery and listeners. Istio's proxies keep only a part of them. */
const STATS =
  "^wasm|connected_state$|update_rejected$|config_fail$|total_listeners_|extension_config_missing$";

/**
 * Whether an Envoy runs the filter, gets tables, and sends to what was picked.
 *
 * @param table the controller's; absent: which clusters are the pools' is not known
 */
export async function checkEnvoy(
  address: string,
  table: ControllerTable | undefined,
  read: ReadPage,
): Promise<readonly Check[]> {
  const checks = new Checks(`Envoy ${address}`);
  const page = async (path: string) => {
    const { status, body } = await read(`http://${address}${path}`);
    if (status !== 200) throw new PageUnreachable(`${path}: status ${status}`);
    return body;
  };
  try {
    const [server, dump, hostsPage, statsPage] = await Promise.all([
      page("/server_info"),
      page("/config_dump"),
      page("/clusters?format=json"),
      page(`/stats?filter=${encodeURIComponent(STATS)}`),
    ]);
    checkServer(checks, parseJson(server));
    const config = parseEnvoyConfig(parseJson(dump));
    const stats = readStats(statsPage);
    const hosts = parseClusterHosts(parseJson(hostsPage));
    if (config === undefined)
      checks.failure("configuration", "the page is no configuration dump", "is this Envoy's admin page?");
    else {
      checkListeners(checks, config, stats);
      checkFilter(checks, config, stats);
      checkFeed(checks, config, hosts);
      checkTables(checks, config, stats);
      checkClusters(checks, config, hosts, table);
    }
    checkDiscovery(checks, stats);
    checkPicks(checks, stats);
  } catch (error) {
    if (!(error instanceof PageUnreachable)) throw error;
    checks.failure(
      "reachable",
      error.message,
      "start Envoy, or name its admin page with --envoy-admin (none: it is not looked at)",
    );
  }
  return checks.list;
}

type Stats = ReadonlyMap<string, number>;

function checkServer(checks: Checks, info: unknown): void {
  // `commit/1.40.0/Clean/RELEASE/BoringSSL`
  const version = textOf(at(info, "version"))?.split("/")[1];
  const state = textOf(at(info, "state"));
  if (version === undefined) checks.warning("version", "the page has none", "is this Envoy's admin page?");
  else if (version.startsWith(`${TESTED}.`)) checks.ok("version", version);
  else checks.warning("version", `${version} was not tested`, `run Envoy ${TESTED}`);
  if (state === "LIVE") checks.ok("state", "live");
  else {
    checks.failure(
      "state",
      state ?? "unknown",
      "Envoy listens when its clusters, routes and filter have come: check that it reaches the controller",
    );
  }
}

function checkListeners(checks: Checks, config: EnvoyConfig, stats: Stats): void {
  const withFilter = config.listeners.filter(({ hasFilter }) => hasFilter);
  const warming = stats.get("listener_manager.total_listeners_warming") ?? 0;
  if (withFilter.length === 0) {
    checks.failure(
      "listeners",
      `none of ${counted(config.listeners.length, "listener")} has the filter`,
      "put the filter before the router in the listener's HTTP filters, as envoy/bootstrap.yaml does",
    );
  } else checks.ok("listeners", `with the filter: ${listed(withFilter.map(({ name }) => name))}`);
  if (warming > 0) {
    checks.warning(
      "listeners",
      `${warming} not open yet`,
      "a listener opens when its filter has come: check that Envoy reaches the controller, and its log",
    );
  }
  const missing = sumOf(stats, /extension_config_missing$/);
  if (missing > 0) {
    checks.warning(
      "listeners",
      `${counted(missing, "connection")} closed because the filter's configuration had not come`,
      "check that the controller has --wasm-file and that Envoy reaches it",
    );
  }
  const unwritten = withFilter.filter(({ writesHeader }) => !writesHeader).map(({ name }) => name);
  if (config.filters.some(({ pick }) => pick === "property") && unwritten.length > 0) {
    checks.failure(
      "listeners",
      `the filter leaves its pick as filter state, and nothing makes the header of it: ${listed(unwritten)}`,
      "put a header_mutation filter behind it, as envoy/bootstrap.yaml does, or configure the filter with pick: header",
    );
  }
  const byMetadata = config.clusters.filter(({ pickedBy }) => pickedBy === "metadata");
  const unmarked = withFilter.filter(({ writesMetadata }) => !writesMetadata).map(({ name }) => name);
  if (byMetadata.length > 0 && unmarked.length > 0) {
    checks.failure(
      "listeners",
      `clusters look for the pick in metadata, and nothing makes metadata of the header: ${listed(unmarked)}`,
      "put a header_to_metadata filter behind the filter, as istio generate does",
    );
  }
}

function checkFilter(checks: Checks, config: EnvoyConfig, stats: Stats): void {
  const { filters } = config;
  if (filters.length === 0) {
    checks.failure(
      "filter",
      "no configuration of it has come",
      "check that the controller has --wasm-file and that Envoy reaches it; with Istio, that the WasmPlugin or EnvoyFilter selects this gateway",
    );
    return;
  }
  for (const filter of filters) checkFilterConfig(checks, filter);
  const rejected = sumOf(stats, /^extension_config_discovery\..*(?:update_rejected|config_fail)$/);
  if (rejected > 0) {
    checks.warning(
      "filter",
      `${counted(rejected, "configuration")} of it rejected since the start`,
      "read Envoy's log for the reason; it keeps the configuration it had",
    );
  }
  const active = sumOf(stats, /^wasm\.envoy\.wasm\.runtime\..*\.active$/);
  if (active === 0) {
    checks.failure(
      "VMs",
      "none runs",
      "read Envoy's log: the module may be missing or not compile; Envoy must be built with the Wasm runtime V8",
    );
  } else checks.ok("VMs", `${active} run`);
  const reloads = sumOf(stats, /^wasm\..*\.vm_reload$/);
  if (reloads > 0) {
    checks.warning(
      "VMs",
      `${reloads} restarted after a trap since the start`,
      "read Envoy's log for the trap and report it: requests of that worker got 503 meanwhile",
    );
  }
}

function checkFilterConfig(checks: Checks, filter: FilterConfig): void {
  if (!filter.allowOnHeadersStopIteration && filter.body !== "pass") {
    checks.failure(
      "filter",
      `${filter.name} may wait for bodies, and allow_on_headers_stop_iteration is not set: such requests hang`,
      "set allow_on_headers_stop_iteration, or configure the filter with body: pass",
    );
  }
  if (filter.failurePolicy !== "FAIL_RELOAD") {
    checks.warning(
      "filter",
      `${filter.name} has failure policy ${filter.failurePolicy}: a worker whose VM traps stays without it`,
      "set failure_policy: FAIL_RELOAD",
    );
  }
  checks.ok("filter", `${filter.name}, generation ${filter.generation}, ${filter.runtime}`);
}

function checkFeed(checks: Checks, config: EnvoyConfig, hosts: ClusterHosts): void {
  const feeds = [...new Set(config.filters.flatMap(({ feedClusters }) => feedClusters))];
  if (config.filters.length === 0) {
    checks.skipped("feed", "the filter has no configuration");
    return;
  }
  if (feeds.length === 0) {
    checks.failure("feed", "the filter's configuration names none", "name the controller's cluster in feeds");
    return;
  }
  for (const feed of feeds) {
    const state = hosts.get(feed);
    if (state === undefined) {
      checks.failure(
        "feed",
        `Envoy has no cluster ${feed}`,
        "add the cluster, as envoy/bootstrap.yaml does, or name another in the filter's feeds",
      );
    } else if (state.connections === 0) {
      checks.failure(
        "feed",
        `cluster ${feed} has no connection`,
        "check that the controller runs and that its --listen is the cluster's address, TLS on both sides or on none",
      );
    } else checks.ok("feed", `cluster ${feed} is connected`);
  }
}

function checkTables(checks: Checks, config: EnvoyConfig, stats: Stats): void {
  const count = (name: string) => stats.get(`wasmcustom.inference_picker.feed.${name}`);
  const accepted = count("tables_accepted");
  if (config.filters.length === 0 || accepted === undefined) {
    checks.skipped("tables", "Envoy shows no counters of the filter");
    return;
  }
  if (accepted === 0) {
    checks.failure(
      "tables",
      "none has come",
      "check the feed above; a controller sends its first table when it is ready",
    );
  } else checks.ok("tables", `${accepted} accepted`);
  const refused = (count("tables_refused") ?? 0) + (count("tables_unreadable") ?? 0);
  if (refused > REFUSED_IN_PASSING) {
    checks.warning(
      "tables",
      `${refused} refused since the start`,
      "bring filter and controller to one version; read Envoy's log for the reason",
    );
  }
}

function checkClusters(
  checks: Checks,
  config: EnvoyConfig,
  hosts: ClusterHosts,
  table: ControllerTable | undefined,
): void {
  const following = config.clusters.filter(({ pickedBy }) => pickedBy !== undefined).map(({ name }) => name);
  if (table === undefined) {
    if (following.length > 0) checks.ok("clusters", `that follow the pick: ${listed(following)}`);
    else {
      checks.failure(
        "clusters",
        "none follows the pick",
        "give the pool's cluster the policy override_host, as the controller's own clusters have",
      );
    }
    return;
  }
  const known = new Set(config.clusters.map(({ name }) => name));
  for (const { name: pool, clusters, endpoints } of table.pools) {
    const present = clusters.filter((name) => known.has(name));
    // A mesh has clusters of Services that nobody routes to.
    const routed = present.filter((name) => config.routedTo.has(name));
    const own = routed.length > 0 ? routed : present;
    const ignoring = own.filter((name) => !following.includes(name));
    const empty = own.filter((name) => hosts.get(name)?.hosts === 0);
    const name = `pool ${pool}`;
    if (own.length === 0) {
      checks.warning(
        name,
        `Envoy has none of its clusters: ${listed(clusters)}`,
        "check that Envoy reaches the controller, or add the cluster's name to the pool's clusters",
      );
    } else if (ignoring.length > 0) {
      checks.failure(
        name,
        `sends elsewhere than picked: ${listed(ignoring)}`,
        "give the cluster the policy override_host with the pick's header, as the controller's own clusters have",
      );
    } else if (empty.length > 0 && endpoints.length > 0) {
      checks.failure(
        name,
        `the pool has ${counted(endpoints.length, "endpoint")}, and Envoy no host of ${listed(empty)}`,
        "check that Envoy reaches the controller; with Istio, that the Service selects the pool's Pods",
      );
    } else checks.ok(name, `follows the pick: ${listed(own)}`);
  }
}

function checkDiscovery(checks: Checks, stats: Stats): void {
  const connected = stats.get("control_plane.connected_state");
  if (connected === 0) {
    checks.warning(
      "discovery",
      "not connected",
      "check that the control plane runs and is reached; Envoy keeps what it has",
    );
  } else if (connected !== undefined) checks.ok("discovery", "connected");
  const rejected = [...stats].filter(
    ([name, count]) => count > 0 && name.endsWith("update_rejected") && !name.startsWith("extension_config"),
  );
  if (rejected.length > 0) {
    checks.warning(
      "discovery",
      `rejected since the start: ${listed(rejected.map(([name, count]) => `${name} ${count}`))}`,
      "read the logs of Envoy and of the controller; Envoy keeps the configuration it had",
    );
  }
}

function checkPicks(checks: Checks, stats: Stats): void {
  const count = (name: string) => stats.get(`wasmcustom.inference_picker.${name}`);
  const picks = count("picks");
  if (picks === undefined) {
    checks.skipped("picks", "the filter counts none yet");
    return;
  }
  checks.ok("picks", `${picks}, and ${counted(count("answers") ?? 0, "answer")} of the filter's own`);
  const open = count("fail_open") ?? 0;
  if (open > 0) {
    checks.warning(
      "picks",
      `${counted(open, "request")} of FailOpen pools went on without one since the start`,
      "look at the pools' endpoints and at the tables; after a start without a controller this is as it should be",
    );
  }
  const exhausted = count("slots_exhausted") ?? 0;
  if (exhausted > 0) {
    checks.warning(
      "picks",
      "a VM found no slot and does not share what it has in flight",
      "run fewer workers: 256 VMs have room",
    );
  }
}

function sumOf(stats: Stats, name: RegExp): number {
  return [...stats].reduce((sum, [stat, count]) => (name.test(stat) ? sum + count : sum), 0);
}
