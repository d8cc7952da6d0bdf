import { show } from "../checked.ts";

/** Of one pool, beside its own; each has to be looked for among those of all pools. */
export const MAX_CLAIMED_CLUSTERS = 64;

/** Static clusters of the gateway's bootstrap: over them Envoy speaks with the controller. */
const GATEWAYS_OWN = /^inference-picker-/;
/** In Envoy Gateway's names the namespace stands behind the kind: `httproute/NAMESPACE/NAME/rule/0`. */
const ROUTE_KINDS: ReadonlySet<string> = new Set([
  "httproute",
  "grpcroute",
  "tlsroute",
  "tcproute",
  "udproute",
]);

/**
 * Why a pool may not have a cluster stand for it: who may write one namespace's pools must not take over another's
 * traffic, nor the gateway's own. Undefined: it may.
 */
export function clusterFault(cluster: string, namespace: string): string | undefined {
  if (GATEWAYS_OWN.test(cluster)) return `${show(cluster)} is a cluster of the gateway's own`;
  const foreign = namespacesIn(cluster).find((name) => name !== namespace);
  if (foreign === undefined) return undefined;
  return `${show(cluster)} is a cluster of namespace ${show(foreign)}, not of the pool's own, ${namespace}`;
}

/**
 * The namespaces that a cluster's name shows: of `NAMESPACE/NAME` (this controller, Contour), of routes (Envoy Gateway),
 * of a Service's host (Istio: `outbound|PORT||NAME.NAMESPACE.svc.DOMAIN`), of `kube_NAMESPACE_NAME_PORT` (kgateway).
 */
function namespacesIn(cluster: string): readonly string[] {
  const hosts = [...cluster.matchAll(/\.([^.|/]+)(?=\.svc(?:[.:|/]|$))/g)].map(([, name]) => name!);
  const [first, second] = cluster.split("/");
  const [, backend] = /^(?:kube|backend)_([^_]+)_/.exec(cluster) ?? [];
  return [
    ...hosts,
    ...(second === undefined ? [] : [ROUTE_KINDS.has(first!) ? second : first!]),
    ...(backend === undefined ? [] : [backend]),
  ];
}
