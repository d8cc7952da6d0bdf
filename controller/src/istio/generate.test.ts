import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { runIstio } from "../commands/istio.ts";
import { setUpHelp } from "./flags.ts";
import { generate, type Manifest, manifestsYaml } from "./generate.ts";
import type { ConfigPatch } from "./patches.ts";
import { SET_UPS, type SetUpKind } from "./set-up.ts";
import { flagsOf, NOW_S, setUpOf } from "./test-set-up.ts";

const GATEWAY_LABELS = { istio: "ingress", tier: "edge" };
const MANAGER = "envoy.filters.network.http_connection_manager";
const PICK = "x-gateway-destination-endpoint";
const HEADER_MUTATION = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";

const STRIP = {
  applyTo: "HTTP_FILTER",
  match: { context: "GATEWAY", listener: { filterChain: { filter: { name: MANAGER } } } },
  patch: {
    operation: "INSERT_FIRST",
    value: {
      name: "inference-picker-strip",
      typed_config: {
        "@type": HEADER_MUTATION,
        mutations: { request_mutations: [{ remove: PICK }, { remove: "x-envoy-max-retries" }] },
      },
    },
  },
};

function subFilter(name: string) {
  return {
    context: "GATEWAY",
    listener: { filterChain: { filter: { name: MANAGER, subFilter: { name } } } },
  };
}

function beforeRouter(value: unknown) {
  const match = subFilter("envoy.filters.http.router");
  return { applyTo: "HTTP_FILTER", match, patch: { operation: "INSERT_BEFORE", value } };
}

const METADATA = beforeRouter({
  name: "inference-picker-metadata",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
    request_rules: [
      {
        header: PICK,
        on_header_present: { metadata_namespace: "envoy.lb", key: PICK },
        remove: true,
      },
    ],
  },
});

const DISCOVERED = beforeRouter({
  name: "inference-picker",
  config_discovery: {
    config_source: { ads: {}, resource_api_version: "V3", initial_fetch_timeout: "0s" },
    type_urls: ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
  },
});

const HEADER = beforeRouter({
  name: "inference-picker-header",
  typed_config: {
    "@type": HEADER_MUTATION,
    mutations: {
      request_mutations: [
        {
          append: {
            header: { key: PICK, value: "%FILTER_STATE(wasm.pick:PLAIN)%" },
            append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
          },
        },
        {
          append: {
            header: { key: "x-envoy-max-retries", value: "%FILTER_STATE(wasm.retries:PLAIN)%" },
            append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
          },
        },
      ],
    },
  },
});

const FEED = {
  applyTo: "CLUSTER",
  match: { context: "GATEWAY" },
  patch: {
    operation: "ADD",
    value: {
      name: "inference-picker-feed",
      type: "STRICT_DNS",
      connect_timeout: "1s",
      load_assignment: {
        cluster_name: "inference-picker-feed",
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: {
                  address: { socket_address: { address: "picker.system.svc", port_value: 18000 } },
                },
              },
            ],
          },
        ],
      },
      typed_extension_protocol_options: {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
          "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
          explicit_http_config: {
            http2_protocol_options: { connection_keepalive: { interval: "5s", timeout: "2s" } },
          },
        },
      },
    },
  },
};

const FEEDS = [{ cluster: "inference-picker-feed", authority: "picker.system.svc:18000" }];

function extension(code: unknown) {
  return {
    applyTo: "EXTENSION_CONFIG",
    match: { context: "GATEWAY" },
    patch: {
      operation: "ADD",
      value: {
        name: "inference-picker",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
          config: {
            name: "inference-picker",
            root_id: "inference-picker",
            vm_config: { vm_id: "inference-picker", runtime: "envoy.wasm.runtime.v8", code },
            configuration: {
              "@type": "type.googleapis.com/google.protobuf.StringValue",
              value: JSON.stringify({
                generation: NOW_S,
                feeds: FEEDS,
                tickMs: 25,
                pick: "property",
                body: "read",
                metrics: "none",
              }),
            },
            failure_policy: "FAIL_RELOAD",
            reload_config: { backoff: { base_interval: "0.250s" } },
            allow_on_headers_stop_iteration: true,
          },
        },
      },
    },
  };
}

const FILE = { local: { filename: "/opt/picker.wasm" } };

const ALL_ROUTES = {
  applyTo: "HTTP_ROUTE",
  match: { context: "GATEWAY", routeConfiguration: { vhost: { route: { action: "ROUTE" } } } },
  patch: { operation: "MERGE", value: { request_body_buffer_limit: 18_874_368 } },
};

const ROUND_ROBIN = {
  policies: [
    {
      typed_extension_config: {
        name: "envoy.load_balancing_policies.round_robin",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
        },
      },
    },
  ],
};

const NO_HOST = {
  policies: [
    {
      typed_extension_config: {
        name: "envoy.load_balancing_policies.subset",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.subset.v3.Subset",
          fallback_policy: "NO_FALLBACK",
          subset_lb_policy: ROUND_ROBIN,
        },
      },
    },
  ],
};

