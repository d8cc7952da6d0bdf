import assert from "node:assert/strict";
import { test } from "node:test";
import { PickerError } from "../errors.ts";
import { parseSetUp, setUpHelp } from "./flags.ts";
import { flagsOf, NOW_S, setUpOf } from "./test-set-up.ts";

/** Code and message of what is refused. */
function refused(more: Readonly<Record<string, string>>, kind = "envoyfilter" as const): string {
  return refusedFlags(flagsOf(kind, more));
}

function refusedFlags(flags: readonly string[]): string {
  let found: PickerError | undefined;
  assert.throws(
    () => parseSetUp(flags, NOW_S),
    (error: unknown) => {
      assert.ok(error instanceof PickerError, String(error));
      found = error;
      return true;
    },
  );
  return `${found!.code} ${found!.message}`;
}

test("the least flags give every default", () => {
  assert.deepEqual(setUpOf("envoyfilter"), {
    kind: "envoyfilter",
    name: "inference-picker",
    namespace: "gateways",
    gatewayLabels: { istio: "ingress", tier: "edge" },
    controllers: [{ host: "picker.system.svc", port: 18000 }],
    authority: undefined,
    controllerTls: undefined,
    wasmUrl: "file:///opt/picker.wasm",
    wasmSha256: undefined,
    pools: [{ namespace: "demo", name: "llama", service: "vllm", port: 8000, failureMode: "FailClose" }],
    routes: [],
    clusterDomain: "cluster.local",
    bodyLimitBytes: 18_874_368,
    tickMs: 25,
    generation: NOW_S,
  });
});

test("the generation grows by itself with the time, and can be given", () => {
  const flags = flagsOf("envoyfilter");
  const early = parseSetUp(flags, NOW_S + 0.4);
  const late = parseSetUp(flags, NOW_S + 1.2);
  assert.equal(early.generation, NOW_S);
  assert.ok(late.generation > early.generation);
  assert.equal(setUpOf("envoyfilter", { generation: "0" }).generation, 0);
  assert.equal(setUpOf("envoyfilter", { generation: "17" }).generation, 17);
});

test("pools name Service and port, except an InferencePool, whose Service Istio makes", () => {
  const { pools } = setUpOf("envoyfilter", { pools: "demo/a:one:8000,demo/b:two:80:FailOpen" });
  assert.deepEqual(
    pools.map(({ name, service, port, failureMode }) => [name, service, port, failureMode]),
    [
      ["a", "one", 8000, "FailClose"],
      ["b", "two", 80, "FailOpen"],
    ],
  );
  const [own] = setUpOf("inferencepool", { pools: "demo/a.b:FailOpen" }).pools;
  assert.match(own!.service, /^a\.b-ip-[0-9a-f]{8}$/);
  assert.deepEqual([own!.port, own!.failureMode], [54_321, "FailOpen"]);
  assert.match(
    refused({ pools: "demo/a" }),
    /CONFIG_FORMAT --pools: "demo\/a" is not namespace\/name:service:port/,
  );
  assert.match(
    refusedFlags(flagsOf("inferencepool", { pools: "demo/a:b:1" })),
    /CONFIG_FORMAT --pools: "demo\/a:b:1" is not namespace\/name\[:FailOpen\]/,
  );
  assert.match(refused({ pools: "demo/a:b:0" }), /CONFIG_RANGE --pools: 0 is not in 1\.\.65535/);
  assert.match(refused({ pools: "demo/a:b:70000" }), /CONFIG_RANGE --pools: 70000 is not in 1\.\.65535/);
  assert.match(
    refused({ pools: "demo/a:b:1:FailSoft" }),
    /CONFIG_RANGE --pools: "FailSoft" is none of FailClose, FailOpen/,
  );
  assert.match(refused({ pools: "Demo/a:b:1" }), /CONFIG_FORMAT --pools: "Demo" is not a namespace/);
  assert.match(
    refused({ pools: "demo/a:b_c:1" }),
    /CONFIG_FORMAT --pools: "b_c" is not the name of a Service/,
  );
  assert.match(
    refused({ pools: "demo/a:b:1,demo/a:c:1" }),
    /CONFIG_DUPLICATE --pools: demo\/a is given twice/,
  );
  assert.match(
    refused({ pools: "demo/a:b:1,demo/c:b:1" }),
    /CONFIG_DUPLICATE --pools: demo\/b:1 is given twice/,
  );
  const many = Array.from({ length: 1025 }, (_, index) => `demo/p${index}:s${index}:1`).join(",");
  assert.match(refused({ pools: many }), /CONFIG_RANGE --pools: 1025 are more than 1024/);
});

test("routes lead to pools that are given", () => {
  const routes = "inference=demo/llama,demo.chat.0=demo/llama";
  assert.deepEqual(setUpOf("envoyfilter", { routes }).routes, [
    { name: "inference", pool: "demo/llama" },
    { name: "demo.chat.0", pool: "demo/llama" },
  ]);
  assert.match(
    refused({ routes: "a=demo/other" }),
    /CONFIG_REFERENCE --routes: demo\/other is none of the pools/,
  );
  assert.match(
    refused({ routes: "demo/llama" }),
    /CONFIG_FORMAT --routes: "demo\/llama" is not name=namespace\/name/,
  );
  assert.match(
    refused({ routes: "a=demo/llama,a=demo/llama" }),
    /CONFIG_DUPLICATE --routes: a is given twice/,
  );
});

