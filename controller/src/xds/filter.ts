import { create } from "@bufbuild/protobuf";
import { anyPack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type TypedExtensionConfig,
  TypedExtensionConfigSchema,
} from "./generated/envoy/config/core/v3/extension_pb.ts";
import { WasmSchema } from "./generated/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
import { FailurePolicy } from "./generated/envoy/extensions/wasm/v3/wasm_pb.ts";
import { FILTER_NAME } from "./names.ts";

export interface FeedTarget {
  /** Name of an Envoy cluster that leads to a controller. */
  readonly cluster: string;
  /** `:authority` of the stream; default: the cluster's name. */
  readonly authority?: string | undefined;
}

/** What of the filter's configuration the settings decide. */
export interface FilterSettings {
  /** The module's path as Envoy sees it. */
  readonly wasmFile: string;
  /** SHA-256 of the module. Envoy reads the file only when it is sent another resource. */
  readonly moduleSha256?: string | undefined;
  readonly feeds: readonly FeedTarget[];
  /** The root contexts' tick in ms, 5 to 250. */
  readonly tickMs: number;
}

/** The plugin configuration without its generation: equal text means that nothing has to be sent again. */
export function filterConfiguration(settings: FilterSettings): Record<string, unknown> {
  return {
    feeds: settings.feeds.map(({ cluster, authority }) =>
      authority === undefined ? { cluster } : { cluster, authority },
    ),
    tickMs: settings.tickMs,
    // The bootstrap has the header_mutation filter that this needs.
    pick: "property",
  };
}

/**
 * The filter as an ECDS resource.
 *
 * `generation` (`nextGeneration` in module-watch.ts) must grow with every change of the module: root
 * contexts of the configuration that it replaces keep ticking for minutes, and the newest generation wins
 * the lease. Configurations of one module that differ in the settings alone share it: they are the same code,
 * and whichever holds the lease serves both.
 */
export function filterResource(settings: FilterSettings, generation: number): TypedExtensionConfig {
  const configuration = JSON.stringify({ generation, ...filterConfiguration(settings) });
  return create(TypedExtensionConfigSchema, {
    name: FILTER_NAME,
    typedConfig: anyPack(
      WasmSchema,
      create(WasmSchema, {
        config: {
          name: FILTER_NAME,
          rootId: FILTER_NAME,
          vm: {
            case: "vmConfig",
            value: {
              // Also the scope of the shared data, so that the roots of all workers meet there.
              vmId: FILTER_NAME,
              runtime: "envoy.wasm.runtime.v8",
              // Nothing reads it. It makes another resource of another content where the file's time, and so
              // the generation, is the same.
              ...(settings.moduleSha256 === undefined
                ? {}
                : { environmentVariables: { keyValues: { MODULE_SHA256: settings.moduleSha256 } } }),
              code: {
                specifier: {
                  case: "local",
                  value: { specifier: { case: "filename", value: settings.wasmFile } },
                },
              },
            },
          },
          configuration: anyPack(StringValueSchema, create(StringValueSchema, { value: configuration })),
          // FAIL_OPEN would bypass the filter for good after one trap; FAIL_CLOSED would answer 503 for good.
          failurePolicy: FailurePolicy.FAIL_RELOAD,
          // That worker answers 503 in between; Envoy's default is 1 s, jittered.
          reloadConfig: { backoff: { baseInterval: { nanos: 250_000_000 } } },
          // Without it a request that waits for its body hangs.
          allowOnHeadersStopIteration: true,
        },
      }),
    ),
  });
}
