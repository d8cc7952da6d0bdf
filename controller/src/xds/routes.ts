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
import { ROUTE_CONFIGURATION_NAME } from "./names.ts";

/** A route whose pools are all gone, or all weighed zero. */
const NO_POOL_STATUS = 503;

/** Largest request body in bytes that any route holds back for the pick or a retry: 1 GiB. */
const MAX_BUFFER_BYTES = 1 << 30;

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
      { name: "gateway", domains: ["*"], routes: ordered.map((route) => gatewayRoute(route, pools)) },
    ],
    // Clusters come and go by CDS; one that is missing answers 503, it does not refuse the whole table.
    validateClusters: false,
  });
}

function gatewayRoute(route: RouteSpec, pools: ReadonlyMap<string, PoolSpec>): Route {
  const targets = route.pools.flatMap(({ pool, weight }) => {
    const spec = pools.get(pool);
    return spec === undefined || weight <= 0 ? [] : [{ spec, weight }];
  });
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
    // What the filter may hold back before the pick, and what a retry can send again. Envoy's own
    // default answers 413 somewhere between 0.24 and 1.09 MB.
    requestBodyBufferLimit: BigInt(
      Math.min(Math.max(...targets.map(({ spec }) => spec.bodyLimitBytes)), MAX_BUFFER_BYTES),
    ),
    requestHeadersToAdd: targets.length === 1 ? authorization(first.spec) : [],
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
