import { FILTER_NAME, PICK_HEADER } from "../xds/names.ts";
import { at, type Fields, fieldsOf, listOf, parseJson, textOf } from "./json-fields.ts";

/** What the doctor reads of Envoy's `/config_dump`. Upstream keys stand in it, too: nothing else is kept. */
export interface EnvoyConfig {
  readonly listeners: readonly ListenerConfig[];
  /** Configurations of our filter, in whatever way they came. */
  readonly filters: readonly FilterConfig[];
  readonly clusters: readonly ClusterConfig[];
  /** Clusters that routes lead to. */
  readonly routedTo: ReadonlySet<string>;
}

export interface ListenerConfig {
  readonly name: string;
  /** Our filter stands before the router in some of its filter chains. */
  readonly hasFilter: boolean;
  /** A filter behind it writes the pick from filter state into the header. */
  readonly writesHeader: boolean;
  /** A filter behind it makes metadata of the header. */
  readonly writesMetadata: boolean;
}

export interface FilterConfig {
  readonly name: string;
  readonly runtime: string;
  readonly failurePolicy: string;
  readonly allowOnHeadersStopIteration: boolean;
  readonly generation: string;
  readonly feedClusters: readonly string[];
  readonly pick: string;
  readonly body: string;
}

export interface ClusterConfig {
  readonly name: string;
  /** Where it looks for the hosts that were picked; absent: it does not. */
  readonly pickedBy?: "header" | "metadata";
}

/** Undefined for what is no configuration dump. */
export function parseEnvoyConfig(page: unknown): EnvoyConfig | undefined {
  const dumps = listOf(at(page, "configs")).map(fieldsOf);
  if (dumps.length === 0) return undefined;
  const extensions = dumps.flatMap(extensionsOf);
  const listeners = dumps.flatMap(listenersOf).map(fieldsOf);
  const inline = listeners.flatMap(httpFiltersOf).flat().map(filterConfigOf);
  const discovered = extensions.map(filterConfigOf);
  return {
    listeners: listeners.map((listener) => listenerConfig(listener, discovered)),
    filters: [...discovered, ...inline].filter((filter) => filter !== undefined),
    clusters: dumps.flatMap(clustersOf).map(fieldsOf).map(clusterConfig),
    routedTo: new Set(dumps.flatMap(routesOf).flatMap(destinationsOf)),
  };
}

function isOf(dump: Fields, kind: string): boolean {
  return textOf(dump["@type"])?.endsWith(`.${kind}`) ?? false;
}

function extensionsOf(dump: Fields): readonly Fields[] {
  if (!isOf(dump, "EcdsConfigDump")) return [];
  return listOf(dump.ecds_filters).map((entry) => fieldsOf(at(entry, "ecds_filter")));
}

function listenersOf(dump: Fields): readonly unknown[] {
  if (!isOf(dump, "ListenersConfigDump")) return [];
  return [
    ...listOf(dump.static_listeners).map((entry) => at(entry, "listener")),
    ...listOf(dump.dynamic_listeners).map((entry) => at(entry, "active_state", "listener")),
  ].filter((listener) => listener !== undefined);
}

function clustersOf(dump: Fields): readonly unknown[] {
  if (!isOf(dump, "ClustersConfigDump")) return [];
  return [...listOf(dump.static_clusters), ...listOf(dump.dynamic_active_clusters)].map((entry) =>
    at(entry, "cluster"),
  );
}

/** Routes of tables that were discovered, and of those that came with the configuration. */
function routesOf(dump: Fields): readonly unknown[] {
  if (!isOf(dump, "RoutesConfigDump")) return [];
  return [...listOf(dump.static_route_configs), ...listOf(dump.dynamic_route_configs)]
    .flatMap((entry) => listOf(at(entry, "route_config", "virtual_hosts")))
    .flatMap((host) => listOf(at(host, "routes")));
}

function destinationsOf(route: unknown): readonly string[] {
  const weighted = listOf(at(route, "route", "weighted_clusters", "clusters"));
  return [at(route, "route", "cluster"), ...weighted.map((entry) => at(entry, "name"))].flatMap(
    (name) => textOf(name) ?? [],
  );
}

