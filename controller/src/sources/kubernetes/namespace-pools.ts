import { isDeepStrictEqual } from "node:util";
import type {
  KubernetesObjects,
  PodObject,
  PoolObject,
  SecretObject,
  ServiceObject,
} from "../../kubernetes/objects.ts";
import type { Finding } from "./findings.ts";
import { isAlike, selects } from "./pod-endpoints.ts";
import { type FindSecret, type PoolReading, type PoolTemplate, readPool } from "./pool-reading.ts";
import { isLeft, type PoolResult, poolResult } from "./pool-result.ts";
import { readModel, readObjective, readRewrite } from "./pool-rules.ts";
import { type DatedRule, type Elsewhere, NO_RULES, type PoolRules, rulesOfPools } from "./rules-of-pools.ts";
import type { KubernetesSourceSettings } from "./settings.ts";

export type ObjectKind = keyof KubernetesObjects;
export type ObjectOf<Kind extends ObjectKind> = KubernetesObjects[Kind][number];

interface PoolState {
  readonly pool: PoolObject;
  readonly reading: PoolReading;
  readonly template: PoolTemplate | undefined;
  readonly pods: Map<string, PodObject>;
  /** Undefined: to be made anew. */
  result: PoolResult | undefined;
}

export interface NamespaceOptions {
  readonly name: string;
  readonly settings: KubernetesSourceSettings;
  /** Templates that were good before, by the pools' `namespace/name`. */
  readonly previous: ReadonlyMap<string, PoolTemplate>;
  /** A Secret of the namespace that has not been read yet. */
  readonly isPending: (secret: string) => boolean;
  readonly elsewhere: Elsewhere;
}

export interface NamespaceResults {
  /** In no order that means anything. */
  readonly pools: readonly PoolResult[];
  /** Of objects other than pools. */
  readonly findings: readonly Finding[];
  /** Grows when any of it is not what it was. */
  readonly revision: number;
}

/**
 * The pools of one namespace and all that they are made of: nothing else of a pool stands in another. Makes anew only
 * what a change may have touched: a Pod those pools that select it or did, any other object the namespace's pools.
 */
export class NamespacePools {
  readonly #options: NamespaceOptions;
  readonly #pools = new Map<string, PoolObject>();
  readonly #pods = new Map<string, PodObject>();
  readonly #services = new Map<string, ServiceObject>();
  readonly #secrets = new Map<string, SecretObject>();
  /** By kind, group and name. */
  readonly #rules = new Map<string, DatedRule>();
  readonly #states = new Map<string, PoolState>();
  readonly #stalePools = new Set<string>();
  readonly #stalePods = new Set<string>();
  #areRulesStale = false;
  #revision = 0;
  #byPool: ReadonlyMap<string, PoolRules> = new Map();
  #ruleFindings: readonly Finding[] = [];

  constructor(options: NamespaceOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return [this.#pools, this.#pods, this.#services, this.#secrets, this.#rules].every(
      ({ size }) => size === 0,
    );
  }

