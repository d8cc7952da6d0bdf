const API = "type.googleapis.com/envoy";
const NETWORK = `${API}.extensions.filters.network`;
const HTTP = `${API}.extensions.filters.http`;

/** An Envoy's filter as ADS delivers it, but for what is given. */
export function wasmFilter(more: object = {}, own: object = {}) {
  const configuration = { generation: 1, feeds: [{ cluster: "inference-picker-feed" }], pick: "property" };
  return {
    name: "inference-picker",
    typed_config: {
      "@type": `${HTTP}.wasm.v3.Wasm`,
      config: {
        root_id: "inference-picker",
        vm_config: { vm_id: "inference-picker", runtime: "envoy.wasm.runtime.v8" },
        configuration: {
          "@type": "type.googleapis.com/google.protobuf.StringValue",
          value: JSON.stringify({ ...configuration, ...own }),
        },
        failure_policy: "FAIL_RELOAD",
        allow_on_headers_stop_iteration: true,
        ...more,
      },
    },
  };
}

export const DISCOVERED = { name: "inference-picker", config_discovery: { config_source: { ads: {} } } };
export const WRITES_PICK = {
  name: "envoy.filters.http.header_mutation",
  typed_config: {
    "@type": `${HTTP}.header_mutation.v3.HeaderMutation`,
    mutations: {
      request_mutations: [
        {
          append: {
            header: { key: "x-gateway-destination-endpoint", value: "%FILTER_STATE(wasm.pick:PLAIN)%" },
          },
        },
      ],
    },
  },
};
export const ROUTER = {
  name: "envoy.filters.http.router",
  typed_config: { "@type": `${HTTP}.router.v3.Router` },
};

export function listener(name: string, httpFilters: readonly object[]) {
  const typed_config = {
    "@type": `${NETWORK}.http_connection_manager.v3.HttpConnectionManager`,
    http_filters: httpFilters,
  };
  return { name, filter_chains: [{ filters: [{ name: "hcm", typed_config }] }] };
}

/** `source` of the policy override_host; absent: another policy. */
export function cluster(name: string, source?: object) {
  const override = { override_host_sources: [source] };
  const policies = [
    { typed_extension_config: { name: "policy", typed_config: source === undefined ? {} : override } },
  ];
  return { name, load_balancing_policy: { policies } };
}

export const BY_HEADER = { header: "x-gateway-destination-endpoint" };
export const BY_METADATA = {
  metadata: { key: "envoy.lb", path: [{ key: "x-gateway-destination-endpoint" }] },
};
export const WRITES_METADATA = {
  name: "inference-picker-metadata",
  typed_config: {
    "@type": `${HTTP}.header_to_metadata.v3.Config`,
    request_rules: [
      {
        header: "x-gateway-destination-endpoint",
        on_header_present: { metadata_namespace: "envoy.lb", key: "x-gateway-destination-endpoint" },
        remove: true,
      },
    ],
  },
};

/** `/clusters?format=json` with this many connections to the one host of each cluster; null: it has no host. */
export function clusterHosts(more: Readonly<Record<string, number | null>> = {}) {
  const connections = { "inference-picker-feed": 1, "default/chat": 2, ...more };
  return {
    cluster_statuses: Object.entries(connections).map(([name, value]) => ({
      name,
      ...(value === null
        ? {}
        : {
            host_statuses: [
              { stats: [{ name: "cx_active", ...(value === 0 ? {} : { value: String(value) }) }] },
            ],
          }),
    })),
  };
}

/** `/config_dump` with these. */
export function dump({
  routes = [],
  listeners = [listener("gateway", [DISCOVERED, WRITES_PICK, ROUTER])],
  filters = [wasmFilter()],
  clusters = [cluster("inference-picker-feed"), cluster("default/chat", BY_HEADER)],
}: {
  readonly listeners?: readonly object[];
  readonly filters?: readonly object[];
  readonly clusters?: readonly object[];
  /** Each a route's action. */
  readonly routes?: readonly object[];
} = {}) {
  const of = (kind: string, fields: object) => ({ "@type": `${API}.admin.v3.${kind}ConfigDump`, ...fields });
  return {
    configs: [
      of("Bootstrap", {}),
      of("Clusters", { static_clusters: clusters.map((each) => ({ cluster: each })) }),
      of("Ecds", { ecds_filters: filters.map((each) => ({ ecds_filter: each })) }),
      of("Routes", {
        dynamic_route_configs: [
          { route_config: { virtual_hosts: [{ routes: routes.map((route) => ({ route })) }] } },
        ],
      }),
      of("Listeners", { static_listeners: listeners.map((each) => ({ listener: each })) }),
    ],
  };
}

/** `/stats` of an Envoy in good order, but for what is given. */
export function stats(more: Readonly<Record<string, number>> = {}): string {
  const good = {
    "control_plane.connected_state": 1,
    "listener_manager.total_listeners_warming": 0,
    "wasm.envoy.wasm.runtime.v8.active": 3,
    "wasmcustom.inference_picker.feed.tables_accepted": 40,
    "wasmcustom.inference_picker.picks": 7,
    "wasmcustom.inference_picker.answers": 0,
  };
  return Object.entries({ ...good, ...more })
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
}

export function serverInfo(version = "1.40.0", state = "LIVE") {
  return { version: `0123abcd/${version}/Clean/RELEASE/BoringSSL`, state };
}
