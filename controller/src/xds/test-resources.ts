import assert from "node:assert/strict";
import { createRegistry, type JsonObject, toJson } from "@bufbuild/protobuf";
import { anyUnpack, file_google_protobuf_wrappers } from "@bufbuild/protobuf/wkt";
import { file_envoy_config_cluster_v3_cluster } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import { file_envoy_config_core_v3_extension } from "./generated/envoy/config/core/v3/extension_pb.ts";
import { file_envoy_config_endpoint_v3_endpoint } from "./generated/envoy/config/endpoint/v3/endpoint_pb.ts";
import { file_envoy_config_route_v3_route } from "./generated/envoy/config/route/v3/route_pb.ts";
import { file_envoy_extensions_filters_http_header_mutation_v3_header_mutation } from "./generated/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.ts";
import { file_envoy_extensions_filters_http_upstream_codec_v3_upstream_codec } from "./generated/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.ts";
import { file_envoy_extensions_filters_http_wasm_v3_wasm } from "./generated/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
import { file_envoy_extensions_load_balancing_policies_override_host_v3_override_host } from "./generated/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.ts";
import { file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin } from "./generated/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.ts";
import { file_envoy_extensions_load_balancing_policies_subset_v3_subset } from "./generated/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.ts";
import { file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts } from "./generated/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from "./generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from "./generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import type { Endpoint, Inventory } from "../model.ts";
import { buildSnapshot, type ResourceMap, type ResourceSettings } from "./resources.ts";

const registry = createRegistry(
  file_google_protobuf_wrappers,
  file_envoy_config_cluster_v3_cluster,
  file_envoy_config_core_v3_extension,
  file_envoy_config_endpoint_v3_endpoint,
  file_envoy_config_route_v3_route,
  file_envoy_extensions_filters_http_header_mutation_v3_header_mutation,
  file_envoy_extensions_filters_http_upstream_codec_v3_upstream_codec,
  file_envoy_extensions_filters_http_wasm_v3_wasm,
  file_envoy_extensions_load_balancing_policies_override_host_v3_override_host,
  file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin,
  file_envoy_extensions_load_balancing_policies_subset_v3_subset,
  file_envoy_extensions_retry_host_previous_hosts_v3_previous_hosts,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
);

export const SETTINGS: ResourceSettings = {
  systemCaFile: "/etc/ssl/ca.crt",
  filter: { wasmFile: "/filter.wasm", feeds: [{ cluster: "inference-picker-feed" }], tickMs: 25 },
};
export const GENERATION = 1_700_000_000_000;

export function snapshot(
  inventory: Partial<Inventory>,
  endpoints: readonly Endpoint[] = [],
  settings = SETTINGS,
) {
  return buildSnapshot({ pools: [], routes: [], ...inventory }, endpoints, settings, GENERATION);
}

/** A resource as JSON, `Any`s included. */
export function json(resources: ResourceMap, name: string): JsonObject {
  const resource = resources.get(name);
  assert.ok(resource, `no resource ${name} among ${[...resources.keys()]}`);
  const message = anyUnpack(resource.any, registry);
  assert.ok(message);
  const schema = registry.getMessage(message.$typeName);
  assert.ok(schema);
  return toJson(schema, message, { registry, useProtoFieldName: true }) as JsonObject;
}

/** The value at `path`, whose parts are keys or indices. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, part) => (inner as Record<string | number, unknown> | undefined)?.[part],
    value,
  );
}
