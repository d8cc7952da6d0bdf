import { isIP } from "node:net";
import { transportSocket } from "../xds/bootstrap.ts";
import { METADATA_NAMESPACE, PICK_HEADER } from "../xds/names.ts";
import { PICK_METADATA } from "./listener-patches.ts";
import { type ConfigPatch, GATEWAY, typed } from "./patches.ts";
import { type Feed, type FailureMode, feeds, type IstioPool, istioCluster, type SetUp } from "./set-up.ts";

const POLICIES = "envoy.extensions.load_balancing_policies";

/** Clusters that lead to the controllers: outside the mesh, so that no mTLS of Istio's comes into it. */
export function feedPatches(setUp: SetUp): readonly ConfigPatch[] {
  return feeds(setUp).map((feed) => ({
    applyTo: "CLUSTER",
    match: GATEWAY,
    patch: { operation: "ADD", value: feedCluster(feed, setUp) },
  }));
}

function feedCluster({ cluster, controller }: Feed, { controllerTls }: SetUp) {
  const address = { address: controller.host, port_value: controller.port };
  return {
    name: cluster,
    type: isIP(controller.host) === 0 ? "STRICT_DNS" : "STATIC",
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: cluster,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: address } } }] }],
    },
    ...(controllerTls === undefined
      ? {}
      : { transport_socket: transportSocket(controller.host, controllerTls) }),
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        {
          explicit_http_config: {
            // A controller that is black-holed is noticed after 7 s, else never.
            http2_protocol_options: { connection_keepalive: { interval: "5s", timeout: "2s" } },
          },
        },
      ),
    },
  };
}

/**
 * What the pools' clusters are given: who they are, for a filter that has no table yet, and the policy that sends a
 * request to exactly the host picked. The clusters of Istio's InferencePools have that policy; a second one that is
 * merged in would stand behind the first and never be used.
 */
export function poolPatches(setUp: SetUp): readonly ConfigPatch[] {
  return setUp.pools.map((pool) => ({
    applyTo: "CLUSTER",
    match: { ...GATEWAY, cluster: { name: istioCluster(pool, setUp.clusterDomain) } },
    patch: {
      operation: "MERGE",
      value: {
        metadata: poolMetadata(pool),
        ...(setUp.kind === "inferencepool" ? {} : { load_balancing_policy: overrideHost(pool.failureMode) }),
      },
    },
  }));
}

/** As `poolMetadata` of xds/clusters.ts, in JSON. */
export function poolMetadata({ namespace, name, failureMode }: IstioPool) {
  return { filter_metadata: { [METADATA_NAMESPACE]: { pool: `${namespace}/${name}`, failureMode } } };
}

/** Without a pick FailOpen goes round robin; FailClose meets a policy that finds no host, which is a 503. */
function overrideHost(failureMode: FailureMode) {
  const roundRobin = policy("round_robin", typed(`${POLICIES}.round_robin.v3.RoundRobin`));
  return policy(
    "override_host",
    typed(`${POLICIES}.override_host.v3.OverrideHost`, {
      override_host_sources: [{ metadata: { key: PICK_METADATA, path: [{ key: PICK_HEADER }] } }],
      fallback_policy:
        failureMode === "FailOpen"
          ? roundRobin
          : policy(
              "subset",
              typed(`${POLICIES}.subset.v3.Subset`, {
                fallback_policy: "NO_FALLBACK",
                subset_lb_policy: roundRobin,
              }),
            ),
    }),
  );
}

function policy(name: string, config: Readonly<Record<string, unknown>>) {
  return {
    policies: [
      { typed_extension_config: { name: `envoy.load_balancing_policies.${name}`, typed_config: config } },
    ],
  };
}
