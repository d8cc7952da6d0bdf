import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import type { Inventory, PoolSpec, RouteSpec } from "../model.ts";
import { clusterName, poolMetadata } from "./clusters.ts";
import { HeaderValueOption_HeaderAppendAction } from "./generated/envoy/config/core/v3/base_pb.ts";
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from "./generated/envoy/config/route/v3/route_pb.ts";
import {
  type RetryPolicy,
  RetryPolicySchema,
  type Route,
  RouteSchema,
} from "./generated/envoy/config/route/v3/route_components_pb.ts";
import { PreviousHostsPredicateSchema } from "./generated/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { POOL_HEADER, ROUTE_CONFIGURATION_NAME } from "./names.ts";

/** A route whose pools are all gone, or all weighed zero. */
const NO_POOL_STATUS = 503;

/** Largest request body in bytes that any route holds back for the pick or a retry: 1 GiB. */
const MAX_BUFFER_BYTES = 1 << 30;

/**
 * What changes in bodies may add to them while they are held, and a chunk over the filter's limit (1.1 MB at most,
 * docs/decisions/0001-request-bodies.md): at its own limit Envoy stops reading, and the request would wait in vain.
 */
const CHANGE_ROOM_BYTES = 2 * 1024 * 1024;

/**
 * The gateway's route table: one virtual host for every authority. Routes are tried with the longest
 * prefix first, then with the most header matches, then in the order given, as in the Gateway API.
 */
export function gatewayRoutes(inventory: Inventory): RouteConfiguration {
  const pools = new Map(inventory.pools.map((pool) => [`${pool.namespace}/${pool.name}`, pool]));
  const ordered = [...inventory.routes].sort(
    (a, b) => b.pathPrefix.length - a.pathPrefix.length || b.headers.length - a.headers.length,
  );
  return create(RouteConfigurationSchema, {
    name: ROUTE_CONFIGURATION_NAME,
    virtualHosts: [
      { name: "gateway", domains: ["*"], routes: ordered.flatMap((route) => envoyRoutes(route, pools)) },
    ],
    // Clusters come and go by CDS; one that is missing answers 503, it does not refuse the whole table.
    validateClusters: false,
  });
}

interface Target {
  readonly spec: PoolSpec;
  readonly weight: number;
}

/**
 * One route, or by model one for each pool and the route itself, which leads to the first. All bear the name by which
 * the filter knows which pools it may choose from; what it chose is in POOL_HEADER, and setting that makes Envoy
 * look for a route again.
 */
function envoyRoutes(route: RouteSpec, pools: ReadonlyMap<string, PoolSpec>): readonly Route[] {
  const targets = route.pools.flatMap(({ pool, weight }): readonly Target[] => {
    const spec = pools.get(pool);
    return spec === undefined || weight <= 0 ? [] : [{ spec, weight }];
  });
  const limitBytes = bufferLimitBytes(targets);
  if (!route.byModel) return [gatewayRoute(route, targets, limitBytes)];
  const chosen = targets.map(({ spec, weight }) => {
    const header = { name: POOL_HEADER, exact: `${spec.namespace}/${spec.name}` };
    return gatewayRoute({ ...route, headers: [...route.headers, header] }, [{ spec, weight }], limitBytes);
  });
  return [...chosen, gatewayRoute(route, targets.slice(0, 1), limitBytes)];
}

/**
 * What the filter may hold back before the pick, and what a retry can send again: the most that any of the pools
 * may need, since the body can be held before the pool is known. Envoy's own default answers 413 somewhere
 * between 0.24 and 1.09 MB.
 */
function bufferLimitBytes(targets: readonly Target[]): number {
  const limitBytes = Math.max(0, ...targets.map(({ spec }) => spec.bodyLimitBytes));
  const edits = targets.some(({ spec }) => spec.rewrites.length > 0 || spec.addUsage);
  return Math.min(limitBytes + (edits ? CHANGE_ROOM_BYTES : 0), MAX_BUFFER_BYTES);
}

