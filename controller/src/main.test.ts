import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parse } from "yaml";

describe("the controller's process", () => {
  const folder = mkdtempSync(join(tmpdir(), "inference-picker-main-"));
  const poolsFile = join(folder, "pools.yaml");
  writeFileSync(poolsFile, "pools:\n- name: chat\n  endpoints: [127.0.0.1:9]\n");
  after(() => rmSync(folder, { recursive: true }));

  /** Runs it to its end; `onLine` may send signals. */
  async function run(
    args: readonly string[],
    onLine: (line: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
  ) {
    const child = spawn(process.execPath, ["--import", "tsx", "controller/src/main.ts", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk;
      onLine(String(chunk), (signal) => child.kill(signal));
    });
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk;
    });
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, out, err };
  }

  it("says what is wrong with its settings in one line and ends with 2", async () => {
    const { code, out, err } = await run(["--pools-file", poolsFile, "--filter-tick-ms", "1"]);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.equal(err, '--filter-tick-ms: "1" is not an integer from 5 to 250\n');
  });

  it("says what is wrong with its pools file and ends with 1", async () => {
    const { code, err } = await run(["--pools-file", join(folder, "none.yaml"), "--log-level", "silent"]);
    assert.equal(code, 1);
    assert.match(err, /none\.yaml.*ENOENT/);
    assert.doesNotMatch(err, /\n.*\n/);
  });

  it("explains its flags, and the other commands", async () => {
    const { code, out } = await run(["controller", "--help"]);
    assert.equal(code, 0);
    assert.match(out, /--pools-file/);
    const commands = await run(["--help"]);
    assert.equal(commands.code, 0);
    assert.match(commands.out, /^ {2}controller {2}.*default/m);
  });

  it("has a version and no command that is not listed", async () => {
    const version = await run(["--version"]);
    assert.equal(version.code, 0);
    assert.match(version.out, /^inference-picker \d+\.\d+\.\d+\n$/);
    const unknown = await run(["serve"]);
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, /^"serve" is no command\n/);
  });

  it("writes Envoy's configuration with the port it got, and ends with 0 on a signal", async () => {
    const bootstrap = join(folder, "envoy.yaml");
    const args = [
      "--pools-file",
      poolsFile,
      "--listen",
      "127.0.0.1:0",
      "--web-listen",
      "127.0.0.1:0",
      "--bootstrap-out",
      bootstrap,
    ];
    const { code, out } = await run(args, (line, kill) => {
      if (line.includes("configuration written")) kill("SIGTERM");
    });
    assert.equal(code, 0, out);
    const started = out.split("\n").find((line) => line.includes("controller started"));
    const { rpcPort } = JSON.parse(started!);
    const { static_resources } = parse(readFileSync(bootstrap, "utf8"));
    const { address } = static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint;
    assert.equal(address.socket_address.port_value, rpcPort);
  });
});