  /** Takes an object; undefined: it is gone. `id` is unique in the kind and the namespace. */
  set<Kind extends ObjectKind>(kind: Kind, id: string, object: ObjectOf<Kind> | undefined): void {
    if (kind === "pods") {
      this.#stalePods.add(id);
      put(this.#pods, id, object as PodObject | undefined);
    } else if (kind === "pools") {
      const [before, after] = [this.#pools.get(id), object as PoolObject | undefined];
      if (before !== undefined && after !== undefined && isSamePool(before, after)) return;
      this.#stalePools.add(id);
      this.#areRulesStale = true;
      put(this.#pools, id, after);
    } else if (kind === "secrets") {
      put(this.#secrets, id, object as SecretObject | undefined);
      this.secretChanged(id);
    } else if (kind === "services") {
      put(this.#services, id, object as ServiceObject | undefined);
      this.#remake();
    } else {
      this.#areRulesStale = true;
      put(this.#rules, `${kind} ${id}`, object === undefined ? undefined : ruleOf(kind, object));
    }
  }

  /** Also when a Secret turned out not to be there. */
  secretChanged(name: string): void {
    for (const [pool, { reading }] of this.#states)
      if (reading.secrets.includes(name)) this.#stalePools.add(pool);
  }

  /** Whether a rule's pool is found may depend on other namespaces. */
  poolsChangedElsewhere(): void {
    this.#areRulesStale = true;
  }

  /** What all of it comes to. */
  results(): NamespaceResults {
    for (const name of this.#stalePools) this.#readPool(name);
    for (const name of this.#stalePods) this.#selectPod(name);
    this.#stalePools.clear();
    this.#stalePods.clear();
    if (this.#areRulesStale) this.#readRules();
    const pools = [...this.#states].map(([name, state]) => {
      if (state.result !== undefined) return state.result;
      const rules = this.#byPool.get(name) ?? NO_RULES;
      const services = [...this.#services.values()];
      state.result = poolResult({ ...state, rules, services }, this.#options.settings);
      this.#revision += 1;
      return state.result;
    });
    return { pools, findings: this.#ruleFindings, revision: this.#revision };
  }

  templates(): readonly (readonly [name: string, template: PoolTemplate])[] {
    return [...this.#states].flatMap(([name, { template }]) =>
      template === undefined ? [] : [[name, template] as const],
    );
  }

  /** Names of the Secrets that the pools refer to. */
  secretNames(): ReadonlySet<string> {
    return new Set([...this.#states.values()].flatMap(({ reading }) => reading.secrets));
  }

  #remake(): void {
    for (const state of this.#states.values()) state.result = undefined;
  }

  #readPool(name: string): void {
    const pool = this.#pools.get(name);
    const before = this.#states.get(name);
    if (pool === undefined) {
      if (this.#states.delete(name)) this.#revision += 1;
      return;
    }
    const find: FindSecret = (secret) =>
      this.#secrets.get(secret) ?? (this.#options.isPending(secret) ? "pending" : undefined);
    const reading = readPool(pool, find);
    const template = this.#templateOf(pool, reading, before);
    const pods = before !== undefined && before.template === template ? before.pods : this.#podsOf(template);
    this.#states.set(name, { pool, reading, template, pods, result: undefined });
  }

  #templateOf(
    pool: PoolObject,
    reading: PoolReading,
    before: PoolState | undefined,
  ): PoolTemplate | undefined {
    if (isLeft(reading, this.#options.settings)) return undefined;
    const { namespace, name, uid } = pool.meta;
    const last = before?.template ?? this.#options.previous.get(`${namespace}/${name}`);
    return reading.template ?? (last?.uid === uid ? last : undefined);
  }

  #podsOf(template: PoolTemplate | undefined): Map<string, PodObject> {
    if (template === undefined) return new Map();
    return new Map([...this.#pods].filter(([, pod]) => selects(template.selection, pod)));
  }

  #selectPod(name: string): void {
    const pod = this.#pods.get(name);
    for (const state of this.#states.values()) {
      const { pods, template } = state;
      const before = pods.get(name);
      const isSelected = pod !== undefined && template !== undefined && selects(template.selection, pod);
      if (isSelected) pods.set(name, pod);
      else pods.delete(name);
      const after = pods.get(name);
      if (before === after || (before !== undefined && after !== undefined && isAlike(before, after)))
        continue;
      state.result = undefined;
    }
  }

  #readRules(): void {
    this.#areRulesStale = false;
    const names = new Set(this.#pools.keys());
    const { byPool, findings } = rulesOfPools([...this.#rules.values()], names, this.#options.elsewhere);
    this.#byPool = byPool;
    this.#ruleFindings = findings;
    this.#revision += 1;
    this.#remake();
  }
}

/** Statuses change often, also by the controller's own hand, and nothing is made of them. */
function isSamePool(left: PoolObject, right: PoolObject): boolean {
  const { uid, creationTimestamp, generation, annotations } = left.meta;
  return (
    uid === right.meta.uid &&
    creationTimestamp === right.meta.creationTimestamp &&
    generation === right.meta.generation &&
    isDeepStrictEqual(annotations, right.meta.annotations) &&
    isDeepStrictEqual(left.spec, right.spec)
  );
}

function put<Value>(map: Map<string, Value>, id: string, value: Value | undefined): void {
  if (value === undefined) map.delete(id);
  else map.set(id, value);
}

function ruleOf(kind: ObjectKind, object: ObjectOf<ObjectKind>): DatedRule {
  const { meta } = object;
  if (kind === "objectives") return { meta, read: readObjective(object as ObjectOf<"objectives">) };
  if (kind === "rewrites") return { meta, read: readRewrite(object as ObjectOf<"rewrites">) };
  return { meta, read: readModel(object as ObjectOf<"models">) };
}
