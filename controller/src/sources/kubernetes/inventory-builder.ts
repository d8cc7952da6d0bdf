import type { Inventory, PoolSpec } from "../../model.ts";
import type { ParsedRoute } from "../pools-schema.ts";
import { ENDPOINTS, poolCounts } from "../table-limits.ts";
import { type Finding, formatReference, type PoolOutcome } from "./findings.ts";
import { NamespacePools, type NamespaceResults, type ObjectKind, type ObjectOf } from "./namespace-pools.ts";
import type { PoolTemplate } from "./pool-reading.ts";
import type { PoolResult } from "./pool-result.ts";
import { byAge, byText, poolReference } from "./references.ts";
import { defaultRoutes, routesTo } from "./routes.ts";
import type { KubernetesSourceSettings } from "./settings.ts";

export interface BuilderOptions {
  readonly settings: KubernetesSourceSettings;
  /** Templates that were good before, by the pools' `namespace/name`; default: none. */
  readonly previous?: ReadonlyMap<string, PoolTemplate> | undefined;
  /** A Secret that has not been read yet; default: all have been. */
  readonly isPending?: ((namespace: string, name: string) => boolean) | undefined;
}

export interface SecretPlace {
  readonly namespace: string;
  readonly name: string;
}

export interface Built {
  readonly inventory: Inventory;
  readonly findings: readonly Finding[];
  readonly pools: readonly PoolOutcome[];
}

/** Makes an inventory of the API server's objects, and with each change makes anew what it may have touched. */
export class InventoryBuilder {
  readonly #options: BuilderOptions;
  readonly #namespaces = new Map<string, NamespacePools>();
  /** Namespaces by the names of the pools in them. */
  readonly #placesOf = new Map<string, Set<string>>();
  #routes: readonly ParsedRoute[] | undefined;
  #last: { readonly revision: string; readonly built: Built } | undefined;

  constructor(options: BuilderOptions) {
    this.#options = options;
  }

  /** Takes an object; undefined: it is gone. `id` is unique in the kind and the namespace. */
  set<Kind extends ObjectKind>(
    kind: Kind,
    namespace: string,
    id: string,
    object: ObjectOf<Kind> | undefined,
  ): void {
    const space = this.#namespace(namespace);
    space.set(kind, id, object);
    if (kind === "pools") this.#place(id, namespace, object !== undefined);
    if (!space.isEmpty) return;
    this.#namespaces.delete(namespace);
    this.#last = undefined;
  }

  /** A Secret is not pending any more. */
  settled({ namespace, name }: SecretPlace): void {
    this.#namespaces.get(namespace)?.secretChanged(name);
  }

  get routes(): readonly ParsedRoute[] | undefined {
    return this.#routes;
  }

  /** Undefined: there is no file of routes. */
  setRoutes(routes: readonly ParsedRoute[] | undefined): void {
    this.#routes = routes;
    this.#last = undefined;
  }

