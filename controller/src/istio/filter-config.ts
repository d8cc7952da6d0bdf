import { FILTER_NAME } from "../xds/names.ts";
import { type ConfigPatch, GATEWAY, typed } from "./patches.ts";
import { feeds, type SetUp } from "./set-up.ts";

/**
 * The filter's own configuration.
 *
 * A WasmPlugin cannot say `allow_on_headers_stop_iteration`, without which a request that waits for its body hangs,
 * nor bring the `header_mutation` filter that writes the header from filter state. Istio's bootstrap has no
 * `stats_tags` for the metrics by model; the controller's page has them.
 */
export function filterConfiguration(setUp: SetUp): Readonly<Record<string, unknown>> {
  const isPlugin = setUp.kind === "wasmplugin";
  return {
    generation: setUp.generation,
    feeds: feeds(setUp).map(({ cluster, authority }) => ({ cluster, authority })),
    tickMs: setUp.tickMs,
    pick: isPlugin ? "header" : "property",
    body: isPlugin ? "pass" : "read",
    metrics: "none",
  };
}

/** The filter as a resource of its own, which the listener asks for by name. */
export function filterOfModule(setUp: SetUp): ConfigPatch {
  const value = {
    name: FILTER_NAME,
    typed_config: typed("envoy.extensions.filters.http.wasm.v3.Wasm", {
      config: {
        name: FILTER_NAME,
        root_id: FILTER_NAME,
        vm_config: {
          // Also the scope of the shared data: all workers, and all generations, meet there.
          vm_id: FILTER_NAME,
          runtime: "envoy.wasm.runtime.v8",
          code: moduleSource(setUp),
        },
        configuration: typed("google.protobuf.StringValue", {
          value: JSON.stringify(filterConfiguration(setUp)),
        }),
        // FAIL_OPEN would bypass the filter for good after one trap, FAIL_CLOSED answer 503 for good.
        failure_policy: "FAIL_RELOAD",
        // That worker answers 503 in between; Envoy's default is 1 s, jittered.
        reload_config: { backoff: { base_interval: "0.250s" } },
        // Without it a request that waits for its body hangs.
        allow_on_headers_stop_iteration: true,
      },
    }),
  };
  return { applyTo: "EXTENSION_CONFIG", match: GATEWAY, patch: { operation: "ADD", value } };
}

const FILE = "file://";

/**
 * A file is Envoy's to read. Anything else is fetched by Istio's agent, which puts a file in its place and takes the
 * cluster for nothing (`buildDataSource` in istio/istio, pilot/pkg/model/extensions.go).
 */
function moduleSource({ wasmUrl, wasmSha256 }: SetUp) {
  if (wasmUrl.startsWith(FILE)) return { local: { filename: wasmUrl.slice(FILE.length) } };
  return {
    remote: {
      http_uri: { uri: wasmUrl, timeout: "30s", cluster: "_" },
      ...(wasmSha256 === undefined ? {} : { sha256: wasmSha256 }),
    },
  };
}
