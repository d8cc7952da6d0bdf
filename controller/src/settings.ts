import { hostname } from "node:os";
import { PickerError } from "./errors.ts";
import { environmentName, type Flag, flagLines, oneOf, parseFlags } from "./flags.ts";
import type { TlsClient } from "./model.ts";
import type { ServerTls } from "./push/certificate-files.ts";
import type { KubernetesSourceSettings } from "./sources/kubernetes/settings.ts";
import { FEED_CLUSTER } from "./xds/names.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Listen {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface FileSettings {
  readonly kind: "file";
  readonly poolsFile: string;
}

/** An object's place. */
export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}

export interface KubernetesSettings extends KubernetesSourceSettings {
  readonly kind: "kubernetes";
  /** A pools file with `routes` alone. Absent: one route `/`. */
  readonly routesFile?: string | undefined;
  /** Absent: the service account's token where one is mounted, else what kubectl would use. */
  readonly kubeconfig?: string | undefined;
  /** The Gateway in whose name statuses are written. Absent: no status is written. */
  readonly parent?: NamespacedName | undefined;
  /** Absent: `inference-picker` in the controller's own namespace. */
  readonly lease?: NamespacedName | undefined;
  /** Whom the Lease names as its holder. */
  readonly identity: string;
}

/** The controller's settings; the defaults stand in SETTINGS below and nowhere else. */
export interface Settings {
  /** Where pools and routes come from. */
  readonly source: FileSettings | KubernetesSettings;
  /** ADS and feed, one port. */
  readonly rpc: Listen;
  readonly rpcTls?: ServerTls | undefined;
  /** Health, readiness, metrics, table. */
  readonly web: Listen;
  /** The filter's module, as this process and Envoy see it. Absent: no filter is served. */
  readonly wasmFile?: string | undefined;
  readonly filterTickMs: number;
  /** Envoy clusters over which the filter reaches controllers; each serves the same table. */
  readonly feedClusters: readonly string[];
  readonly systemCaFile: string;
  /** Shortest time between two tables. */
  readonly pushIntervalMs: number;
  /** Longest time between two tables; rows' ages are at most this old. */
  readonly pushAtMostMs: number;
  /** How long the first table waits for one scrape and one list of models of every endpoint. */
  readonly firstPushWaitMs: number;
  readonly shutdownGraceMs: number;
  readonly logLevel: LogLevel;
  /** Where to write Envoy's configuration; absent: nowhere. */
  readonly bootstrapOut?: string | undefined;
  readonly bootstrapTemplate: string;
  readonly nodeId: string;
  readonly gateway: Listen;
  readonly admin: Listen;
  readonly accessLog: string;
  /** How Envoy checks the controller, and what it shows it; only for the written bootstrap. */
  readonly envoyTls?: TlsClient | undefined;
  readonly maxHeapBytes: number;
  readonly maxConnections: number;
}

