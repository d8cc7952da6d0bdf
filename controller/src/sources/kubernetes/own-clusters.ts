import type { PoolSpec } from "../../model.ts";
import type { Finding } from "./findings.ts";
import type { PoolResult } from "./pool-result.ts";
import { poolReference } from "./references.ts";

/** Names that a message shows; an annotation may have many that are another's. */
const SHOWN_CLUSTERS = 3;

/** A pool that is served, with its clusters. */
export interface Served {
  readonly pool: PoolResult["pool"];
  readonly spec: PoolSpec;
}

/**
 * Each name of a cluster is one pool's: `namespace/name` that pool's, one that Istio makes of a Service a pool's that the
 * Service leads to, whatever others claim, and one that is merely claimed the oldest pool's that does. The first of a
 * pool's is always its own, since that is where Envoy's routes lead.
 *
 * @param results the oldest first
 */
export function withOwnClusters(results: readonly PoolResult[], findings: Finding[]): readonly Served[] {
  const served = results.flatMap(({ spec, ...rest }) => (spec === undefined ? [] : [{ ...rest, spec }]));
  const owners = new Map<string, PoolSpec>(served.map(({ spec }) => [keyOf(spec), spec]));
  const own = (names: (result: (typeof served)[number]) => readonly string[]): void => {
    for (const result of served)
      for (const cluster of names(result)) if (!owners.has(cluster)) owners.set(cluster, result.spec);
  };
  own(({ derivedClusters }) => derivedClusters);
  own(({ spec }) => spec.clusters);
  return served.map(({ pool, spec, derivedClusters }) => {
    const wanted = [...new Set([keyOf(spec), ...spec.clusters, ...derivedClusters])];
    const others = wanted.filter((cluster) => owners.get(cluster) !== spec);
    if (others.length > 0)
      findings.push({
        object: poolReference(pool),
        reason: "DuplicateCluster",
        message: ofOthers(others, owners, spec.namespace),
        severity: "Warning",
      });
    return { pool, spec: { ...spec, clusters: wanted.filter((cluster) => owners.get(cluster) === spec) } };
  });
}

/** Pools of other namespaces are not named: who reads this may not be allowed to know of them. */
function ofOthers(
  clusters: readonly string[],
  owners: ReadonlyMap<string, PoolSpec>,
  namespace: string,
): string {
  const shown = clusters.slice(0, SHOWN_CLUSTERS).map((cluster) => {
    const owner = owners.get(cluster);
    const isNear = owner !== undefined && owner.namespace === namespace;
    return `${cluster} for ${isNear ? `InferencePool ${owner.name}` : "one of another namespace"}`;
  });
  const more = clusters.length - shown.length;
  return `stands for another pool: ${shown.join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

function keyOf({ namespace, name }: PoolSpec): string {
  return `${namespace}/${name}`;
}
