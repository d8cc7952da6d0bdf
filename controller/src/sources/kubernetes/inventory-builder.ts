import type { Inventory } from "../../model.ts";
import type { ParsedRoute } from "../pools-schema.ts";
import { type Finding, formatReference, type PoolOutcome } from "./findings.ts";
import { NamespacePools, type NamespaceResults, type ObjectKind, type ObjectOf } from "./namespace-pools.ts";
import { withOwnClusters } from "./own-clusters.ts";
import type { PoolTemplate } from "./pool-reading.ts";
import { byAge, byText } from "./references.ts";
import { defaultRoutes, routesTo } from "./routes.ts";
import type { KubernetesSourceSettings } from "./settings.ts";
import { fitted } from "./table-fit.ts";

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
    const { served, leftOut } = fitted(withOwnClusters(results, findings), findings);
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
        .map(({ outcome }) => outcomeOf(outcome, leftOut))
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
      elsewhere: (pool) => [...(this.#placesOf.get(pool) ?? [])].some((place) => place !== name),
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

/** A pool for which there is no room is not accepted, whatever it says. */
function outcomeOf(outcome: PoolOutcome, leftOut: ReadonlyMap<string, string>): PoolOutcome {
  const message = leftOut.get(outcome.object.uid);
  if (message === undefined) return outcome;
  return { ...outcome, accepted: { status: "False", reason: "TooMany", message } };
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