/** The HTTP filters of each of a listener's connection managers. */
function httpFiltersOf(listener: Fields): readonly (readonly Fields[])[] {
  return [...listOf(listener.filter_chains), listener.default_filter_chain]
    .flatMap((chain) => listOf(at(chain, "filters")))
    .map((filter) => fieldsOf(at(filter, "typed_config")))
    .filter((config) => textOf(config["@type"])?.endsWith(".HttpConnectionManager"))
    .map((config) => listOf(config.http_filters).map(fieldsOf));
}

function listenerConfig(listener: Fields, discovered: readonly (FilterConfig | undefined)[]): ListenerConfig {
  const names = new Set(discovered.map((filter) => filter?.name));
  const isOurs = (filter: Fields) =>
    names.has(textOf(filter.name)) || filter.name === FILTER_NAME || filterConfigOf(filter) !== undefined;
  const chains = httpFiltersOf(listener).filter((filters) => filters.some(isOurs));
  const haveBehind = (test: (filter: Fields) => boolean) =>
    chains.every((filters) => filters.slice(filters.findIndex(isOurs) + 1).some(test));
  return {
    name: textOf(listener.name) ?? "",
    hasFilter: chains.length > 0,
    writesHeader: haveBehind(writesHeader),
    writesMetadata: haveBehind(writesMetadata),
  };
}

function writesHeader(filter: Fields): boolean {
  return listOf(at(filter, "typed_config", "mutations", "request_mutations")).some((mutation) => {
    const header = fieldsOf(at(mutation, "append", "header"));
    return header.key === PICK_HEADER && textOf(header.value)?.includes("FILTER_STATE(wasm.pick") === true;
  });
}

function writesMetadata(filter: Fields): boolean {
  return listOf(at(filter, "typed_config", "request_rules")).some(
    (rule) => at(rule, "header") === PICK_HEADER && at(rule, "on_header_present", "key") === PICK_HEADER,
  );
}

/**
 * A Wasm filter that is ours, by its names or, where a WasmPlugin was given another, by its configuration; undefined
 * for any other.
 */
function filterConfigOf(filter: Fields): FilterConfig | undefined {
  // Istio wraps its own as a TypedStruct.
  const typed = fieldsOf(filter.typed_config);
  const config = fieldsOf(at(typed, "config") ?? at(typed, "value", "config"));
  const names = [filter.name, config.name, config.root_id, at(config, "vm_config", "vm_id")];
  const own = fieldsOf(ownConfiguration(config.configuration));
  const isNamed = names.some((name) => textOf(name)?.includes(FILTER_NAME));
  if (config.vm_config === undefined || !(isNamed || ("feeds" in own && "generation" in own)))
    return undefined;
  return {
    name: textOf(filter.name) ?? "",
    runtime: textOf(at(config, "vm_config", "runtime")) ?? "",
    failurePolicy: textOf(config.failure_policy) ?? "FAIL_CLOSED",
    allowOnHeadersStopIteration: config.allow_on_headers_stop_iteration === true,
    generation: String(own.generation ?? 0),
    feedClusters: listOf(own.feeds).flatMap((feed) => textOf(at(feed, "cluster")) ?? []),
    pick: textOf(own.pick) ?? "header",
    body: textOf(own.body) ?? "read",
  };
}

/** A StringValue of JSON, or a Struct. */
function ownConfiguration(configuration: unknown): unknown {
  const value = at(configuration, "value");
  return typeof value === "string" ? parseJson(value) : (value ?? configuration);
}

function clusterConfig(cluster: Fields): ClusterConfig {
  const name = textOf(cluster.name) ?? "";
  const sources = listOf(at(cluster, "load_balancing_policy", "policies")).flatMap((policy) =>
    listOf(at(policy, "typed_extension_config", "typed_config", "override_host_sources")),
  );
  if (sources.some((source) => at(source, "header") === PICK_HEADER)) return { name, pickedBy: "header" };
  const isMetadata = sources.some((source) =>
    listOf(at(source, "metadata", "path")).some((step) => at(step, "key") === PICK_HEADER),
  );
  return isMetadata ? { name, pickedBy: "metadata" } : { name };
}
