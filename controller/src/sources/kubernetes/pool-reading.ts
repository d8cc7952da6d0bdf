import type * as v from "valibot";
import { PickerError } from "../../errors.ts";
import type { PoolObject, SecretObject } from "../../kubernetes/objects.ts";
import type { Engine, ScrapeSpec } from "../../model.ts";
import { type PoolSettings, toPoolSettings } from "../pool-settings.ts";
import {
  type BuildContext,
  formatPath,
  type Problems,
  type SecretReference,
  secretFault,
} from "../problems.ts";
import { readDocument } from "../yaml-document.ts";
import { toScrape } from "../scrape-spec.ts";
import { clusterFault, MAX_CLAIMED_CLUSTERS } from "./cluster-names.ts";
import type { FindingReason } from "./findings.ts";
import { checkBounds } from "./pool-bounds.ts";
import { type PickerReference, readPoolSpec, type Selection } from "./pool-object.ts";
import { POOL_CONFIG } from "./pool-config.ts";

/** Where pools say what the InferencePool's spec has no field for. */
export const CONFIG_ANNOTATION = "inference-picker.io/config";

/** Of the annotation: it is read on the thread that feeds the gateways, as often as somebody changes it. */
const MAX_CONFIG_BYTES = 16 * 1024;
/** Of one annotation's problems; each of its items may be one. */
const SHOWN_PROBLEMS = 5;

/** A pool as its object has it, but for what other objects add: the last good one stays in force. */
export interface PoolTemplate {
  /** Of the object: one of the same name that came later has nothing of its forerunner. */
  readonly uid: string;
  readonly selection: Selection;
  readonly settings: PoolSettings;
  /** Of endpoints whose Pod does not say. */
  readonly engine: Engine;
  /** Absent: the pool's endpoints are not scraped. */
  readonly scrape?: ScrapeSpec | undefined;
}

export interface Fault {
  readonly reason: FindingReason;
  readonly message: string;
}

export interface PoolReading {
  /** Absent where something is wrong, or a Secret has not been read yet. */
  readonly template?: PoolTemplate;
  readonly faults: readonly Fault[];
  /** A Secret that the pool names has not been read yet. */
  readonly isPending: boolean;
  /** Names of the Secrets that the pool refers to, in its own namespace. */
  readonly secrets: readonly string[];
  readonly pickerRef?: PickerReference | undefined;
}

/** `pending`: it has not been asked for, or the answer is not there yet. */
export type FindSecret = (name: string) => SecretObject | "pending" | undefined;

/** A pool's object without regard to any other than the Secrets that it names. */
export function readPool(pool: PoolObject, findSecret: FindSecret): PoolReading {
  const { namespace, name, uid, annotations } = pool.meta;
  const faults: Fault[] = [];
  const secrets = new Set<string>();
  let isPending = false;
  const spec = readPoolSpec(pool.spec, (message) => faults.push({ reason: "InvalidSpec", message }));
  const secretOf: BuildContext["secretOf"] = (holder, key, path) => {
    const named = holder[`${key}Secret`];
    if (named === undefined) return undefined;
    secrets.add(named.name);
    const object = findSecret(named.name);
    if (object === "pending") {
      isPending = true;
      return undefined;
    }
    const found = secretText(object, named);
    if ("secret" in found) return found.secret;
    faults.push({ ...found, message: `${formatPath([...path, `${key}Secret`])}: ${found.message}` });
    return undefined;
  };
  const configured = readConfig(annotations[CONFIG_ANNOTATION] ?? "", (document) => {
    const { value, problems } = document;
    if (value === undefined || spec === undefined) return undefined;
    const { engine, scrape, ...rest } = value;
    checkClusters(rest.clusters ?? [], namespace, problems);
    // No key of the annotation names a file.
    const build: BuildContext = { problems, absolute: (path) => path, secretOf };
    const parsed = {
      ...rest,
      engine,
      namespace,
      name,
      objectives: [],
      appProtocol: spec.appProtocol,
      failureMode: spec.pickerRef?.failureMode ?? rest.failureMode,
    };
    const { spec: settings, ...more } = toPoolSettings(parsed, [], build);
    checkBounds(settings, problems);
    // The first is the one that is served, and that routes lead to: no other pool's, and none of the bootstrap's.
    const clusters = [...new Set([`${namespace}/${name}`, ...settings.clusters])];
    return {
      engine,
      settings: { ...more, spec: { ...settings, clusters } },
      scrape: toScrape(scrape, ["scrape"], undefined, [], build),
    };
  });
  faults.push(...configured.faults);
  const common = { faults, isPending, secrets: [...secrets].sort(), pickerRef: spec?.pickerRef };
  if (spec === undefined || configured.value === undefined || faults.length > 0 || isPending) return common;
  return { ...common, template: { uid, selection: spec.selection, ...configured.value } };
}

type ConfigDocument = ReturnType<typeof readDocument<v.InferOutput<typeof POOL_CONFIG>>>;

/** What `use` makes of the annotation; undefined with a fault where the annotation or its use has a problem. */
function readConfig<Value>(
  source: string,
  use: (document: ConfigDocument) => Value | undefined,
): { readonly value?: Value | undefined; readonly faults: readonly Fault[] } {
  const fault = (message: string): Fault => ({
    reason: "InvalidConfiguration",
    message: `${CONFIG_ANNOTATION}: ${message}`,
  });
  try {
    const document = readDocument(source, {
      schema: POOL_CONFIG,
      path: "YAML",
      secretsIn: "a Secret",
      maxBytes: MAX_CONFIG_BYTES,
      maxProblems: SHOWN_PROBLEMS + 1,
      hasAliases: false,
    });
    const value = use(document);
    const { found } = document;
    if (found.length === 0) return { value, faults: [] };
    const shown = found.slice(0, SHOWN_PROBLEMS).map(({ message }) => message);
    return { faults: [fault(`${shown.join("; ")}${found.length > shown.length ? "; and more" : ""}`)] };
  } catch (error) {
    if (error instanceof PickerError) return { faults: [fault(error.message)] };
    // What the parser did not foresee is still the annotation's fault.
    return { faults: [fault(`cannot be parsed: ${error instanceof Error ? error.message : String(error)}`)] };
  }
}

function checkClusters(clusters: readonly string[], namespace: string, problems: Problems): void {
  const count = clusters.length;
  if (count > MAX_CLAIMED_CLUSTERS) {
    problems.add("CONFIG_RANGE", ["clusters"], `${count} clusters is above ${MAX_CLAIMED_CLUSTERS}`, {
      value: count,
      bound: MAX_CLAIMED_CLUSTERS,
    });
    return;
  }
  clusters.forEach((cluster, index) => {
    const fault = clusterFault(cluster, namespace);
    if (fault !== undefined) problems.add("CONFIG_REFERENCE", ["clusters", index], fault, { value: cluster });
  });
}

/** No message holds the value, nor the key: a secret may have been pasted there. */
function secretText(
  object: SecretObject | undefined,
  { key }: SecretReference,
): { readonly secret: string } | Fault {
  if (object === undefined)
    return { reason: "SecretNotFound", message: "the Secret that it names is not there" };
  const bytes = Object.hasOwn(object.data, key) ? object.data[key] : undefined;
  if (bytes === undefined)
    return { reason: "SecretNotFound", message: "the Secret that it names has not the key" };
  const secret = new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
  const fault = secretFault(secret);
  return fault === undefined
    ? { secret }
    : { reason: "InvalidSecret", message: `the value in the Secret that it names ${fault}` };
}