test("controllers are addresses, at most eight", () => {
  const controller = "10.0.0.1:1,[fd00::1]:2,Picker.test:3";
  assert.deepEqual(setUpOf("envoyfilter", { controller }).controllers, [
    { host: "10.0.0.1", port: 1 },
    { host: "fd00::1", port: 2 },
    { host: "picker.test", port: 3 },
  ]);
  for (const wrong of ["picker", "picker:", ":1", "[picker]:1", "10.0.0:1", "a b:1", "fd00::1:1"])
    assert.match(refused({ controller: wrong }), /CONFIG_FORMAT --controller: ".*" is not host:port/);
  assert.match(refused({ controller: "a:0" }), /CONFIG_RANGE --controller: 0 is not in 1\.\.65535/);
  const nine = Array.from({ length: 9 }, (_, index) => `c${index}:1`).join(",");
  assert.match(refused({ controller: nine }), /CONFIG_RANGE --controller: 9 are more than 8/);
});

test("TLS to the controllers needs an authority, and certificate and key together", () => {
  const all = {
    "controller-ca": "/ca.pem",
    "controller-cert": "/cert.pem",
    "controller-key": "/key.pem",
    "controller-server-name": "picker.test",
  };
  assert.deepEqual(setUpOf("envoyfilter", all).controllerTls, {
    caFile: "/ca.pem",
    certFile: "/cert.pem",
    keyFile: "/key.pem",
    serverName: "picker.test",
    insecureSkipVerify: false,
  });
  assert.match(refused({ "controller-server-name": "a" }), /CONFIG_MISSING --controller-ca/);
  assert.match(
    refused({ ...all, "controller-key": "" }),
    /CONFIG_FORMAT --controller-key: must not be empty/,
  );
  assert.match(
    refused({ "controller-ca": "/ca.pem", "controller-cert": "/cert.pem" }),
    /CONFIG_CONFLICT --controller-key: certificate and key come together/,
  );
});

test("a module comes from a file, an image or over HTTP with its hash", () => {
  const sha256 = "0123456789abcdef".repeat(4);
  assert.equal(setUpOf("envoyfilter", { "wasm-url": "https://a.test/m.wasm", sha256 }).wasmSha256, sha256);
  assert.equal(setUpOf("envoyfilter", { "wasm-url": "oci://a.test/m:1" }).wasmSha256, undefined);
  assert.match(
    refused({ "wasm-url": "http://a.test/m.wasm" }),
    /CONFIG_MISSING --sha256: is required for http/,
  );
  assert.match(refused({ sha256: "abc" }), /CONFIG_FORMAT --sha256: "abc" is not 64 hexadecimal digits/);
  assert.match(
    refused({ "wasm-url": "file:///opt/m.wasm", sha256 }),
    /CONFIG_CONFLICT --sha256: nobody compares it with file:\/\/\/opt\/m\.wasm/,
  );
  for (const wrong of ["/opt/m.wasm", "file://opt/m.wasm", "oci:///m", "ftp://a/m", "https://a b/m"])
    assert.match(
      refused({ "wasm-url": wrong, sha256 }),
      /CONFIG_FORMAT --wasm-url: ".*" is not file:\/\/\/path/,
    );
});

test("labels must be there, since without any every proxy of the namespace would be meant", () => {
  for (const wrong of ["istio", "=a", "a=b c", "a b=c"])
    assert.match(refused({ "gateway-labels": wrong }), /CONFIG_FORMAT --gateway-labels: ".*" is not a label/);
  assert.match(refused({ "gateway-labels": "" }), /CONFIG_FORMAT --gateway-labels: must not be empty/);
  assert.match(
    refused({ "gateway-labels": "a=b,a=c" }),
    /CONFIG_DUPLICATE --gateway-labels: a is given twice/,
  );
  const label = "gateway.networking.k8s.io/gateway-name=edge";
  assert.deepEqual(setUpOf("envoyfilter", { "gateway-labels": label }).gatewayLabels, {
    "gateway.networking.k8s.io/gateway-name": "edge",
  });
});

test("numbers have bounds, words a list, and unknown, missing and repeated flags are refused", () => {
  assert.match(
    refused({ "body-limit-bytes": "65535" }),
    /CONFIG_RANGE --body-limit-bytes: 65535 is not in 65536\.\.1073741824/,
  );
  assert.match(refused({ "filter-tick-ms": "251" }), /CONFIG_RANGE --filter-tick-ms: 251 is not in 5\.\.250/);
  assert.match(refused({ generation: "-1" }), /CONFIG_FORMAT --generation: "-1" is not a whole number/);
  assert.match(
    refused({ generation: "9007199254740992" }),
    /CONFIG_RANGE --generation: 9007199254740992 is not in 0/,
  );
  assert.match(
    refused({ setup: "sidecar" }),
    /CONFIG_RANGE --setup: "sidecar" is none of wasmplugin, envoyfilter, inferencepool/,
  );
  assert.match(refused({ namespace: "a.b" }), /CONFIG_FORMAT --namespace: "a\.b" is not a DNS label/);
  assert.match(refused({ name: "Edge" }), /CONFIG_FORMAT --name: "Edge" is not a DNS name/);
  assert.match(refusedFlags(["--setups", "x"]), /CONFIG_UNKNOWN_KEY/);
  assert.match(refusedFlags(["--setup", "envoyfilter"]), /CONFIG_MISSING --wasm-url: is required/);
  assert.match(refusedFlags(["--setup", "envoyfilter", "--setup=wasmplugin"]), /CONFIG_DUPLICATE --setup/);
});

test("the help names every flag with its default", () => {
  const help = setUpHelp();
  assert.match(help, /^ {2}--setup +wasmplugin, envoyfilter, inferencepool/);
  assert.match(help, /^ {2}--cluster-domain .*\(default cluster\.local\)$/m);
  for (const [flag] of flagsOf("envoyfilter")
    .filter((text) => text.startsWith("--"))
    .map((text) => [text]))
    assert.ok(help.includes(`  ${flag} `), flag);
});