/** Flag `--pools-file`, environment `INFERENCE_PICKER_POOLS_FILE`; a flag wins. */
const SETTINGS = {
  source: { flag: "source", fallback: "file", help: "where pools come from: file, kubernetes" },
  poolsFile: { flag: "pools-file", help: "pools and routes (YAML), with kubernetes routes alone; watched" },
  kubeconfig: { flag: "kubeconfig", help: "how to reach the API server; default: as a Pod, or as kubectl" },
  namespace: { flag: "namespace", help: "the only namespace to watch; default: all" },
  parent: { flag: "parent", help: "Gateway in whose name statuses are written, namespace/name" },
  pickerRef: {
    flag: "picker-ref",
    fallback: "ignore",
    help: "pools that name an endpoint picker: ignore, take-over",
  },
  clusterDomain: { flag: "cluster-domain", fallback: "cluster.local", help: "domain of Services" },
  istio: { flag: "istio", fallback: "false", help: "map Istio's clusters to pools: true, false" },
  lease: {
    flag: "lease",
    help: "Lease of the one that writes, namespace/name; default: inference-picker in the own namespace",
  },
  identity: { flag: "identity", help: "name in the Lease; default: $POD_NAME, or the host's name" },
  listen: { flag: "listen", fallback: "127.0.0.1:18000", help: "ADS and feed (gRPC), host:port" },
  tlsCert: { flag: "tls-cert", help: "certificate of the gRPC port (PEM)" },
  tlsKey: { flag: "tls-key", help: "its private key (PEM)" },
  tlsClientCa: { flag: "tls-client-ca", help: "clients must show a certificate of this authority (PEM)" },
  webListen: {
    flag: "web-listen",
    fallback: "127.0.0.1:18001",
    help: "health, metrics, table (HTTP), host:port",
  },
  wasmFile: { flag: "wasm-file", help: "the filter's module, as Envoy sees the path; watched" },
  filterTick: { flag: "filter-tick-ms", fallback: "25", help: "how often the filter publishes its counts" },
  feedClusters: {
    flag: "feed-clusters",
    fallback: FEED_CLUSTER,
    help: "Envoy clusters of the controllers, comma-separated",
  },
  systemCa: {
    flag: "system-ca-file",
    fallback: "/etc/ssl/certs/ca-certificates.crt",
    help: "authorities for TLS endpoints without a caFile, as Envoy sees the path",
  },
  pushInterval: { flag: "push-interval-ms", fallback: "100", help: "shortest time between two tables" },
  pushAtMost: { flag: "push-at-most-ms", fallback: "500", help: "longest time between two tables" },
  firstPushWait: {
    flag: "first-push-wait-ms",
    fallback: "1000",
    help: "wait for a first scrape and list of models of all endpoints",
  },
  shutdownGrace: { flag: "shutdown-grace-ms", fallback: "2000", help: "wait for open streams at the end" },
  logLevel: { flag: "log-level", fallback: "info", help: LOG_LEVELS.join(", ") },
  bootstrapOut: { flag: "bootstrap-out", help: "write Envoy's configuration to this file" },
  bootstrapTemplate: { flag: "bootstrap-template", fallback: "envoy/bootstrap.yaml", help: "its template" },
  nodeId: { flag: "node-id", fallback: "gateway", help: "Envoy's node id in it" },
  gatewayListen: {
    flag: "gateway-listen",
    fallback: "127.0.0.1:8080",
    help: "Envoy's gateway in it, host:port",
  },
  adminListen: {
    flag: "admin-listen",
    fallback: "127.0.0.1:9901",
    help: "Envoy's admin page in it, host:port",
  },
  accessLog: { flag: "access-log", fallback: "/dev/stdout", help: "Envoy's access log in it" },
  envoyCa: { flag: "envoy-ca", help: "authority by which Envoy checks the controller (PEM)" },
  envoyCert: { flag: "envoy-cert", help: "certificate that Envoy shows the controller (PEM)" },
  envoyKey: { flag: "envoy-key", help: "its private key (PEM)" },
  envoyServerName: {
    flag: "envoy-server-name",
    help: "name in the controller's certificate; default: the host dialled",
  },
  maxHeap: { flag: "envoy-max-heap-bytes", fallback: "2147483648", help: "Envoy sheds load near this heap" },
  maxConnections: {
    flag: "envoy-max-connections",
    fallback: "20000",
    help: "client connections that Envoy accepts",
  },
} as const satisfies Record<string, Flag>;

type Key = keyof typeof SETTINGS;

/**
 * Reads the command line (`--flag value`, `--flag=value`) over the environment.
 * @throws PickerError CONFIG_UNKNOWN_KEY, CONFIG_MISSING, CONFIG_FORMAT, CONFIG_RANGE or CONFIG_CONFLICT,
 * with the flag, the value and the bound.
 */
export function parseSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Settings {
  const flags = parseFlags(args, SETTINGS);
  const optional = (key: Key): string | undefined => {
    const setting: Flag = SETTINGS[key];
    return flags.get(setting.flag) ?? env[environmentName(setting.flag)] ?? setting.fallback;
  };
  const required = (key: Key): string => {
    const value = optional(key);
    if (value !== undefined && value !== "") return value;
    const { flag } = SETTINGS[key];
    throw new PickerError("CONFIG_MISSING", `is required (or ${environmentName(flag)})`, {
      path: `--${flag}`,
    });
  };
  const pushIntervalMs = integer("pushInterval", required("pushInterval"), 10, 10_000);
  return {
    source:
      oneOf(SETTINGS.source, required("source"), ["file", "kubernetes"]) === "file"
        ? fileSettings(required("poolsFile"), optional)
        : kubernetesSettings(required, optional, env),
    rpc: listen("listen", required("listen")),
    rpcTls: serverTls(optional("tlsCert"), optional("tlsKey"), optional("tlsClientCa")),
    web: listen("webListen", required("webListen")),
    wasmFile: optional("wasmFile"),
    filterTickMs: integer("filterTick", required("filterTick"), 5, 250),
    feedClusters: names("feedClusters", required("feedClusters"), 8),
    systemCaFile: required("systemCa"),
    pushIntervalMs,
    pushAtMostMs: integer("pushAtMost", required("pushAtMost"), pushIntervalMs, 60_000),
    firstPushWaitMs: integer("firstPushWait", required("firstPushWait"), 0, 60_000),
    shutdownGraceMs: integer("shutdownGrace", required("shutdownGrace"), 0, 60_000),
    logLevel: oneOf(SETTINGS.logLevel, required("logLevel"), LOG_LEVELS),
    bootstrapOut: optional("bootstrapOut"),
    bootstrapTemplate: required("bootstrapTemplate"),
    nodeId: required("nodeId"),
    gateway: listen("gatewayListen", required("gatewayListen")),
    admin: listen("adminListen", required("adminListen")),
    accessLog: required("accessLog"),
    envoyTls: envoyTls(
      optional("envoyCa"),
      optional("envoyCert"),
      optional("envoyKey"),
      optional("envoyServerName"),
    ),
    maxHeapBytes: integer("maxHeap", required("maxHeap"), 2 ** 26, 2 ** 40),
    maxConnections: integer("maxConnections", required("maxConnections"), 1, 10_000_000),
  };
}

