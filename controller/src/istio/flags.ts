import { isIP } from "node:net";
import { PickerError } from "../errors.ts";
import { type Flag, flagLines, oneOf, parseFlags } from "../flags.ts";
import type { TlsClient } from "../model.ts";
import {
  type ControllerAddress,
  FAILURE_MODES,
  type FailureMode,
  INFERENCE_POOL_PORT,
  inferencePoolService,
  type IstioPool,
  type IstioRoute,
  SET_UPS,
  type SetUp,
  type SetUpKind,
} from "./set-up.ts";

const FLAGS = {
  setUp: { flag: "setup", help: `${SET_UPS.join(", ")}: which way the picker comes into the gateway` },
  namespace: { flag: "namespace", help: "of the objects: the gateway's, or Istio's root namespace" },
  gatewayLabels: { flag: "gateway-labels", help: "labels of the gateway's pods, key=value, comma-separated" },
  controller: { flag: "controller", help: "feeds of tables, host:port, comma-separated" },
  authority: { flag: "authority", help: ":authority towards them; default: each one's host:port" },
  controllerCa: {
    flag: "controller-ca",
    help: "TLS to the controllers: authority (PEM), as Envoy sees the path",
  },
  controllerCert: { flag: "controller-cert", help: "certificate that Envoy shows them (PEM)" },
  controllerKey: { flag: "controller-key", help: "its private key (PEM)" },
  controllerServerName: {
    flag: "controller-server-name",
    help: "name in the controllers' certificate; default: the host dialled",
  },
  wasmUrl: { flag: "wasm-url", help: "the filter's module: file:///path, oci://…, http://…, https://…" },
  sha256: {
    flag: "sha256",
    help: "of the module, 64 hexadecimal digits; required with http and https, refused with file",
  },
  pools: {
    flag: "pools",
    help:
      "namespace/name:service:port, comma-separated, each with :FailOpen where that is the pool's failure mode; " +
      "with inferencepool namespace/name",
  },
  routes: {
    flag: "routes",
    help: "names of routes in Envoy and their pools, name=namespace/name, comma-separated",
  },
  clusterDomain: { flag: "cluster-domain", fallback: "cluster.local", help: "the cluster's DNS domain" },
  bodyLimit: {
    flag: "body-limit-bytes",
    // The default of a pool's body.limit, and what changes may add to a body.
    fallback: String(18 * 1024 * 1024),
    help: "what a route may hold back of a body; at least every pool's body.limit and 2 MiB",
  },
  tick: { flag: "filter-tick-ms", fallback: "25", help: "how often the filter publishes its counts" },
  name: { flag: "name", fallback: "inference-picker", help: "prefix of the objects' names" },
  generation: {
    flag: "generation",
    help: "must grow with every change; default: the time in seconds since 1970",
  },
} as const satisfies Record<string, Flag>;

type Key = keyof typeof FLAGS;

const MAX_CONTROLLERS = 8;
/** As many as a table holds. */
const MAX_POOLS = 1024;
const MIN_BODY_LIMIT_BYTES = 64 * 1024;
const MAX_BODY_LIMIT_BYTES = 1 << 30;
/** The filter's own bounds (assembly/filter/settings.ts). */
const MIN_TICK_MS = 5;
const MAX_TICK_MS = 250;

