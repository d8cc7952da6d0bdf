import { isIP } from "node:net";
import { create } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import type { Endpoint, PoolSpec, TlsClient } from "../model.ts";
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
  type LoadBalancingPolicy,
  LoadBalancingPolicySchema,
} from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiVersion } from "./generated/envoy/config/core/v3/config_source_pb.ts";
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from "./generated/envoy/config/endpoint/v3/endpoint_pb.ts";
import { HeaderMutationSchema } from "./generated/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.ts";
import { UpstreamCodecSchema } from "./generated/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.ts";
import {
  type HttpFilter,
  HttpFilterSchema,
} from "./generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { OverrideHostSchema } from "./generated/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.ts";
import { RoundRobinSchema } from "./generated/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.ts";
import {
  Subset_LbSubsetFallbackPolicy,
  SubsetSchema,
} from "./generated/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.ts";
import {
  CertificateValidationContext_TrustChainVerification,
  SubjectAltNameMatcher_SanType,
} from "./generated/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import { UpstreamTlsContextSchema } from "./generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { HttpProtocolOptionsSchema } from "./generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { METADATA_NAMESPACE, PICK_HEADER } from "./names.ts";

/** High enough never to be the hidden limit: what may be in flight is the filter's decision. */
const UNLIMITED = 1_000_000;

/** Seconds; below uvicorn's `timeout_keep_alive` of 5, so that Envoy, not the model server, closes idle connections. */
const UPSTREAM_IDLE_SECONDS = 4n;

/** Retries at once that a quiet pool may always make, so that one dead endpoint of two cannot exhaust 20 % of few. */
const MIN_RETRY_CONCURRENCY = 16;

export interface ClusterSettings {
  /** Bundle of the system's authorities, as Envoy sees the file: for TLS to endpoints without a `caFile`. */
  readonly systemCaFile: string;
}

/** Name under which the pool's cluster and its endpoints are served: the first of `clusters`. */
export function clusterName(pool: PoolSpec): string {
  return pool.clusters[0] ?? `${pool.namespace}/${pool.name}`;
}

/**
 * The pool's cluster: hosts from EDS over ADS, chosen by the picked list in the request's header.
 * A list that is missing or used up goes to round robin under FailOpen; under FailClose it meets a
 * subset policy that knows no subset and has no fallback, which Envoy answers with 503.
 *
 * `endpoints` (those of this pool) only matter for TLS, whose certificates must name one of their hosts.
 */
export function poolCluster(
  pool: PoolSpec,
  endpoints: readonly Endpoint[],
  settings: ClusterSettings,
): Cluster {
  return create(ClusterSchema, {
    name: clusterName(pool),
    clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: {
      edsConfig: {
        configSourceSpecifier: { case: "ads", value: {} },
        resourceApiVersion: ApiVersion.V3,
        // A pool none of whose names resolves has no endpoints to send; it must not hold up the others.
        initialFetchTimeout: { seconds: 2n },
      },
    },
    // An endpoint that does not accept within a second costs the request less by a retry on the next pick.
    connectTimeout: { seconds: 1n },
    loadBalancingPolicy: overrideHost(pool.failureMode === "FailOpen" ? roundRobin() : noHost()),
    // A removed endpoint must leave at once: override_host would go on sending to it.
    ignoreHealthOnHostRemoval: true,
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: UNLIMITED,
          maxPendingRequests: UNLIMITED,
          maxRequests: UNLIMITED,
          // Against retry storms when a whole pool fails: at most a fifth of what is in flight.
          retryBudget: { budgetPercent: { value: 20 }, minRetryConcurrency: MIN_RETRY_CONCURRENCY },
        },
      ],
    },
    // A black-holed endpoint under a long answer is noticed by the kernel after 30 + 3 × 5 s; HTTP/2
    // pings are not used, since a model server busy in one thread may answer them late.
    upstreamConnectionOptions: {
      tcpKeepalive: { keepaliveTime: 30, keepaliveInterval: 5, keepaliveProbes: 3 },
    },
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": anyPack(
        HttpProtocolOptionsSchema,
        create(HttpProtocolOptionsSchema, {
          commonHttpProtocolOptions: { idleTimeout: { seconds: UPSTREAM_IDLE_SECONDS } },
          // Behind the choice of the host, so that no endpoint sees the picked list; retries keep walking it,
          // since Envoy reads it once per request.
          httpFilters: [
            httpFilter(
              "envoy.filters.http.header_mutation",
              anyPack(
                HeaderMutationSchema,
                create(HeaderMutationSchema, {
                  mutations: { requestMutations: [{ action: { case: "remove", value: PICK_HEADER } }] },
                }),
              ),
            ),
            httpFilter(
              "envoy.filters.http.upstream_codec",
              anyPack(UpstreamCodecSchema, create(UpstreamCodecSchema)),
            ),
          ],
          upstreamProtocolOptions: {
            case: "explicitHttpConfig",
            value: {
              protocolConfig:
                pool.appProtocol === "kubernetes.io/h2c"
                  ? { case: "http2ProtocolOptions", value: {} }
                  : { case: "httpProtocolOptions", value: {} },
            },
          },
        }),
      ),
    },
    metadata: poolMetadata(pool),
    ...(pool.upstreamTls === undefined
      ? {}
      : { transportSocket: upstreamTls(pool, pool.upstreamTls, endpoints, settings) }),
  });
}