function poolPatch(cluster: string, pool: string, failureMode: string, fallback?: unknown) {
  return {
    applyTo: "CLUSTER",
    match: { context: "GATEWAY", cluster: { name: cluster } },
    patch: {
      operation: "MERGE",
      value: {
        metadata: { filter_metadata: { "inference-picker": { pool, failureMode } } },
        ...(fallback === undefined
          ? {}
          : {
              load_balancing_policy: {
                policies: [
                  {
                    typed_extension_config: {
                      name: "envoy.load_balancing_policies.override_host",
                      typed_config: {
                        "@type":
                          "type.googleapis.com/envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost",
                        override_host_sources: [{ metadata: { key: "envoy.lb", path: [{ key: PICK }] } }],
                        fallback_policy: fallback,
                      },
                    },
                  },
                ],
              },
            }),
      },
    },
  };
}

function manifest(name: string, configPatches: readonly unknown[]) {
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: { name, namespace: "gateways", labels: { "app.kubernetes.io/name": "inference-picker" } },
    spec: { workloadSelector: { labels: GATEWAY_LABELS }, configPatches },
  };
}

const LLAMA = "outbound|8000||vllm.demo.svc.cluster.local";

test("a WasmPlugin picks by headers, passes bodies, and has clusters that follow the header", () => {
  assert.deepEqual(generate(setUpOf("wasmplugin")), [
    manifest("inference-picker", [FEED, STRIP, METADATA]),
    {
      apiVersion: "extensions.istio.io/v1alpha1",
      kind: "WasmPlugin",
      metadata: {
        name: "inference-picker",
        namespace: "gateways",
        labels: { "app.kubernetes.io/name": "inference-picker" },
      },
      spec: {
        selector: { matchLabels: GATEWAY_LABELS },
        url: "file:///opt/picker.wasm",
        failStrategy: "FAIL_RELOAD",
        pluginConfig: {
          generation: NOW_S,
          feeds: FEEDS,
          tickMs: 25,
          pick: "header",
          body: "pass",
          metrics: "none",
        },
      },
    },
    manifest("inference-picker-pools", [poolPatch(LLAMA, "demo/llama", "FailClose", NO_HOST)]),
  ]);
});

test("the full set-up finds its filter over ECDS and reads bodies", () => {
  assert.deepEqual(generate(setUpOf("envoyfilter")), [
    manifest("inference-picker", [FEED, STRIP, extension(FILE), DISCOVERED, HEADER, METADATA, ALL_ROUTES]),
    manifest("inference-picker-pools", [poolPatch(LLAMA, "demo/llama", "FailClose", NO_HOST)]),
  ]);
});

test("under an InferencePool ext_proc goes, and the cluster's policy stays Istio's", () => {
  const { service } = setUpOf("inferencepool").pools[0]!;
  const cluster = `outbound|54321||${service}.demo.svc.cluster.local`;
  const removal = {
    applyTo: "HTTP_FILTER",
    match: subFilter("envoy.filters.http.ext_proc"),
    patch: { operation: "REMOVE" },
  };
  assert.deepEqual(generate(setUpOf("inferencepool")), [
    manifest("inference-picker", [
      FEED,
      STRIP,
      removal,
      extension(FILE),
      DISCOVERED,
      HEADER,
      METADATA,
      ALL_ROUTES,
    ]),
    manifest("inference-picker-pools", [poolPatch(cluster, "demo/llama", "FailClose")]),
  ]);
});

/** All patches of a set-up. */
function patchesOf(kind: SetUpKind, more: Readonly<Record<string, string>>): readonly ConfigPatch[] {
  return generate(setUpOf(kind, more)).flatMap(({ spec }) => (spec.configPatches ?? []) as ConfigPatch[]);
}

test("a pool that fails open goes round robin where nothing was picked, and each pool has its own cluster", () => {
  const patches = patchesOf("envoyfilter", {
    pools: "demo/a:one:80:FailOpen,demo/b:two:81",
    "cluster-domain": "k8s.test",
  });
  assert.deepEqual(patches.slice(-2), [
    poolPatch("outbound|80||one.demo.svc.k8s.test", "demo/a", "FailOpen", ROUND_ROBIN),
    poolPatch("outbound|81||two.demo.svc.k8s.test", "demo/b", "FailClose", NO_HOST),
  ]);
});

test("routes that are named get the room for bodies and their pool, and no others do", () => {
  const more = { routes: "chat=demo/llama", "body-limit-bytes": "1048576" };
  const found = patchesOf("envoyfilter", more).filter(({ applyTo }) => applyTo === "HTTP_ROUTE");
  const match = { context: "GATEWAY", routeConfiguration: { vhost: { route: { name: "chat" } } } };
  const pool = { pool: "demo/llama", failureMode: "FailClose" };
  const metadata = { filter_metadata: { "inference-picker": pool } };
  assert.deepEqual(found, [
    {
      applyTo: "HTTP_ROUTE",
      match,
      patch: { operation: "MERGE", value: { request_body_buffer_limit: 1_048_576 } },
    },
    { applyTo: "HTTP_ROUTE", match, patch: { operation: "MERGE", value: { metadata } } },
  ]);
  const ofPlugin = patchesOf("wasmplugin", more).filter(({ applyTo }) => applyTo === "HTTP_ROUTE");
  assert.deepEqual(ofPlugin, found.slice(1));
});