/** RFC 1123 and RFC 1035: namespaces and Services; other objects may have dots. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
/** Key and value of a Kubernetes label. */
const LABEL_KEY = /^(?:[a-z0-9.-]{1,253}\/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const SHA256 = /^[0-9a-f]{64}$/;

/**
 * Reads the flags of `istio generate`.
 *
 * @param nowS seconds since 1970: the generation where none is given
 * @throws PickerError CONFIG_UNKNOWN_KEY, CONFIG_MISSING, CONFIG_DUPLICATE, CONFIG_FORMAT, CONFIG_RANGE,
 * CONFIG_REFERENCE or CONFIG_CONFLICT, with the flag, the value and the bound
 */
export function parseSetUp(args: readonly string[], nowS: number): SetUp {
  const given = parseFlags(args, FLAGS);
  const optional = (key: Key): string | undefined => {
    const { flag, fallback }: Flag = FLAGS[key];
    const value = given.get(flag) ?? fallback;
    if (value === "") throw refusal(key, "CONFIG_FORMAT", "must not be empty", value);
    return value;
  };
  const required = (key: Key): string => {
    const value = optional(key);
    if (value === undefined) throw refusal(key, "CONFIG_MISSING", "is required", value);
    return value;
  };
  const kind = oneOf(FLAGS.setUp, required("setUp"), SET_UPS);
  const wasmUrl = moduleUrl(required("wasmUrl"));
  const pools = list("pools", required("pools"), MAX_POOLS, (text) => pool(text, kind));
  distinct("pools", pools, ({ namespace, name }) => `${namespace}/${name}`);
  distinct("pools", pools, ({ namespace, service, port }) => `${namespace}/${service}:${port}`);
  return {
    kind,
    name: matching("name", required("name"), SUBDOMAIN, "a DNS name in lower case"),
    namespace: matching("namespace", required("namespace"), LABEL, "a DNS label in lower case"),
    gatewayLabels: labels(required("gatewayLabels")),
    controllers: list("controller", required("controller"), MAX_CONTROLLERS, controllerAddress),
    authority: optional("authority"),
    controllerTls: controllerTls(
      optional("controllerCa"),
      optional("controllerCert"),
      optional("controllerKey"),
      optional("controllerServerName"),
    ),
    wasmUrl,
    wasmSha256: sha256(optional("sha256"), wasmUrl),
    pools,
    routes: routes(optional("routes"), pools),
    clusterDomain: matching(
      "clusterDomain",
      required("clusterDomain"),
      SUBDOMAIN,
      "a DNS name in lower case",
    ),
    bodyLimitBytes: integer("bodyLimit", required("bodyLimit"), MIN_BODY_LIMIT_BYTES, MAX_BODY_LIMIT_BYTES),
    tickMs: integer("tick", required("tick"), MIN_TICK_MS, MAX_TICK_MS),
    generation: integer(
      "generation",
      optional("generation") ?? String(Math.floor(nowS)),
      0,
      Number.MAX_SAFE_INTEGER,
    ),
  };
}

/** One line a flag, for `--help`. */
export function setUpHelp(): string {
  const width = Math.max(...Object.values(FLAGS).map(({ flag }) => flag.length));
  return `${flagLines(FLAGS, width).join("\n")}\n`;
}

function refusal(
  key: Key,
  code: ConstructorParameters<typeof PickerError>[0],
  message: string,
  value: unknown,
  bound?: unknown,
): PickerError {
  return new PickerError(code, message, { path: `--${FLAGS[key].flag}`, value, bound });
}

function matching(key: Key, value: string, form: RegExp, what: string): string {
  if (form.test(value)) return value;
  throw refusal(key, "CONFIG_FORMAT", `${JSON.stringify(value)} is not ${what}`, value, what);
}

function integer(key: Key, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text)) {
    throw refusal(
      key,
      "CONFIG_FORMAT",
      `${JSON.stringify(text)} is not a whole number`,
      text,
      `${min}..${max}`,
    );
  }
  if (value < min || value > max) {
    throw refusal(key, "CONFIG_RANGE", `${text} is not in ${min}..${max}`, value, `${min}..${max}`);
  }
  return value;
}

function list<Item>(key: Key, text: string, max: number, parse: (item: string) => Item): readonly Item[] {
  const items = text.split(",");
  if (items.length > max) {
    throw refusal(key, "CONFIG_RANGE", `${items.length} are more than ${max}`, items.length, max);
  }
  return items.map(parse);
}

function distinct<Item>(key: Key, items: readonly Item[], nameOf: (item: Item) => string): void {
  const seen = new Set<string>();
  for (const name of items.map(nameOf)) {
    if (seen.has(name)) throw refusal(key, "CONFIG_DUPLICATE", `${name} is given twice`, name);
    seen.add(name);
  }
}

function portNumber(key: Key, text: string): number {
  return integer(key, text, 1, 65_535);
}

function pool(text: string, kind: SetUpKind): IstioPool {
  const isInferencePool = kind === "inferencepool";
  const form = isInferencePool ? "namespace/name[:FailOpen]" : "namespace/name:service:port[:FailOpen]";
  const [, namespace, name, target, mode] =
    /^([^/:]+)\/([^/:]+)((?::[^:]+:\d+)?)(?::([A-Za-z]+))?$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined || (target !== "") === isInferencePool) {
    throw refusal("pools", "CONFIG_FORMAT", `${JSON.stringify(text)} is not ${form}`, text, form);
  }
  matching("pools", namespace, LABEL, "a namespace");
  matching("pools", name, SUBDOMAIN, "the name of a pool");
  const failureMode: FailureMode = oneOf(FLAGS.pools, mode ?? "FailClose", FAILURE_MODES);
  if (isInferencePool) {
    const service = inferencePoolService(name);
    return { namespace, name, service, port: INFERENCE_POOL_PORT, failureMode };
  }
  const [service, port] = target!.slice(1).split(":") as [string, string];
  matching("pools", service, LABEL, "the name of a Service");
  return { namespace, name, service, port: portNumber("pools", port), failureMode };
}