/**
 * Names the pool, and what to do without a table, to a filter whose table does not know the cluster:
 * `{filter_metadata: {inference-picker: {pool: namespace/name, failureMode: FailOpen | FailClose}}}`
 */
export function poolMetadata(pool: PoolSpec) {
  return {
    filterMetadata: {
      [METADATA_NAMESPACE]: { pool: `${pool.namespace}/${pool.name}`, failureMode: pool.failureMode },
    },
  };
}

/**
 * The pool's hosts, spelled as the table spells them, in one locality and without weights. An endpoint
 * that drains or is not ready stays out: `override_host` checks no health, so whoever is in the cluster
 * can be reached. Sorted, and each address once.
 */
export function poolEndpoints(pool: PoolSpec, endpoints: readonly Endpoint[]): ClusterLoadAssignment {
  const byAddress = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    if (endpoint.ready && !endpoint.draining && !byAddress.has(endpoint.address)) {
      byAddress.set(endpoint.address, endpoint);
    }
  }
  const sorted = [...byAddress.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  return create(ClusterLoadAssignmentSchema, {
    clusterName: clusterName(pool),
    endpoints: [
      {
        lbEndpoints: sorted.map((endpoint) => ({
          hostIdentifier: {
            case: "endpoint" as const,
            value: {
              address: {
                address: {
                  case: "socketAddress" as const,
                  value: {
                    address: endpoint.ip,
                    portSpecifier: { case: "portValue" as const, value: endpoint.spec.port },
                  },
                },
              },
              // Becomes the server name in TLS, which an IP address must not be (RFC 6066, section 3).
              hostname: isIP(endpoint.spec.host) === 0 ? endpoint.spec.host : "",
            },
          },
        })),
      },
    ],
  });
}

function httpFilter(name: string, typedConfig: Any): HttpFilter {
  return create(HttpFilterSchema, { name, configType: { case: "typedConfig", value: typedConfig } });
}

function overrideHost(fallbackPolicy: LoadBalancingPolicy): LoadBalancingPolicy {
  return policy(
    "envoy.load_balancing_policies.override_host",
    anyPack(
      OverrideHostSchema,
      create(OverrideHostSchema, {
        overrideHostSources: [{ header: PICK_HEADER }],
        fallbackPolicy,
      }),
    ),
  );
}

function roundRobin(): LoadBalancingPolicy {
  return policy(
    "envoy.load_balancing_policies.round_robin",
    anyPack(RoundRobinSchema, create(RoundRobinSchema)),
  );
}

function noHost(): LoadBalancingPolicy {
  return policy(
    "envoy.load_balancing_policies.subset",
    anyPack(
      SubsetSchema,
      create(SubsetSchema, {
        fallbackPolicy: Subset_LbSubsetFallbackPolicy.NO_FALLBACK,
        subsetLbPolicy: roundRobin(),
      }),
    ),
  );
}

function policy(name: string, typedConfig: Any): LoadBalancingPolicy {
  return create(LoadBalancingPolicySchema, { policies: [{ typedExtensionConfig: { name, typedConfig } }] });
}

function upstreamTls(
  pool: PoolSpec,
  tls: TlsClient,
  endpoints: readonly Endpoint[],
  settings: ClusterSettings,
) {
  const hosts =
    tls.serverName === undefined
      ? // Also those not resolved yet: a cluster that changes with each answer would warm anew, without hosts.
        [...new Set([...pool.endpoints, ...endpoints.map(({ spec }) => spec)].map(({ host }) => host))].sort()
      : [tls.serverName];
  const context = create(UpstreamTlsContextSchema, {
    sni: tls.serverName ?? "",
    // Each connection names its endpoint's host, where that is a name.
    autoHostSni: tls.serverName === undefined,
    commonTlsContext: {
      alpnProtocols: [pool.appProtocol === "kubernetes.io/h2c" ? "h2" : "http/1.1"],
      tlsCertificates:
        tls.certFile === undefined || tls.keyFile === undefined
          ? []
          : [{ certificateChain: file(tls.certFile), privateKey: file(tls.keyFile) }],
      validationContextType: {
        case: "validationContext",
        value: tls.insecureSkipVerify
          ? { trustChainVerification: CertificateValidationContext_TrustChainVerification.ACCEPT_UNTRUSTED }
          : {
              trustedCa: file(tls.caFile ?? settings.systemCaFile),
              matchTypedSubjectAltNames: hosts.map((host) => ({
                sanType:
                  isIP(host) === 0
                    ? SubjectAltNameMatcher_SanType.DNS
                    : SubjectAltNameMatcher_SanType.IP_ADDRESS,
                matcher: { matchPattern: { case: "exact" as const, value: host } },
              })),
            },
      },
    },
  });
  return {
    name: "envoy.transport_sockets.tls",
    configType: { case: "typedConfig" as const, value: anyPack(UpstreamTlsContextSchema, context) },
  };
}

function file(filename: string) {
  return { specifier: { case: "filename" as const, value: filename } };
}
