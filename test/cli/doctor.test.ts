import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Backend } from "../e2e/backend.ts";
import { Gateway, pool, until } from "../e2e/harness.ts";
import { Command, ROOT, RUN, variables } from "./command.ts";

const KEY = "sk-not-to-be-shown";

interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly checks: readonly {
    readonly group: string;
    readonly name: string;
    readonly status: string;
    readonly seen: string;
    readonly remedy?: string;
  }[];
}

/** Runs the built program to its end. */
async function run(command: string, args: readonly string[]) {
  const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, out, err };
}

function doctor(args: readonly string[]) {
  return run(process.execPath, [join(ROOT, "build/js/inference-picker.js"), "doctor", ...args]);
}

describe("inference-picker", () => {
  it("is a command of this repository", async () => {
    const { code, out, err } = await run("npx", ["--no-install", "inference-picker", "--version"]);
    assert.equal(code, 0, err);
    assert.match(out, /^inference-picker \d+\.\d+\.\d+\n$/);
  });
});

describe("inference-picker doctor beside make run", () => {
  let stack: Command;
  let flags: readonly string[];

  before(async () => {
    const own = await variables();
    stack = new Command(RUN, own);
    await stack.running();
    flags = [
      ...["--pools-file", join(own.RUN_DIR!, "pools.yaml")],
      ...["--controller", `127.0.0.1:${own.STATUS_PORT}`, "--envoy-admin", `127.0.0.1:${own.ADMIN_PORT}`],
    ];
  });

  after(() => stack?.clean());

  it("finds nothing wrong, and ends with 0", async () => {
    const { code, out, err } = await doctor(flags);
    assert.equal(code, 0, out + err);
    assert.equal(err, "");
    const headings = [...out.matchAll(/^([^\s\d].*)$/gm)].map(([, line]) => line!.split(" 127.")[0]);
    assert.deepEqual(headings, ["program", "pools file", "pools", "controller", "Envoy"]);
    assert.match(out, /^ {2}ok {7}valid {2,}.*pools\.yaml: 1 pool, 4 endpoints, 1 route$/m);
    assert.match(out, /^ {2}ok {7}pool default\/simulated {2}metrics of 4 of 4 endpoints answer$/m);
    assert.match(out, /^ {2}ok {7}Envoys {2,}1 feed open: gateway$/m);
    assert.match(out, /^ {2}ok {7}listeners {2,}with the filter: gateway$/m);
    assert.match(out, /^ {2}ok {7}feed {2,}cluster inference-picker-feed is connected$/m);
    assert.match(out, /\n\n\d+ ok, 0 warnings, 0 failures\n$/);
    assert.ok(!out.includes(String.fromCharCode(27)), "no colours into a pipe");
  });

  it("gives scripts the same as JSON", async () => {
    const { code, out } = await doctor([...flags, "--json"]);
    assert.equal(code, 0, out);
    const report = JSON.parse(out) as Report;
    assert.deepEqual([report.counts.warning, report.counts.failure, report.counts.skipped], [0, 0, 0]);
    assert.ok(report.checks.some(({ group, name }) => group === "pools file" && name === "valid"));
  });

  it("says that an Envoy does not answer, in its time, and what to do", async () => {
    const envoy = stack.childNamed("envoy");
    process.kill(envoy, "SIGSTOP");
    try {
      const { code, out } = await doctor([...flags, "--timeout-ms", "500"]);
      assert.equal(code, 1);
      assert.match(
        out,
        /^ {2}failure {2}reachable {2,}no answer in 500 ms\n {2,}→ start Envoy, .*--envoy-admin/m,
      );
    } finally {
      process.kill(envoy, "SIGCONT");
    }
  });
});