function routes(text: string | undefined, pools: readonly IstioPool[]): readonly IstioRoute[] {
  if (text === undefined) return [];
  const known = pools.map(({ namespace, name }) => `${namespace}/${name}`);
  const found = text.split(",").map((item): IstioRoute => {
    const [, name, to] = /^(.+)=([^=]+)$/.exec(item) ?? [];
    if (name === undefined || to === undefined) {
      const form = "name=namespace/name";
      throw refusal("routes", "CONFIG_FORMAT", `${JSON.stringify(item)} is not ${form}`, item, form);
    }
    if (known.includes(to)) return { name, pool: to };
    throw refusal("routes", "CONFIG_REFERENCE", `${to} is none of the pools`, to, known);
  });
  distinct("routes", found, ({ name }) => name);
  return found;
}

function labels(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(",").map((pair): [string, string] => {
    const at = pair.indexOf("=");
    const [key, value] = [pair.slice(0, at), pair.slice(at + 1)];
    if (at < 1 || !LABEL_KEY.test(key) || !LABEL_VALUE.test(value)) {
      const form = "a label, key=value";
      throw refusal("gatewayLabels", "CONFIG_FORMAT", `${JSON.stringify(pair)} is not ${form}`, pair, form);
    }
    return [key, value];
  });
  distinct("gatewayLabels", pairs, ([key]) => key);
  return Object.fromEntries(pairs);
}

function controllerAddress(text: string): ControllerAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain?.toLowerCase();
  const form = "host:port, with an IPv6 address in brackets";
  if (host === undefined || port === undefined || !isHost(host, bracketed !== undefined)) {
    throw refusal("controller", "CONFIG_FORMAT", `${JSON.stringify(text)} is not ${form}`, text, form);
  }
  return { host, port: portNumber("controller", port) };
}

function isHost(host: string, isBracketed: boolean): boolean {
  if (isBracketed) return isIP(host) === 6;
  // Digits and dots only: a mistyped address, which no resolver would find.
  return isIP(host) === 4 || (SUBDOMAIN.test(host) && !/^[\d.]+$/.test(host));
}

function controllerTls(
  caFile: string | undefined,
  certFile: string | undefined,
  keyFile: string | undefined,
  serverName: string | undefined,
): TlsClient | undefined {
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const missing = certFile === undefined ? "controllerCert" : "controllerKey";
    throw refusal(missing, "CONFIG_CONFLICT", "certificate and key come together", undefined);
  }
  if (caFile === undefined) {
    if (certFile === undefined && serverName === undefined) return undefined;
    throw refusal("controllerCa", "CONFIG_MISSING", "is required for TLS to the controllers", undefined);
  }
  return {
    caFile,
    ...(certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile }),
    ...(serverName === undefined ? {} : { serverName }),
    insecureSkipVerify: false,
  };
}

function moduleUrl(text: string): string {
  const form = "file:///path, oci://…, http://… or https://…";
  const isGood = /^file:\/\/\/./.test(text) || (/^(?:oci|https?):\/\/[^/]/.test(text) && URL.canParse(text));
  if (isGood && !/\s/.test(text)) return text;
  throw refusal("wasmUrl", "CONFIG_FORMAT", `${JSON.stringify(text)} is not ${form}`, text, form);
}

/**
 * Envoy refuses a module over HTTP without its hash; an OCI image has a digest of its own. A file's hash nobody would
 * look at, neither Envoy nor Istio under a WasmPlugin.
 */
function sha256(text: string | undefined, url: string): string | undefined {
  if (text !== undefined) {
    const digits = matching("sha256", text, SHA256, "64 hexadecimal digits in lower case");
    if (!url.startsWith("file:")) return digits;
    throw refusal("sha256", "CONFIG_CONFLICT", `nobody compares it with ${url}`, text, url);
  }
  if (!/^https?:/.test(url)) return undefined;
  throw refusal("sha256", "CONFIG_MISSING", `is required for ${url}`, undefined);
}
