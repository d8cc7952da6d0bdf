import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRegistry, type JsonObject, toJson } from "@bufbuild/protobuf";
import { anyUnpack, file_google_protobuf_wrappers } from "@bufbuild/protobuf/wkt";
import type { Endpoint, Inventory, PoolSpec, RouteSpec } from "../model.ts";
import { testEndpoint, testPool } from "./fixtures.ts";
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

const SETTINGS: ResourceSettings = {
  systemCaFile: "/etc/ssl/ca.crt",
  filter: { wasmFile: "/filter.wasm", feeds: [{ cluster: "inference-picker-feed" }], tickMs: 25 },
};
const GENERATION = 1_700_000_000_000;

function snapshot(inventory: Partial<Inventory>, endpoints: readonly Endpoint[] = [], settings = SETTINGS) {
  return buildSnapshot({ pools: [], routes: [], ...inventory }, endpoints, settings, GENERATION);
}

/** A resource as JSON, `Any`s included. */
function json(resources: ResourceMap, name: string): JsonObject {
  const resource = resources.get(name);
  assert.ok(resource, `no resource ${name} among ${[...resources.keys()]}`);
  const message = anyUnpack(resource.any, registry);
  assert.ok(message);
  const schema = registry.getMessage(message.$typeName);
  assert.ok(schema);
  return toJson(schema, message, { registry, useProtoFieldName: true }) as JsonObject;
}