test("a module that is no file is Istio's agent's to fetch", () => {
  const sha256 = "ab".repeat(32);
  const remote = (uri: string) => ({ http_uri: { uri, timeout: "30s", cluster: "_" } });
  assert.deepEqual(
    patchesOf("envoyfilter", { "wasm-url": "oci://r.test/p:1" })[2],
    extension({ remote: remote("oci://r.test/p:1") }),
  );
  assert.deepEqual(
    patchesOf("envoyfilter", { "wasm-url": "https://f.test/p.wasm", sha256 })[2],
    extension({ remote: { ...remote("https://f.test/p.wasm"), sha256 } }),
  );
  const [, plugin] = generate(setUpOf("wasmplugin", { "wasm-url": "https://f.test/p.wasm", sha256 }));
  assert.deepEqual([plugin!.spec.url, plugin!.spec.sha256], ["https://f.test/p.wasm", sha256]);
});

test("a controller with an address and TLS is dialled as it is", () => {
  const [patch] = patchesOf("envoyfilter", {
    controller: "10.0.0.7:18000",
    authority: "picker.test",
    "controller-ca": "/ca.pem",
    "controller-server-name": "picker.test",
  });
  assert.equal(patch!.patch.value!.type, "STATIC");
  assert.deepEqual(patch!.patch.value!.transport_socket, {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
      sni: "picker.test",
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: "TLSv1_2" },
        alpn_protocols: ["h2"],
        validation_context: {
          trusted_ca: { filename: "/ca.pem" },
          match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "picker.test" } }],
        },
      },
    },
  });
});

test("two set-ups that differ in the generation differ in nothing else", () => {
  const texts = ["7", "8"].map((generation) =>
    manifestsYaml(generate(setUpOf("envoyfilter", { generation }))),
  );
  assert.notEqual(texts[0], texts[1]);
  assert.equal(texts[0]!.replace('"generation":7', '"generation":8'), texts[1]);
});

/** What the command prints, and its exit code. */
async function ran(args: readonly string[]): Promise<readonly [code: number, out: string, err: string]> {
  let [out, err] = ["", ""];
  const code = await runIstio({
    args,
    env: {},
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    onSignal: () => {},
  });
  return [code, out, err];
}

test("the command prints one YAML document an object, without aliases", async () => {
  const [code, out, err] = await ran(["generate", ...flagsOf("wasmplugin", { generation: "5" })]);
  assert.deepEqual([code, err], [0, ""]);
  const documents = parseAllDocuments(out).map((document) => document.toJS() as Manifest);
  assert.deepEqual(documents, generate(setUpOf("wasmplugin", { generation: "5" })));
  assert.doesNotMatch(out, /[&*]a\d/);
});

test("without a generation the command takes the time", async () => {
  const beforeS = Math.floor(Date.now() / 1000);
  const [, out] = await ran(["generate", ...flagsOf("wasmplugin")]);
  const generation = Number(/generation: (\d+)/.exec(out)![1]);
  assert.ok(generation >= beforeS && generation <= Date.now() / 1000, String(generation));
});

test("wrong flags and words end with 2 and say what is wrong, help with 0", async () => {
  assert.deepEqual(await ran(["generate", "--setup", "x"]), [
    2,
    "",
    '--setup: "x" is none of wasmplugin, envoyfilter, inferencepool\n',
  ]);
  assert.deepEqual(await ran([]), [2, "", 'istio "" is no command; there is: istio generate\n']);
  const [code, out] = await ran(["generate", "--help"]);
  assert.equal(code, 0);
  assert.match(out, /^inference-picker istio generate\n[\s\S]*--wasm-url/);
});

test("docs/istio.md has the help as it is", () => {
  const page = readFileSync(new URL("../../../docs/istio.md", import.meta.url), "utf8");
  const [, shown] = /<!-- help -->\n```text\n([\s\S]*?)```\n<!-- \/help -->/.exec(page)!;
  assert.equal(shown, setUpHelp());
});

test("the examples are what their first line prints", async () => {
  for (const kind of SET_UPS) {
    const file = new URL(`../../../deploy/examples/istio-${kind}.yaml`, import.meta.url);
    const [, command, rest] = /^# inference-picker istio (.*)\n([\s\S]*)$/.exec(readFileSync(file, "utf8"))!;
    assert.ok(command!.startsWith(`generate --setup ${kind} `), command);
    assert.deepEqual(await ran(command!.split(" ")), [0, rest, ""]);
  }
});
