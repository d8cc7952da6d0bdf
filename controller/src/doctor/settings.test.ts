import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PickerError } from "../errors.ts";
import { doctorHelp, parseDoctorSettings } from "./settings.ts";

describe("the doctor's settings", () => {
  it("look at the addresses of the standalone stack by default", () => {
    const settings = parseDoctorSettings([], {});
    assert.equal(settings.controller, "127.0.0.1:18001");
    assert.deepEqual(settings.envoyAdmins, ["127.0.0.1:9901"]);
    assert.equal(settings.source, "none");
    assert.equal(settings.timeoutMs, 3000);
    assert.equal(settings.json, false);
  });

  it("take the source from what is named, or from the Pod that this runs in", () => {
    const sourceOf = (args: readonly string[], env = {}) => parseDoctorSettings(args, env).source;
    const inPod = { KUBERNETES_SERVICE_HOST: "10.96.0.1" };
    assert.equal(sourceOf(["--pools-file", "pools.yaml"], inPod), "file");
    assert.equal(sourceOf(["--kubeconfig", "config"]), "kubernetes");
    assert.equal(sourceOf([], inPod), "kubernetes");
    assert.equal(sourceOf(["--source", "none"], inPod), "none");
  });

  it("read the controller's own variables, and a flag wins", () => {
    const env = { INFERENCE_PICKER_POOLS_FILE: "a.yaml", INFERENCE_PICKER_TIMEOUT_MS: "500" };
    assert.equal(parseDoctorSettings([], env).poolsFile, "a.yaml");
    assert.equal(parseDoctorSettings(["--pools-file", "b.yaml"], env).poolsFile, "b.yaml");
    assert.equal(parseDoctorSettings(["--json"], env).timeoutMs, 500);
  });

  it("take several Envoys, and none", () => {
    const admins = (text: string) => parseDoctorSettings(["--envoy-admin", text], {}).envoyAdmins;
    assert.deepEqual(admins("a:1, [::1]:2"), ["a:1", "[::1]:2"]);
    assert.deepEqual(admins("none"), []);
    assert.equal(parseDoctorSettings(["--controller=none"], {}).controller, undefined);
  });

  for (const [args, message] of [
    [["--timeout-ms", "99"], '--timeout-ms: "99" is not an integer from 100 to 60000'],
    [["--controller", "host"], '--controller: "host" is not host:port, [ipv6]:port or none'],
    [["--controller", "a:1,b:2"], "--controller: 2 addresses are more than 1"],
    [["--envoy-admin", "a:70000"], '--envoy-admin: "a:70000" is not host:port, [ipv6]:port or none'],
    [["--parent", "gateway"], '--parent: "gateway" is not namespace/name'],
    [["--istio", "yes"], '--istio: "yes" is none of true, false'],
    [["--source", "file"], "--pools-file: is required for --source file"],
    [["--pool-file", "x"], "--pool-file: is not a flag (try --help)"],
  ] as const) {
    it(`refuse ${args.join(" ")} with the value and the bound`, () => {
      assert.throws(
        () => parseDoctorSettings(args, {}),
        (error) => error instanceof PickerError && error.message === message,
      );
    });
  }

  it("are all in the help, in one column", () => {
    const lines = doctorHelp()
      .split("\n")
      .filter((line) => line.startsWith("  --"));
    assert.equal(lines.length, 15);
    // Each help begins behind the column of the longest flag.
    for (const line of lines) assert.match(line, /^.{20} \S/);
  });
});