/** The value at `path`, whose parts are keys or indices. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, part) => (inner as Record<string | number, unknown> | undefined)?.[part],
    value,
  );
}

function policyOf(cluster: JsonObject): unknown {
  return at(cluster, "load_balancing_policy", "policies", 0, "typed_extension_config", "typed_config");
}

function fallbackOf(cluster: JsonObject): unknown {
  return at(policyOf(cluster), "fallback_policy", "policies", 0, "typed_extension_config", "typed_config");
}

describe("clusters", () => {
  it("take the picked list from its header and remove it behind the choice of the host", () => {
    const cluster = json(snapshot({ pools: [testPool("chat")] }).clusters, "default/chat");
    assert.deepEqual(at(policyOf(cluster), "override_host_sources"), [
      { header: "x-gateway-destination-endpoint" },
    ]);
    const options = at(
      cluster,
      "typed_extension_protocol_options",
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      "http_filters",
    );
    assert.deepEqual(at(options, 0, "typed_config", "mutations"), {
      request_mutations: [{ remove: "x-gateway-destination-endpoint" }],
    });
    assert.equal(at(options, 1, "name"), "envoy.filters.http.upstream_codec");
  });

  it("of a FailClose pool have no host of Envoy's choice", () => {
    const cluster = json(snapshot({ pools: [testPool("chat")] }).clusters, "default/chat");
    const fallback = fallbackOf(cluster);
    assert.match(String(at(fallback, "@type")), /subset\.v3\.Subset$/);
    // NO_FALLBACK is the default and so absent from the JSON form.
    assert.equal(at(fallback, "fallback_policy"), undefined);
    assert.equal(at(fallback, "subset_selectors"), undefined);
  });

  it("of a FailOpen pool fall back to round robin", () => {
    const pool = testPool("chat", { failureMode: "FailOpen" });
    const cluster = json(snapshot({ pools: [pool] }).clusters, "default/chat");
    assert.match(String(at(fallbackOf(cluster), "@type")), /RoundRobin$/);
  });

  it("never limit requests or connections", () => {
    const cluster = json(snapshot({ pools: [testPool("chat")] }).clusters, "default/chat");
    const limits = at(cluster, "circuit_breakers", "thresholds", 0);
    assert.equal(at(limits, "max_connections"), 1_000_000);
    assert.equal(at(limits, "max_requests"), 1_000_000);
    assert.equal(at(limits, "max_pending_requests"), 1_000_000);
    assert.equal(at(limits, "retry_budget", "budget_percent", "value"), 20);
    assert.equal(cluster.outlier_detection, undefined);
  });

  it("speak HTTP/1.1 unless the pool says h2c", () => {
    const pools = [testPool("one"), testPool("two", { appProtocol: "kubernetes.io/h2c" })];
    const { clusters } = snapshot({ pools });
    const protocol = (name: string) =>
      Object.keys(
        at(
          json(clusters, name),
          "typed_extension_protocol_options",
          "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
          "explicit_http_config",
        ) as object,
      );
    assert.deepEqual(protocol("default/one"), ["http_protocol_options"]);
    assert.deepEqual(protocol("default/two"), ["http2_protocol_options"]);
  });

  it("with TLS check the authority and the hosts' names", () => {
    const pool = testPool("chat", { upstreamTls: { caFile: "/ca.pem", insecureSkipVerify: false } });
    const endpoints = [
      testEndpoint("chat", "10.0.0.1", 443, { host: "model.example" }),
      testEndpoint("chat", "10.0.0.2", 443),
    ];
    const cluster = json(snapshot({ pools: [pool] }, endpoints).clusters, "default/chat");
    const tls = at(cluster, "transport_socket", "typed_config");
    assert.equal(at(tls, "auto_host_sni"), true);
    const validation = at(tls, "common_tls_context", "validation_context");
    assert.deepEqual(at(validation, "trusted_ca"), { filename: "/ca.pem" });
    assert.deepEqual(at(validation, "match_typed_subject_alt_names"), [
      { san_type: "IP_ADDRESS", matcher: { exact: "10.0.0.2" } },
      { san_type: "DNS", matcher: { exact: "model.example" } },
    ]);
  });

  it("with TLS and no authority of their own trust the system's", () => {
    const pool = testPool("chat", { upstreamTls: { serverName: "m.example", insecureSkipVerify: false } });
    const cluster = json(snapshot({ pools: [pool] }).clusters, "default/chat");
    const tls = at(cluster, "transport_socket", "typed_config");
    assert.equal(at(tls, "sni"), "m.example");
    assert.deepEqual(at(tls, "common_tls_context", "validation_context", "trusted_ca"), {
      filename: "/etc/ssl/ca.crt",
    });
  });
});

describe("endpoints", () => {
  const addresses = (endpoints: readonly Endpoint[]) => {
    const assignment = json(snapshot({ pools: [testPool("chat")] }, endpoints).endpoints, "default/chat");
    return ((at(assignment, "endpoints", 0, "lb_endpoints") as unknown[] | undefined) ?? []).map(
      (endpoint) => {
        const address = at(endpoint, "endpoint", "address", "socket_address");
        return `${at(address, "address")} ${at(address, "port_value")}`;
      },
    );
  };

  it("are spelled as in the table, sorted and each once", () => {
    const endpoints = [
      testEndpoint("chat", "10.0.0.2", 80),
      testEndpoint("chat", "::1", 80),
      testEndpoint("chat", "10.0.0.1", 81),
      testEndpoint("chat", "10.0.0.2", 80),
      testEndpoint("other", "10.0.0.9", 80),
    ];
    assert.deepEqual(addresses(endpoints), ["10.0.0.1 81", "10.0.0.2 80", "::1 80"]);
  });

  it("leave out what drains or is not ready", () => {
    const endpoints = [
      testEndpoint("chat", "10.0.0.1", 80, { draining: true }),
      testEndpoint("chat", "10.0.0.2", 80, { ready: false }),
      testEndpoint("chat", "10.0.0.3", 80),
    ];
    assert.deepEqual(addresses(endpoints), ["10.0.0.3 80"]);
  });

  it("of a pool that is withheld are not sent, and its cluster does not depend on them", () => {
    const one = testEndpoint("dns", "10.0.0.1", 80, { host: "one.example" });
    const two = testEndpoint("dns", "10.0.0.2", 80, { host: "two.example" });
    const pool = testPool("dns", {
      endpoints: [one.spec, two.spec],
      upstreamTls: { insecureSkipVerify: false },
    });
    const inventory = { pools: [pool], routes: [] };
    const withheld = new Set(["default/dns"]);
    const partly = buildSnapshot(inventory, [one], SETTINGS, GENERATION, { withheld });
    const whole = buildSnapshot(inventory, [one, two], SETTINGS, GENERATION);
    assert.deepEqual([...partly.endpoints.keys()], []);
    assert.deepEqual([...whole.endpoints.keys()], ["default/dns"]);
    assert.deepEqual(partly.clusters, whole.clusters);
  });

  it("of a pool whose names are not resolved yet are not sent as empty", () => {
    const unresolved = testPool("dns", { endpoints: [testEndpoint("dns", "10.0.0.1", 80).spec] });
    const { clusters, endpoints } = snapshot({ pools: [unresolved, testPool("empty")] });
    assert.deepEqual([...clusters.keys()], ["default/dns", "default/empty"]);
    assert.deepEqual([...endpoints.keys()], ["default/empty"]);
  });
});

describe("routes", () => {
  const pools = [
    testPool("a", { upstreamApiKey: "50%secret", bodyLimitBytes: 1024 }),
    testPool("b", { bodyLimitBytes: 4096 }),
  ];
  const target = (pool: string, weight = 1) => ({ pool: `default/${pool}`, weight });
  const route = (
    name: string,
    pathPrefix: string,
    targets = [target("a")],
    headers: { name: string; exact: string }[] = [],
  ) => ({
    name,
    pathPrefix,
    headers,
    pools: targets,
    byModel: false,
  });
  const built = (...routes: ReturnType<typeof route>[]) =>
    at(json(snapshot({ pools, routes }).routes, "gateway"), "virtual_hosts", 0, "routes") as JsonObject[];

  it("are tried from the longest prefix and the most headers on", () => {
    const order = built(
      route("all", "/"),
      route("v1", "/v1"),
      route("v1-tier", "/v1", [target("a")], [{ name: "x-tier", exact: "gold" }]),
      route("chat", "/v1/chat"),
    ).map((entry) => entry.name);
    assert.deepEqual(order, ["chat", "v1-tier", "v1", "all"]);
  });

  it("match whole path segments", () => {
    const [v1, slash, all] = built(route("v1", "/v1"), route("s", "/s/"), route("all", "/"));
    assert.equal(at(v1, "match", "path_separated_prefix"), "/v1");
    assert.equal(at(slash, "match", "prefix"), "/s/");
    assert.equal(at(all, "match", "prefix"), "/");
  });

  it("name their pool only if there is one", () => {
    const [one, two] = built(route("one", "/one"), route("two", "/tw", [target("a", 3), target("b")]));
    assert.deepEqual(at(one, "metadata", "filter_metadata", "inference-picker"), {
      pool: "default/a",
      failureMode: "FailClose",
    });
    assert.equal(at(two, "metadata"), undefined);
  });

  it("split by weight, hold the largest body of their pools, and keep each pool's key to itself", () => {
    const [entry] = built(route("two", "/", [target("a", 3), target("b")]));
    assert.equal(at(entry, "request_body_buffer_limit"), "4096");
    const clusters = at(entry, "route", "weighted_clusters", "clusters");
    assert.deepEqual(
      [
        at(clusters, 0, "name"),
        at(clusters, 0, "weight"),
        at(clusters, 1, "name"),
        at(clusters, 1, "weight"),
      ],
      ["default/a", 3, "default/b", 1],
    );
    assert.deepEqual(at(clusters, 0, "request_headers_to_add"), [
      {
        header: { key: "authorization", value: "Bearer 50%%secret" },
        append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
      },
    ]);
    assert.equal(at(clusters, 1, "request_headers_to_add"), undefined);
  });

  it("retry along the picked list and never time out as a whole", () => {
    const [entry] = built(route("all", "/"));
    assert.equal(at(entry, "route", "timeout"), "0s");
    const retry = at(entry, "route", "retry_policy");
    assert.equal(at(retry, "num_retries"), 2);
    assert.deepEqual(at(retry, "retriable_status_codes"), [429, 500, 502, 503]);
    assert.deepEqual(
      new Set(String(at(retry, "retry_on")).split(",")),
      new Set(["connect-failure", "refused-stream", "reset", "retriable-status-codes"]),
    );
  });

  it("look for another host after a failure only where a fallback can choose one", () => {
    const predicate = (failureMode: "FailOpen" | "FailClose") => {
      const pool = testPool("a", { failureMode });
      const routes = [route("all", "/")];
      const built = json(snapshot({ pools: [pool], routes }).routes, "gateway");
      return at(built, "virtual_hosts", 0, "routes", 0, "route", "retry_policy", "retry_host_predicate");
    };
    assert.equal(predicate("FailClose"), undefined);
    assert.match(JSON.stringify(predicate("FailOpen")), /previous_hosts/);
  });

  it("hold more than the limit where bodies are changed, so that what is added has room", () => {
    const limit = (over: Partial<PoolSpec>) => {
      const of = [testPool("a", { bodyLimitBytes: 1024, ...over })];
      const { routes } = snapshot({ pools: of, routes: [route("all", "/")] });
      return at(json(routes, "gateway"), "virtual_hosts", 0, "routes", 0, "request_body_buffer_limit");
    };
    assert.equal(limit({}), "1024");
    assert.equal(limit({ addUsage: true }), String(1024 + 2 * 1024 * 1024));
    assert.equal(
      limit({ rewrites: [{ targets: [{ model: "m", weight: 1 }] }] }),
      String(1024 + 2 * 1024 * 1024),
    );
  });

  it("never name a header of the filter's, nor take one away, unless they are by model", () => {
    const [entry] = built(route("all", "/"));
    assert.equal(at(entry, "match", "headers"), undefined);
    assert.equal(at(entry, "request_headers_to_remove"), undefined);
  });

  it("to pools that are gone answer 503", () => {
    const [entry] = built(route("gone", "/", [target("nowhere")]));
    assert.equal(at(entry, "direct_response", "status"), 503);
  });
});

describe("routes by model", () => {
  const pools = [
    testPool("a", { upstreamApiKey: "secret", bodyLimitBytes: 1024 }),
    testPool("b", { bodyLimitBytes: 4096 }),
  ];
  const route = (names: readonly string[], over: Partial<RouteSpec> = {}): RouteSpec => ({
    name: "models",
    pathPrefix: "/v1",
    headers: [{ name: "x-tier", exact: "gold" }],
    pools: names.map((name) => ({ pool: `default/${name}`, weight: 1 })),
    byModel: true,
    ...over,
  });
  const built = (routes: readonly RouteSpec[], of = pools) =>
    at(json(snapshot({ pools: of, routes }).routes, "gateway"), "virtual_hosts", 0, "routes") as JsonObject[];
  const exact = (entry: JsonObject) =>
    (at(entry, "match", "headers") as JsonObject[]).map((header) => [
      header.name,
      at(header, "string_match", "exact"),
    ]);

  it("are one for each pool, by the header that the filter sets, before the one to the first pool", () => {
    const entries = built([route(["a", "b"])]);
    const tier = ["x-tier", "gold"];
    assert.deepEqual(entries.map(exact), [
      [tier, ["x-inference-picker-pool", "default/a"]],
      [tier, ["x-inference-picker-pool", "default/b"]],
      [tier],
    ]);
    assert.deepEqual(
      entries.map((entry) => at(entry, "route", "cluster")),
      ["default/a", "default/b", "default/a"],
    );
    assert.deepEqual(new Set(entries.map(({ name }) => name)), new Set(["models"]));
    for (const entry of entries) assert.equal(at(entry, "match", "path_separated_prefix"), "/v1");
  });

  it("keep the header from the endpoints, and each pool's metadata, key and failure mode to itself", () => {
    const entries = built([route(["a", "b"])], [pools[0]!, { ...pools[1]!, failureMode: "FailOpen" }]);
    for (const entry of entries)
      assert.deepEqual(entry.request_headers_to_remove, ["x-inference-picker-pool"]);
    assert.deepEqual(
      entries.map((entry) => [
        at(entry, "metadata", "filter_metadata", "inference-picker", "pool"),
        at(entry, "request_headers_to_add", 0, "header", "value"),
        at(entry, "route", "retry_policy", "retry_host_predicate") !== undefined,
      ]),
      [
        ["default/a", "Bearer secret", false],
        ["default/b", undefined, true],
        ["default/a", "Bearer secret", false],
      ],
    );
  });

  it("hold the largest body of all their pools, and more where one of them changes bodies", () => {
    const limits = (of = pools) =>
      new Set(built([route(["a", "b"])], of).map((entry) => entry.request_body_buffer_limit));
    assert.deepEqual(limits(), new Set(["4096"]));
    const rewriting = { ...pools[0]!, rewrites: [{ targets: [{ model: "m", weight: 1 }] }] };
    assert.deepEqual(limits([rewriting, pools[1]!]), new Set([String(4096 + 2 * 1024 * 1024)]));
  });

  it("go on without a pool that is gone, and answer 503 without any", () => {
    const entries = built([route(["gone", "b"])]);
    assert.deepEqual(
      entries.map((entry) => at(entry, "route", "cluster")),
      ["default/b", "default/b"],
    );
    const [none, ...more] = built([route(["gone"])]);
    assert.equal(at(none, "direct_response", "status"), 503);
    assert.deepEqual(more, []);
  });

  it("stay together among longer and shorter prefixes", () => {
    const names = built([
      route(["a"], { name: "all", pathPrefix: "/", headers: [], byModel: false }),
      route(["a", "b"]),
      route(["b"], { name: "chat", pathPrefix: "/v1/chat", byModel: false }),
    ]).map(({ name }) => name);
    assert.deepEqual(names, ["chat", "models", "models", "models", "all"]);
  });
});

describe("the filter", () => {
  it("is configured with its generation and feeds, reloads after a trap and may wait for bodies", () => {
    const config = at(json(snapshot({}).extensions, "inference-picker"), "typed_config", "config");
    assert.equal(at(config, "failure_policy"), "FAIL_RELOAD");
    assert.equal(at(config, "allow_on_headers_stop_iteration"), true);
    assert.equal(at(config, "vm_config", "vm_id"), "inference-picker");
    assert.deepEqual(at(config, "vm_config", "code"), { local: { filename: "/filter.wasm" } });
    assert.deepEqual(JSON.parse(String(at(config, "configuration", "value"))), {
      generation: GENERATION,
      feeds: [{ cluster: "inference-picker-feed" }],
      tickMs: 25,
      pick: "property",
    });
  });

  it("is not served without a module", () => {
    assert.equal(snapshot({}, [], { systemCaFile: "/ca" }).extensions.size, 0);
  });
});

describe("a snapshot", () => {
  it("of the same input has the same hashes, whatever the endpoints' order", () => {
    const pools = [testPool("chat")];
    const endpoints = [testEndpoint("chat", "10.0.0.1", 80), testEndpoint("chat", "10.0.0.2", 80)];
    const hashes = (list: readonly Endpoint[]) => {
      const { clusters, endpoints: assignments } = snapshot({ pools }, list);
      return [...clusters.values(), ...assignments.values()].map((resource) => resource.hash);
    };
    assert.deepEqual(hashes(endpoints), hashes(endpoints.toReversed()));
  });
});
