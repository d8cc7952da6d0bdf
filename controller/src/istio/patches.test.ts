/** Istio drops a patch in silence whose value does not parse: here every value must, key by key. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRegistry, type DescMessage, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { file_google_protobuf_wrappers } from "@bufbuild/protobuf/wkt";
import { ClusterSchema } from "../xds/generated/envoy/config/cluster/v3/cluster_pb.ts";
import { TypedExtensionConfigSchema } from "../xds/generated/envoy/config/core/v3/extension_pb.ts";
import { RouteSchema } from "../xds/generated/envoy/config/route/v3/route_components_pb.ts";
import { file_envoy_extensions_filters_http_header_mutation_v3_header_mutation } from "../xds/generated/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.ts";
import { file_envoy_extensions_filters_http_header_to_metadata_v3_header_to_metadata } from "../xds/generated/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.ts";
import { file_envoy_extensions_filters_http_wasm_v3_wasm } from "../xds/generated/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
import { HttpFilterSchema } from "../xds/generated/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { file_envoy_extensions_load_balancing_policies_override_host_v3_override_host } from "../xds/generated/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.ts";
import { file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin } from "../xds/generated/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.ts";
import { file_envoy_extensions_load_balancing_policies_subset_v3_subset } from "../xds/generated/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.ts";
import { file_envoy_extensions_transport_sockets_tls_v3_tls } from "../xds/generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { file_envoy_extensions_upstreams_http_v3_http_protocol_options } from "../xds/generated/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { generate } from "./generate.ts";
import type { ConfigPatch } from "./patches.ts";
import { SET_UPS } from "./set-up.ts";
import { setUpOf } from "./test-set-up.ts";

const registry = createRegistry(
  file_google_protobuf_wrappers,
  file_envoy_extensions_filters_http_header_mutation_v3_header_mutation,
  file_envoy_extensions_filters_http_header_to_metadata_v3_header_to_metadata,
  file_envoy_extensions_filters_http_wasm_v3_wasm,
  file_envoy_extensions_load_balancing_policies_override_host_v3_override_host,
  file_envoy_extensions_load_balancing_policies_round_robin_v3_round_robin,
  file_envoy_extensions_load_balancing_policies_subset_v3_subset,
  file_envoy_extensions_transport_sockets_tls_v3_tls,
  file_envoy_extensions_upstreams_http_v3_http_protocol_options,
);

const MESSAGES: Readonly<Record<ConfigPatch["applyTo"], DescMessage>> = {
  CLUSTER: ClusterSchema,
  EXTENSION_CONFIG: TypedExtensionConfigSchema,
  HTTP_FILTER: HttpFilterSchema,
  HTTP_ROUTE: RouteSchema,
};

function patchesOf(...args: Parameters<typeof setUpOf>): readonly ConfigPatch[] {
  return generate(setUpOf(...args)).flatMap(({ spec }) => (spec.configPatches ?? []) as ConfigPatch[]);
}

/** As protobuf writes it: 64-bit integers are strings, and the one default that is written out is not. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== "NO_FALLBACK");
  return Object.fromEntries(
    kept.map(([key, inner]) => [key, key === "request_body_buffer_limit" ? String(inner) : plain(inner)]),
  );
}

const VARIANTS = [
  {},
  { pools: "demo/a:one:8000,demo/b:two:80:FailOpen", routes: "x=demo/a,y=demo/b" },
  {
    controller: "10.0.0.1:1,[fd00::1]:2,picker.test:3",
    "controller-ca": "/ca.pem",
    "controller-cert": "/cert.pem",
    "controller-key": "/key.pem",
  },
  { "wasm-url": "oci://registry.test/picker:1" },
  { "wasm-url": "https://files.test/picker.wasm", sha256: "ab".repeat(32) },
];

test("every patch is a message of Envoy's, and says nothing that is lost in reading", () => {
  let count = 0;
  for (const kind of SET_UPS) {
    for (const variant of VARIANTS) {
      const more =
        kind === "inferencepool" && variant.pools !== undefined
          ? { ...variant, pools: "demo/a,demo/b:FailOpen" }
          : variant;
      for (const { applyTo, patch } of patchesOf(kind, more)) {
        assert.equal(patch.value === undefined, patch.operation === "REMOVE");
        if (patch.value === undefined) continue;
        const schema = MESSAGES[applyTo];
        const message = fromJson(schema, patch.value as JsonValue, { registry });
        const again = toJson(schema, message, { registry, useProtoFieldName: true });
        assert.deepEqual(again, plain(patch.value));
        count++;
      }
    }
  }
  assert.ok(count > 100, `${count} patches`);
});

test("a key that Envoy does not know would be found", () => {
  assert.throws(
    () => fromJson(ClusterSchema, { name: "a", load_balancing_polcy: {} }, { registry }),
    /load_balancing_polcy/,
  );
});
