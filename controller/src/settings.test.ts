import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describe, it } from "node:test";
import { PickerError } from "./errors.ts";
import { parseSettings, settingsHelp } from "./settings.ts";

const POOLS = ["--pools-file", "pools.yaml"];

function refusal(args: readonly string[], env: Record<string, string> = {}): PickerError {
  try {
    parseSettings(args, env);
  } catch (error) {
    assert.ok(error instanceof PickerError);
    return error;
  }
  return assert.fail("accepted");
}

describe("settings", () => {
  it("have a default for everything but the pools file", () => {
    const settings = parseSettings(POOLS, {});
    assert.deepEqual(settings.rpc, { host: "127.0.0.1", port: 18000 });
    assert.equal(settings.pushIntervalMs, 100);
    assert.deepEqual(settings.feedClusters, ["inference-picker-feed"]);
    assert.equal(settings.rpcTls, undefined);
    assert.equal(refusal([]).code, "CONFIG_MISSING");
  });

  it("come from the environment, and a flag wins over it", () => {
    const env = { INFERENCE_PICKER_POOLS_FILE: "env.yaml", INFERENCE_PICKER_LOG_LEVEL: "debug" };
    const settings = parseSettings(["--log-level=warn"], env);
    assert.deepEqual(settings.source, { kind: "file", poolsFile: "env.yaml" });
    assert.equal(settings.logLevel, "warn");
  });

  it("listen on IPv6 in brackets", () => {
    assert.deepEqual(parseSettings([...POOLS, "--listen", "[::1]:0"], {}).rpc, { host: "::1", port: 0 });
  });

  it("read the API server's objects with a default for everything, and need no pools file then", () => {
    assert.deepEqual(parseSettings(["--source", "kubernetes"], { POD_NAME: "picker-0" }).source, {
      kind: "kubernetes",
      routesFile: undefined,
      kubeconfig: undefined,
      namespace: undefined,
      parent: undefined,
      pickerRef: "ignore",
      clusterDomain: "cluster.local",
      istio: false,
      lease: undefined,
      identity: "picker-0",
    });
    const { source } = parseSettings(
      [
        ...[
          "--source",
          "kubernetes",
          "--pools-file",
          "routes.yaml",
          "--kubeconfig",
          "/k",
          "--namespace",
          "llm",
        ],
        ...["--parent", "infra/gateway", "--picker-ref", "take-over", "--cluster-domain", "example.org"],
        ...["--istio", "true", "--lease", "infra/picker", "--identity", "me"],
      ],
      { POD_NAME: "picker-0" },
    );
    assert.deepEqual(source, {
      kind: "kubernetes",
      routesFile: "routes.yaml",
      kubeconfig: "/k",
      namespace: "llm",
      parent: { namespace: "infra", name: "gateway" },
      pickerRef: "take-over",
      clusterDomain: "example.org",
      istio: true,
      lease: { namespace: "infra", name: "picker" },
      identity: "me",
    });
  });

  it("take the host's name for the Lease outside of a Pod", () => {
    const { source } = parseSettings(["--source=kubernetes"], {});
    assert.equal(source.kind === "kubernetes" && source.identity, hostname());
  });

  it("of the API server are refused with flag and value where they are malformed or have no place", () => {
    const kubernetes = ["--source", "kubernetes"];
    const cases: readonly (readonly [readonly string[], string, string])[] = [
      [["--source", "consul"], "CONFIG_RANGE", "consul"],
      [[...POOLS, "--namespace", "llm"], "CONFIG_CONFLICT", "--namespace"],
      [[...POOLS, "--parent", "infra/gateway"], "CONFIG_CONFLICT", "--source kubernetes"],
      [[...kubernetes, "--namespace", "Infra"], "CONFIG_FORMAT", "Infra"],
      [[...kubernetes, "--parent", "gateway"], "CONFIG_FORMAT", "namespace/name"],
      [[...kubernetes, "--lease", "a/b/c"], "CONFIG_FORMAT", "a/b/c"],
      [[...kubernetes, "--lease", "/b"], "CONFIG_FORMAT", "--lease"],
      [[...kubernetes, "--picker-ref", "steal"], "CONFIG_RANGE", "ignore, take-over"],
      [[...kubernetes, "--cluster-domain", "."], "CONFIG_FORMAT", "--cluster-domain"],
      [[...kubernetes, "--istio", "yes"], "CONFIG_RANGE", "true, false"],
    ];
    for (const [args, code, words] of cases) {
      const error = refusal(args);
      assert.equal(error.code, code, args.join(" "));
      assert.ok(error.message.includes(words), error.message);
    }
  });

  it("that are not known, out of range, malformed or at odds are refused with flag, value and bound", () => {
    const cases: readonly (readonly [readonly string[], string, string])[] = [
      [["--poolsfile", "x"], "CONFIG_UNKNOWN_KEY", "--poolsfile"],
      [["--log-level"], "CONFIG_MISSING", "--log-level"],
      [["--pools-file", "again"], "CONFIG_DUPLICATE", "--pools-file"],
      [["--filter-tick-ms", "4"], "CONFIG_RANGE", "5 to 250"],
      [["--push-interval-ms", "200", "--push-at-most-ms", "100"], "CONFIG_RANGE", "200 to"],
      [["--push-interval-ms", "1e2"], "CONFIG_RANGE", "1e2"],
      [["--listen", "::1:80"], "CONFIG_FORMAT", "::1:80"],
      [["--listen", "host:70000"], "CONFIG_FORMAT", "70000"],
      [["--log-level", "loud"], "CONFIG_RANGE", "loud"],
      [["--tls-cert", "a.pem"], "CONFIG_CONFLICT", "--tls-key"],
      [["--envoy-cert", "a.pem"], "CONFIG_CONFLICT", "--envoy-key"],
      [["--envoy-server-name", "a"], "CONFIG_CONFLICT", "--envoy-ca"],
      [["--feed-clusters", "a,,b"], "CONFIG_RANGE", "--feed-clusters"],
    ];
    for (const [args, code, words] of cases) {
      const error = refusal([...POOLS, ...args]);
      assert.equal(error.code, code, args.join(" "));
      assert.ok(error.message.includes(words), error.message);
    }
  });

  it("are all in the help", () => {
    assert.match(settingsHelp(), /--pools-file .*watched/);
    assert.match(settingsHelp(), /--push-interval-ms .*default 100/);
  });
});
