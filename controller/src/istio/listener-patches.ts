import { FILTER_NAME, PICK_HEADER } from "../xds/names.ts";
import { filterOfModule } from "./filter-config.ts";
import { type ConfigPatch, GATEWAY, typed } from "./patches.ts";
import type { SetUp } from "./set-up.ts";

const ROUTER = "envoy.filters.http.router";
const EXT_PROC = "envoy.filters.http.ext_proc";
const HEADER_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
const RETRIES_HEADER = "x-envoy-max-retries";
/** Where `override_host` of Istio's InferencePools looks for the pick, and so ours. */
export const PICK_METADATA = "envoy.lb";

/**
 * The filters of the gateway's listeners. In the order of the chain: nobody but the picker says where a request
 * goes; the picker, before the router and so behind authentication and authorization; its pick, once it is a header,
 * becomes metadata, so that no endpoint sees it.
 */
export function listenerPatches(setUp: SetUp): readonly ConfigPatch[] {
  const isPlugin = setUp.kind === "wasmplugin";
  return [
    insertFirst(stripped()),
    ...(setUp.kind === "inferencepool" ? [removed(EXT_PROC)] : []),
    ...(isPlugin ? [] : [filterOfModule(setUp), beforeRouter(discovered()), beforeRouter(headerOfPick())]),
    beforeRouter(metadataOfPick()),
  ];
}

/**
 * Outside requests only lose `x-envoy-*` where Envoy takes their address for an outside one, which behind a load
 * balancer of a private network it does not.
 */
function stripped() {
  return {
    name: "inference-picker-strip",
    typed_config: typed(HEADER_MUTATION, {
      mutations: { request_mutations: [{ remove: PICK_HEADER }, { remove: RETRIES_HEADER }] },
    }),
  };
}

/** The picker: what it is comes over ECDS, so that a change of it leaves the listener and its connections alone. */
function discovered() {
  return {
    name: FILTER_NAME,
    config_discovery: {
      // A listener without its picker would answer 500: it takes over when the module is there, however long that
      // takes. Until then the listener before it goes on.
      config_source: { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "0s" },
      // Not RBAC: by that Istio's agent would deny all requests where it cannot fetch a new module. Refusing it,
      // Envoy goes on with the module that it has.
      type_urls: ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
    },
  };
}

/** A header edited from Wasm would make Envoy choose the route anew: docs/decisions/0010. Absent state writes nothing. */
function headerOfPick() {
  return {
    name: "inference-picker-header",
    typed_config: typed(HEADER_MUTATION, {
      mutations: {
        request_mutations: [
          written(PICK_HEADER, "%FILTER_STATE(wasm.pick:PLAIN)%"),
          written(RETRIES_HEADER, "%FILTER_STATE(wasm.retries:PLAIN)%"),
        ],
      },
    }),
  };
}

function written(key: string, value: string) {
  return { append: { header: { key, value }, append_action: "OVERWRITE_IF_EXISTS_OR_ADD" } };
}

function metadataOfPick() {
  return {
    name: "inference-picker-metadata",
    typed_config: typed("envoy.extensions.filters.http.header_to_metadata.v3.Config", {
      request_rules: [
        {
          header: PICK_HEADER,
          on_header_present: { metadata_namespace: PICK_METADATA, key: PICK_HEADER },
          remove: true,
        },
      ],
    }),
  };
}

function listener(subFilter?: string) {
  const name = "envoy.filters.network.http_connection_manager";
  const filter = subFilter === undefined ? { name } : { name, subFilter: { name: subFilter } };
  return { ...GATEWAY, listener: { filterChain: { filter } } };
}

function insertFirst(value: Readonly<Record<string, unknown>>): ConfigPatch {
  return { applyTo: "HTTP_FILTER", match: listener(), patch: { operation: "INSERT_FIRST", value } };
}

function beforeRouter(value: Readonly<Record<string, unknown>>): ConfigPatch {
  return { applyTo: "HTTP_FILTER", match: listener(ROUTER), patch: { operation: "INSERT_BEFORE", value } };
}

function removed(filter: string): ConfigPatch {
  return { applyTo: "HTTP_FILTER", match: listener(filter), patch: { operation: "REMOVE" } };
}