describe("inference-picker doctor beside a gateway", () => {
  const withoutMetrics = createServer((_, response) => response.end("process_cpu_seconds_total 1\n"));
  let backend: Backend;
  let gateway: Gateway;

  before(async () => {
    backend = await Backend.start();
    await new Promise<void>((resolve) => withoutMetrics.listen(0, "127.0.0.1", resolve));
    gateway = await Gateway.prepare({ name: "doctor" });
    const keyFile = join(gateway.folder, "key");
    writeFileSync(keyFile, KEY);
    gateway.writePools(pool([backend], { apiKeyFile: keyFile }));
    await gateway.startController();
    await gateway.startEnvoy();
    await gateway.picking();
  });

  after(async () => {
    await gateway?.stop();
    await backend?.stop();
    withoutMetrics.closeAllConnections();
    withoutMetrics.close();
  });

  async function look(): Promise<{ code: number | null; text: string; report: Report }> {
    const started = gateway
      .printed("controller")
      .split("\n")
      .find((line) => line.includes("controller started"));
    const { webPort } = JSON.parse(started!) as { webPort: number };
    const { code, out } = await doctor([
      ...["--pools-file", gateway.poolsFile, "--json"],
      ...["--controller", `127.0.0.1:${webPort}`, "--envoy-admin", `127.0.0.1:${gateway.adminPort}`],
    ]);
    return { code, text: out, report: JSON.parse(out) as Report };
  }

  /** `group: name: status: seen → remedy` of what is wrong. */
  function wrong({ checks }: Report): string {
    return checks
      .filter(({ status }) => status === "warning" || status === "failure")
      .map(({ group, name, status, seen, remedy }) => `${group}: ${name}: ${status}: ${seen} → ${remedy}`)
      .join("\n");
  }

  it("shows no key, though Envoy's configuration has it", async () => {
    assert.ok((await gateway.admin("/config_dump"))?.includes(KEY));
    const { code, text } = await look();
    assert.equal(code, 0, text);
    assert.ok(!text.includes(KEY));
  });

  it("names a model server without metrics, and what to do", async () => {
    const { port } = withoutMetrics.address() as AddressInfo;
    const bare = `127.0.0.1:${port}`;
    const pools = pool([backend]);
    const [only] = pools.pools;
    gateway.writePools({ pools: [{ ...only, endpoints: [backend.address, bare] }] });
    await until("the controller has both endpoints", async () => {
      const table = await gateway.table();
      return table?.pools[0]?.endpoints.length === 2;
    });
    const { code, report } = await look();
    const found = wrong(report);
    assert.equal(code, 3, found);
    const address = bare.replaceAll(".", "\\.");
    assert.match(
      found,
      new RegExp(
        `^pools: pool default/test: warning: metrics of \\S+ \\(${address}\\): .* → .*engine.*$`,
        "m",
      ),
    );
    assert.match(
      found,
      /^controller \S+: pool default\/test: warning: 1 of 2 endpoints picked without fresh measurements: \S+ → /m,
    );
    gateway.writePools(pools);
    await until("the endpoint is gone", async () => {
      const table = await gateway.table();
      return table?.pools[0]?.endpoints.length === 1;
    });
  });

  it("names a controller that is gone, by what Envoy sees of it, too", async () => {
    await gateway.end(gateway.controller!);
    await until("Envoy has lost the feed", async () => {
      return (await gateway.stat("inference-picker-feed.upstream_cx_active")) === 0;
    });
    const { code, report } = await look();
    const found = wrong(report);
    assert.equal(code, 1, found);
    assert.match(found, /^controller \S+: reachable: failure: .*connection refused → start the controller/m);
    assert.match(found, /^Envoy \S+: feed: failure: cluster inference-picker-feed has no connection → /m);
    assert.match(found, /^Envoy \S+: discovery: warning: not connected → /m);
    await gateway.startController();
    await until("the feed is back", async () => (await gateway.table())?.envoys.length === 1);
  });

  it("names an Envoy that is gone, by what the controller sees of it, too", async () => {
    await gateway.end(gateway.envoy!);
    await until("the controller has lost it", async () => (await gateway.table())?.envoys.length === 0);
    const { code, report } = await look();
    const found = wrong(report);
    assert.equal(code, 1, found);
    assert.match(found, /^Envoy \S+: reachable: failure: connection refused → start Envoy/m);
    assert.match(found, /^controller \S+: Envoys: failure: no Envoy's filter has a feed open → /m);
  });
});