function gatewayRoute(route: RouteSpec, targets: readonly Target[], limitBytes: number): Route {
  const [first] = targets;
  const match = {
    pathSpecifier:
      route.pathPrefix.endsWith("/") || route.pathPrefix === ""
        ? { case: "prefix" as const, value: route.pathPrefix === "" ? "/" : route.pathPrefix }
        : // `/v1` is `/v1` and `/v1/…`, not `/v10`
          { case: "pathSeparatedPrefix" as const, value: route.pathPrefix },
    headers: route.headers.map(({ name, exact }) => ({
      name,
      headerMatchSpecifier: {
        case: "stringMatch" as const,
        value: { matchPattern: { case: "exact" as const, value: exact } },
      },
    })),
  };
  if (first === undefined) {
    return create(RouteSchema, {
      name: route.name,
      match,
      action: {
        case: "directResponse",
        value: {
          status: NO_POOL_STATUS,
          body: { specifier: { case: "inlineString", value: "no inference pool behind this route\n" } },
        },
      },
    });
  }
  return create(RouteSchema, {
    name: route.name,
    match,
    // Only where it cannot contradict the cluster that the weights choose.
    ...(targets.length === 1 ? { metadata: poolMetadata(first.spec) } : {}),
    requestBodyBufferLimit: BigInt(limitBytes),
    requestHeadersToAdd: targets.length === 1 ? authorization(first.spec) : [],
    // The route is final by then, and the endpoints have no use for it.
    requestHeadersToRemove: route.byModel ? [POOL_HEADER] : [],
    action: {
      case: "route",
      value: {
        // Drawing among one costs each request a few µs for nothing.
        clusterSpecifier:
          targets.length === 1
            ? { case: "cluster", value: clusterName(first.spec) }
            : {
                case: "weightedClusters",
                value: {
                  clusters: targets.map(({ spec, weight }) => ({
                    name: clusterName(spec),
                    weight,
                    requestHeadersToAdd: authorization(spec),
                  })),
                },
              },
        // An answer may stream for minutes: `stream_idle_timeout` of the listener bounds silence instead.
        timeout: { seconds: 0n },
        retryPolicy: retryPolicy(targets.some(({ spec }) => spec.failureMode === "FailOpen")),
      },
    },
  });
}

/**
 * Retries walk the picked list: `override_host` takes its next entry at each attempt. `reset` covers a
 * connection that breaks before the answer's first byte; after it Envoy never retries.
 */
function retryPolicy(withFallback: boolean): RetryPolicy {
  return create(RetryPolicySchema, {
    retryOn: "connect-failure,refused-stream,reset,retriable-status-codes",
    retriableStatusCodes: [429, 500, 502, 503],
    // The list holds three.
    numRetries: 2,
    // For a fallback policy only, which would else offer the host that just failed.
    ...(withFallback
      ? {
          retryHostPredicate: [
            {
              name: "envoy.retry_host_predicates.previous_hosts",
              configType: {
                case: "typedConfig" as const,
                value: anyPack(PreviousHostsPredicateSchema, create(PreviousHostsPredicateSchema)),
              },
            },
          ],
          hostSelectionRetryMaxAttempts: 5n,
        }
      : {}),
    // The next attempt meets another host, so there is nothing to wait for; Envoy's default starts at 25 ms.
    retryBackOff: { baseInterval: { nanos: 1_000_000 }, maxInterval: { nanos: 10_000_000 } },
  });
}

/** The pool's own key towards its endpoints, in place of whatever the client sent. */
function authorization(pool: PoolSpec) {
  if (pool.upstreamApiKey === undefined) return [];
  return [
    {
      header: { key: "authorization", value: `Bearer ${escapePercent(pool.upstreamApiKey)}` },
      appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    },
  ];
}

/** Envoy reads `%…%` in header values as a command. */
function escapePercent(value: string): string {
  return value.replaceAll("%", "%%");
}