  /** The same object as before where nothing of it has changed. */
  build(): Built {
    const spaces = [...this.#namespaces.values()].map((space) => space.results());
    const revision = spaces.map((space) => space.revision).join(" ");
    if (this.#last?.revision !== revision) this.#last = { revision, built: this.#assemble(spaces) };
    return this.#last.built;
  }

  #assemble(spaces: readonly NamespaceResults[]): Built {
    const results = spaces.flatMap(({ pools }) => pools).sort((a, b) => byAge(a.pool, b.pool));
    const findings = [...results, ...spaces].flatMap((part) => part.findings);
    const served = fitted(withOwnClusters(results, findings), findings);
    const pools = served.map(({ spec }) => spec);
    // Istio has routes of its own, and none of them is to wait for a body because of one that nobody takes.
    const fallback = this.#options.settings.istio ? [] : defaultRoutes(pools);
    return {
      inventory: {
        pools,
        routes: this.#routes === undefined ? fallback : routesTo(this.#routes, pools),
      },
      findings: sortedFindings(findings),
      pools: results
        .map(({ outcome }) => outcomeOf(outcome, findings))
        .sort(
          (a, b) => byText(a.object.namespace, b.object.namespace) || byText(a.object.name, b.object.name),
        ),
    };
  }

  /** The templates in force, by the pools' `namespace/name`. */
  templates(): ReadonlyMap<string, PoolTemplate> {
    return new Map(
      [...this.#namespaces].flatMap(([namespace, space]) =>
        space.templates().map(([name, template]) => [`${namespace}/${name}`, template] as const),
      ),
    );
  }

  /** The Secrets that pools refer to. */
  secrets(): readonly SecretPlace[] {
    return [...this.#namespaces].flatMap(([namespace, space]) =>
      [...space.secretNames()].map((name) => ({ namespace, name })),
    );
  }

  #namespace(name: string): NamespacePools {
    const known = this.#namespaces.get(name);
    if (known !== undefined) return known;
    const { settings, previous = new Map(), isPending = () => false } = this.#options;
    const made = new NamespacePools({
      name,
      settings,
      previous,
      isPending: (secret) => isPending(name, secret),
      elsewhere: (pool) =>
        [...(this.#placesOf.get(pool) ?? [])].filter((place) => place !== name).sort(byText),
    });
    this.#namespaces.set(name, made);
    return made;
  }

  #place(pool: string, namespace: string, isThere: boolean): void {
    const places = this.#placesOf.get(pool) ?? new Set();
    if (places.has(namespace) === isThere) return;
    if (isThere) places.add(namespace);
    else places.delete(namespace);
    if (places.size === 0) this.#placesOf.delete(pool);
    else this.#placesOf.set(pool, places);
    for (const space of this.#namespaces.values()) space.poolsChangedElsewhere();
  }
}

interface Served {
  readonly pool: PoolResult["pool"];
  readonly spec: PoolSpec;
}

/** A name of a cluster is one pool's: its own `namespace/name` each pool's, any other the oldest pool's that has it. */
function withOwnClusters(results: readonly PoolResult[], findings: Finding[]): readonly Served[] {
  const served = results.flatMap(({ pool, spec }) => (spec === undefined ? [] : [{ pool, spec }]));
  const owners = new Map(served.map(({ spec }) => [keyOf(spec), keyOf(spec)]));
  return served.map(({ pool, spec }) => {
    const key = keyOf(spec);
    const clusters = spec.clusters.filter((cluster) => {
      const owner = owners.get(cluster);
      if (owner === undefined) owners.set(cluster, key);
      if (owner === undefined || owner === key) return true;
      const message = `cluster ${cluster} stands for InferencePool ${owner}`;
      findings.push({
        object: poolReference(pool),
        reason: "DuplicateCluster",
        message,
        severity: "Warning",
      });
      return false;
    });
    return { pool, spec: { ...spec, clusters: clusters.length === 0 ? [key] : clusters } };
  });
}

/**
 * As many pools as a table has room for, the oldest first: endpoints are cut short, a pool that lacks room for
 * anything else is left out.
 */
function fitted(served: readonly Served[], findings: Finding[]): readonly Served[] {
  const totals = new Map<string, number>();
  return served.flatMap(({ pool, spec }) => {
    const tell = (message: string): void => {
      findings.push({ object: poolReference(pool), reason: "TooMany", message, severity: "Warning" });
    };
    const leftOf = (what: string, bound: number): number => bound - (totals.get(what) ?? 0);
    const counts = poolCounts([spec]);
    const over = counts.find(({ what, count, bound }) => what !== ENDPOINTS && count > leftOf(what, bound));
    if (over !== undefined) {
      tell(
        `${over.count} ${over.what} is above the ${leftOf(over.what, over.bound)} that are left of ${over.bound}`,
      );
      return [];
    }
    let fitting = spec;
    for (const { what, count, bound } of counts) {
      const left = leftOf(what, bound);
      if (count > left) {
        tell(`${count} ${what} is above the ${left} that are left of ${bound}; the first are served`);
        fitting = { ...spec, endpoints: spec.endpoints.slice(0, left) };
      }
      totals.set(what, (totals.get(what) ?? 0) + Math.min(count, left));
    }
    return [{ pool, spec: fitting }];
  });
}

/** A pool for which there is no room is not accepted, whatever it says. */
function outcomeOf(outcome: PoolOutcome, findings: readonly Finding[]): PoolOutcome {
  const found = findings.find(
    ({ object, reason }) => reason === "TooMany" && object.uid === outcome.object.uid,
  );
  if (found === undefined) return outcome;
  return { ...outcome, accepted: { status: "False", reason: found.reason, message: found.message } };
}

/** In an order that objects alone decide; what two pools say of one Pod is said once. */
function sortedFindings(findings: readonly Finding[]): readonly Finding[] {
  const unique = new Map(
    findings.map((finding) => {
      const { object, reason, message } = finding;
      return [`${formatReference(object)} ${object.apiVersion} ${object.uid} ${reason} ${message}`, finding];
    }),
  );
  return [...unique].sort(([a], [b]) => byText(a, b)).map(([, finding]) => finding);
}

function keyOf({ namespace, name }: PoolSpec): string {
  return `${namespace}/${name}`;
}
