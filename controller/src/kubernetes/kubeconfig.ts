import { accessSync, readFileSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { parse } from "yaml";
import { PickerError } from "../errors.ts";

export interface KubeconfigSettings {
  /** Path of a kubeconfig file; default: `KUBECONFIG`, then the Pod's service account, then `~/.kube/config`. */
  readonly kubeconfig?: string | undefined;
  /** Name of a context of the kubeconfig; default: its current one. */
  readonly context?: string | undefined;
  /** Where a Pod has its service account. */
  readonly serviceAccountFolder?: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** One cluster with one user, wherever they were configured. */
export interface Kubeconfig {
  /** Where it was found, for messages. */
  readonly source: string;
  /** Without a slash at its end, and without a user and password: requests do not use those, and logs show it. */
  readonly server: string;
  /** Of the context or the service account; `default` if neither names one. */
  readonly namespace: string;
  /** A kubeconfig of this one context, as JSON; paths in it are absolute. */
  readonly text: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Finds and reads the configuration, as kubectl does; a Pod's service account comes before the home folder.
 * @throws PickerError
 */
export function readKubeconfig(settings: KubeconfigSettings, env: Environment): Kubeconfig {
  const { kubeconfig, context, serviceAccountFolder = SERVICE_ACCOUNT } = settings;
  if (kubeconfig !== undefined) return fromFiles([resolve(kubeconfig)], context);
  const listed = (env.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  if (listed.length > 0) {
    // kubectl takes a list of which some do not exist; one alone has to.
    const present = listed.length === 1 ? listed : listed.filter(exists);
    return fromFiles(
      (present.length === 0 ? listed : present).map((path) => resolve(path)),
      context,
    );
  }
  const host = env.KUBERNETES_SERVICE_HOST;
  if (context === undefined && host !== undefined && host !== "" && exists(`${serviceAccountFolder}/token`))
    return fromServiceAccount(serviceAccountFolder, host, env.KUBERNETES_SERVICE_PORT ?? "443");
  const inHome = env.HOME === undefined ? undefined : join(env.HOME, ".kube", "config");
  if (inHome !== undefined && exists(inHome)) return fromFiles([inHome], context);
  throw new PickerError(
    "KUBECONFIG_UNUSABLE",
    `no Kubernetes API server is configured: no kubeconfig was given, KUBECONFIG is not set, ` +
      `${serviceAccountFolder}/token ${exists(`${serviceAccountFolder}/token`) ? "has no KUBERNETES_SERVICE_HOST beside it" : "does not exist"}, ` +
      `nor does ${inHome ?? "~/.kube/config"}`,
  );
}

interface Named {
  readonly name: string;
  readonly [key: string]: unknown;
}

interface Document {
  readonly clusters: readonly Named[];
  readonly users: readonly Named[];
  readonly contexts: readonly Named[];
  readonly current: string | undefined;
}

function fromServiceAccount(folder: string, host: string, port: string): Kubeconfig {
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const namespaceFile = `${folder}/namespace`;
  const namespace = exists(namespaceFile) ? readFileSync(namespaceFile, "utf8").trim() : "";
  return assemble(
    `service account in ${folder}`,
    { server, "certificate-authority": `${folder}/ca.crt` },
    { tokenFile: `${folder}/token` },
    namespace,
  );
}

function fromFiles(paths: readonly string[], contextName: string | undefined): Kubeconfig {
  const documents = paths.map(readDocument);
  const source = paths.join(delimiter);
  const name = contextName ?? documents.find(({ current }) => current !== undefined)?.current;
  if (name === undefined) throw unusable(source, "current-context is not set, and no context was given");
  const context = find("contexts", name, "context");
  const cluster = find("clusters", text(context.cluster), "cluster");
  const user = context.user === undefined ? {} : find("users", text(context.user), "user");
  return assemble(source, cluster, user, text(context.namespace) ?? "");

  /** The first file that has the entry wins, as with kubectl. */
  function find(list: "clusters" | "users" | "contexts", wanted: string | undefined, key: string): Fields {
    const all = documents.flatMap((document) => document[list]);
    const found = all.find((entry) => entry.name === wanted);
    if (found === undefined) {
      const names = all.map((entry) => entry.name).join(", ") || "none";
      throw unusable(source, `${key} ${JSON.stringify(wanted ?? null)} is not in it; there are: ${names}`);
    }
    return asFields(found[key]) ?? {};
  }
}

type Fields = Readonly<Record<string, unknown>>;

function assemble(source: string, rawCluster: Fields, rawUser: Fields, namespace: string): Kubeconfig {
  const given = (text(rawCluster.server) ?? "").replace(/\/+$/, "");
  if (!/^https?:\/\/[^/]/.test(given) || !URL.canParse(given))
    throw unusable(source, `server ${shown(given)} is no address that begins with https:// or http://`);
  const server = given.replace(/^(https?:\/\/)[^/?#]*@/, "$1");
  const proxy = text(rawCluster["proxy-url"]);
  if (proxy !== undefined && !/^https?:\/\//.test(proxy))
    throw unusable(source, `proxy-url ${shown(proxy)}: only http:// and https:// proxies are spoken to`);
  const cluster = {
    ...rawCluster,
    server,
    // The library refuses plain HTTP unless it is told not to verify what is not there.
    ...(server.startsWith("http:") ? { "insecure-skip-tls-verify": true } : {}),
  };
  const tokenFile = text(rawUser.tokenFile);
  const user = {
    ...rawUser,
    // The library reads `token-file`, which kubectl never wrote, and reads it once; its provider for the
    // service account reads anew every minute.
    ...(tokenFile === undefined || rawUser.token
      ? {}
      : { "auth-provider": { name: "tokenFile", config: { tokenFile } } }),
  };
  const name = "picker";
  const document = {
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  return {
    source,
    server,
    namespace: namespace === "" ? "default" : namespace,
    text: JSON.stringify(document),
  };
}

function readDocument(path: string): Document {
  let parsed: Fields | undefined;
  try {
    parsed = asFields(parse(readFileSync(path, "utf8")));
  } catch (cause) {
    // A syntax error's message quotes the file, which has secrets in it.
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "no YAML";
    throw unusable(path, `it cannot be read (${code})`);
  }
  if (parsed === undefined) throw unusable(path, "it is no YAML mapping");
  const folder = dirname(path);
  return {
    clusters: entries(parsed.clusters, "cluster", ["certificate-authority"], folder),
    users: entries(parsed.users, "user", ["client-certificate", "client-key", "tokenFile"], folder),
    contexts: entries(parsed.contexts, "context", [], folder),
    current: text(parsed["current-context"]),
  };
}

/** A kubeconfig's paths are relative to its own folder; so is a plugin's command if it has a slash. */
function entries(value: unknown, key: string, paths: readonly string[], folder: string): readonly Named[] {
  const absolute = (path: unknown): string | undefined => {
    const given = text(path);
    return given === undefined || isAbsolute(given) ? given : join(folder, given);
  };
  return (Array.isArray(value) ? value : []).flatMap((entry): readonly Named[] => {
    const name = text(asFields(entry)?.name);
    if (name === undefined) return [];
    const body: Record<string, unknown> = { ...asFields(asFields(entry)?.[key]) };
    for (const path of paths) if (text(body[path]) !== undefined) body[path] = absolute(body[path]);
    const exec = asFields(body.exec);
    if (text(exec?.command)?.includes("/")) body.exec = { ...exec, command: absolute(exec?.command) };
    return [{ name, [key]: body }];
  });
}

/** An address that may be no valid one, quoted, without the user and password that may stand in it. */
function shown(address: string): string {
  return JSON.stringify(address.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1"));
}

function unusable(source: string, why: string): PickerError {
  return new PickerError("KUBECONFIG_UNUSABLE", why, { path: source });
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** Undefined for an empty string too: a kubeconfig writes what is not set as "". */
function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
