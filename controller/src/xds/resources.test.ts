import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Endpoint } from "../model.ts";
import { testEndpoint, testPool } from "./fixtures.ts";
import { buildSnapshot } from "./resources.ts";
import { at, GENERATION, json, SETTINGS, snapshot } from "./test-resources.ts";

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
