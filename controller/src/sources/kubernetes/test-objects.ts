import type {
  KubernetesObjects,
  ModelObject,
  ObjectiveObject,
  ObjectMeta,
  PodObject,
  PoolObject,
  RewriteObject,
  SecretObject,
  ServiceObject,
} from "../../kubernetes/objects.ts";
import { EXPERIMENTAL_GROUP } from "../../kubernetes/kinds.ts";
import { type InventoryContext, type InventoryOutcome, inventoryOf } from "./inventory-of.ts";

type MetaFields = Partial<ObjectMeta>;

/** Of age `age`: a greater one was created earlier. */
export function meta(name: string, fields: MetaFields & { readonly age?: number } = {}): ObjectMeta {
  const { age = 0, ...rest } = fields;
  return {
    name,
    namespace: "llm",
    uid: `uid-${rest.namespace ?? "llm"}-${name}`,
    resourceVersion: "1",
    generation: 1,
    creationTimestamp: new Date(Date.UTC(2026, 0, 1) - age * 1000).toISOString(),
    labels: {},
    annotations: {},
    ...rest,
  };
}

export interface PoolFields {
  readonly age?: number;
  readonly namespace?: string;
  readonly uid?: string;
  /** Default: `app` is the pool's name. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Default: 8000. */
  readonly ports?: readonly number[];
  readonly config?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

export function pool(name: string, fields: PoolFields = {}): PoolObject {
  const { labels = { app: name }, ports = [8000], config, annotations = {}, spec = {}, ...of } = fields;
  return {
    meta: meta(name, {
      ...of,
      annotations:
        config === undefined ? annotations : { ...annotations, "inference-picker.io/config": config },
    }),
    spec: { selector: { matchLabels: labels }, targetPorts: ports.map((number) => ({ number })), ...spec },
  };
}

/** A Pod that takes requests, of the pool whose name is `app`. */
export function pod(
  name: string,
  app: string,
  ip: string,
  fields: Partial<Omit<PodObject, "meta">> & MetaFields = {},
): PodObject {
  const { phase = "Running", ready = true, terminating = false, labels = {}, ...rest } = fields;
  return { meta: meta(name, { ...rest, labels: { app, ...labels } }), ip, phase, ready, terminating };
}

export function objective(
  name: string,
  poolName: string,
  priority: unknown,
  group = EXPERIMENTAL_GROUP,
  fields: MetaFields & { readonly age?: number } = {},
): ObjectiveObject {
  return { meta: meta(name, fields), group, spec: { priority, poolRef: { name: poolName } } };
}

export type Rule = readonly [matches: readonly string[], targets: Readonly<Record<string, number>>];

export function rewrite(
  name: string,
  poolName: string,
  rules: readonly Rule[],
  fields: MetaFields & { readonly age?: number; readonly group?: string } = {},
): RewriteObject {
  const { group = EXPERIMENTAL_GROUP, ...of } = fields;
  return {
    meta: meta(name, of),
    group,
    spec: {
      poolRef: { name: poolName },
      rules: rules.map(([matches, targets]) => ({
        matches: matches.map((value) => ({ model: { type: "Exact", value } })),
        targets: Object.entries(targets).map(([modelRewrite, weight]) => ({ modelRewrite, weight })),
      })),
    },
  };
}

export function model(
  name: string,
  poolName: string,
  spec: Readonly<Record<string, unknown>>,
  fields: MetaFields & { readonly age?: number } = {},
): ModelObject {
  return { meta: meta(name, fields), spec: { modelName: name, poolRef: { name: poolName }, ...spec } };
}

export function service(
  name: string,
  selector: Readonly<Record<string, string>>,
  ports: ServiceObject["ports"],
  fields: MetaFields = {},
): ServiceObject {
  return { meta: meta(name, fields), selector, ports };
}

export function secret(name: string, values: Readonly<Record<string, string>>): SecretObject {
  const data = Object.entries(values).map(([key, value]) => [key, new TextEncoder().encode(value)] as const);
  return { meta: meta(name), data: Object.fromEntries(data) };
}

export function objects(parts: Partial<KubernetesObjects>): KubernetesObjects {
  return {
    pools: [],
    objectives: [],
    rewrites: [],
    models: [],
    pods: [],
    services: [],
    secrets: [],
    ...parts,
  };
}

export function built(
  parts: Partial<KubernetesObjects>,
  context: Partial<InventoryContext> = {},
): InventoryOutcome {
  return inventoryOf(objects(parts), {
    previous: new Map(),
    pickerRef: "ignore",
    clusterDomain: "cluster.local",
    istio: false,
    ...context,
  });
}

/** `Kind name: reason message`, of each finding. */
export function told({ findings }: Pick<InventoryOutcome, "findings">): readonly string[] {
  return findings.map(({ object, reason, message }) => `${object.kind} ${object.name}: ${reason} ${message}`);
}
