import assert from "node:assert/strict";
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
    assert.equal(settings.poolsFile, "env.yaml");
    assert.equal(settings.logLevel, "warn");
  });

  it("listen on IPv6 in brackets", () => {
    assert.deepEqual(parseSettings([...POOLS, "--listen", "[::1]:0"], {}).rpc, { host: "::1", port: 0 });
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