/** What means nothing without the API server, and has no default that would stand there unasked. */
const KUBERNETES_ONLY = ["kubeconfig", "namespace", "parent", "lease", "identity"] as const;

function fileSettings(poolsFile: string, optional: (key: Key) => string | undefined): FileSettings {
  for (const key of KUBERNETES_ONLY) {
    const value = optional(key);
    if (value === undefined || value === "") continue;
    throw new PickerError("CONFIG_CONFLICT", "needs --source kubernetes", {
      path: `--${SETTINGS[key].flag}`,
      value,
      bound: "kubernetes",
    });
  }
  return { kind: "file", poolsFile };
}

function kubernetesSettings(
  required: (key: Key) => string,
  optional: (key: Key) => string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): KubernetesSettings {
  // A chart writes what is not set as an empty variable.
  const given = (key: Key): string | undefined => optional(key) || undefined;
  const place = (key: Key): NamespacedName | undefined => {
    const text = given(key);
    return text === undefined ? undefined : namespacedName(key, text);
  };
  const namespace = given("namespace");
  return {
    kind: "kubernetes",
    routesFile: given("poolsFile"),
    kubeconfig: given("kubeconfig"),
    namespace: namespace === undefined ? undefined : name("namespace", namespace),
    parent: place("parent"),
    pickerRef: oneOf(SETTINGS.pickerRef, required("pickerRef"), ["ignore", "take-over"]),
    clusterDomain: name("clusterDomain", required("clusterDomain")),
    istio: oneOf(SETTINGS.istio, required("istio"), ["true", "false"]) === "true",
    lease: place("lease"),
    identity: given("identity") ?? (env.POD_NAME || hostname()),
  };
}

/** One line a setting, for `--help`. */
export function settingsHelp(): string {
  const lines = flagLines(SETTINGS, 22);
  return `Every flag can also be set as ${environmentName("flag-name")}.\n\n${lines.join("\n")}\n`;
}

function integer(key: Key, text: string, low: number, high: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  throw new PickerError("CONFIG_RANGE", `${JSON.stringify(text)} is not an integer from ${low} to ${high}`, {
    path: `--${SETTINGS[key].flag}`,
    value: text,
    bound: [low, high],
  });
}

function names(key: Key, text: string, atMost: number): readonly string[] {
  const list = text.split(",").map((name) => name.trim());
  if (list.length <= atMost && list.every((name) => name !== "")) return list;
  throw new PickerError("CONFIG_RANGE", `${JSON.stringify(text)} is not a list of 1 to ${atMost} names`, {
    path: `--${SETTINGS[key].flag}`,
    value: text,
    bound: atMost,
  });
}

/** Of a namespace, an object or a domain. */
const KUBERNETES_NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

function name(key: Key, text: string): string {
  if (KUBERNETES_NAME.test(text)) return text;
  throw new PickerError("CONFIG_FORMAT", `${JSON.stringify(text)} is not a name of a-z, 0-9, - and .`, {
    path: `--${SETTINGS[key].flag}`,
    value: text,
  });
}

function namespacedName(key: Key, text: string): NamespacedName {
  const [namespace = "", name = "", ...rest] = text.split("/");
  if (rest.length === 0 && [namespace, name].every((part) => KUBERNETES_NAME.test(part)))
    return { namespace, name };
  throw new PickerError("CONFIG_FORMAT", `${JSON.stringify(text)} is not namespace/name`, {
    path: `--${SETTINGS[key].flag}`,
    value: text,
  });
}

/** `host:port`, IPv6 in brackets. */
function listen(key: Key, text: string): Listen {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new PickerError("CONFIG_FORMAT", `${JSON.stringify(text)} is not host:port, [ipv6]:port`, {
    path: `--${SETTINGS[key].flag}`,
    value: text,
    bound: 65_535,
  });
}

function serverTls(
  certFile: string | undefined,
  keyFile: string | undefined,
  clientCaFile: string | undefined,
): ServerTls | undefined {
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile, clientCaFile };
  if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return undefined;
  throw new PickerError("CONFIG_CONFLICT", "TLS needs both --tls-cert and --tls-key", { path: "--tls-cert" });
}

function envoyTls(
  caFile: string | undefined,
  certFile: string | undefined,
  keyFile: string | undefined,
  serverName: string | undefined,
): TlsClient | undefined {
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new PickerError("CONFIG_CONFLICT", "needs --envoy-key, and the other way round", {
      path: "--envoy-cert",
    });
  }
  if (caFile === undefined) {
    if (certFile === undefined && serverName === undefined) return undefined;
    throw new PickerError("CONFIG_CONFLICT", "is needed for the other --envoy-… flags", {
      path: "--envoy-ca",
    });
  }
  return {
    caFile,
    insecureSkipVerify: false,
    ...(certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}
