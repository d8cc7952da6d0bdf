/**
 * A stock Envoy on the controller's ADS over mutual TLS: every resource is accepted, and every way to reach an
 * endpoint works. The filter is left out, so that the client's header can stand for its pick.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createH2cServer } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { after, before, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { type Controller, startController } from "../../controller/src/controller.ts";
import type { ServerTls } from "../../controller/src/push/certificate-files.ts";
import { TestAuthority } from "../../controller/src/push/test-certificates.ts";
import { processTimer } from "../../controller/src/timer.ts";
import { parseSettings } from "../../controller/src/settings.ts";
import { createLogger } from "../../controller/src/telemetry/logger.ts";
import { renderBootstrap } from "../../controller/src/xds/bootstrap.ts";

const ENVOY = process.env.ENVOY ?? "build/envoy/envoy";
const PICK = "x-gateway-destination-endpoint";

interface Served {
  readonly status: number;
  readonly body: string;
  /** Headers that the endpoint saw. */
  readonly seen: Readonly<Record<string, string>>;
}

describe("a stock Envoy on the controller's discovery", () => {
  const folder = mkdtempSync(join(tmpdir(), "inference-picker-discovery-"));
  const closers: (() => unknown)[] = [];
  let controller: Controller;
  let rpcTls: ServerTls;
  let gateway: number;
  let admin: number;
  /** Endpoint name → port. */
  const ports: Record<string, number> = {};

  /** Echoes its name and what it saw; `bad` answers 503. */
  function echo(name: string) {
    return (request: IncomingMessage, response: ServerResponse) => {
      const headers = Object.entries(request.headers).filter(([key]) => !key.startsWith(":"));
      response.statusCode = name === "bad" ? 503 : 200;
      const sni = (request.socket as { servername?: string | false } | undefined)?.servername;
      response.end(JSON.stringify({ name, sni: sni || null, seen: Object.fromEntries(headers) }));
      request.resume();
    };
  }

  async function listen(name: string, server: Server): Promise<void> {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports[name] = (server.address() as AddressInfo).port;
    closers.push(() => server.close());
  }

  function writePools(plain: readonly string[]): void {
    const address = (name: string) => `127.0.0.1:${ports[name]}`;
    const pools = [
      { name: "closed", endpoints: plain.map(address) },
      {
        name: "open",
        failureMode: "FailOpen",
        endpoints: plain.map(address),
        apiKeyFile: join(folder, "key"),
      },
      { name: "two", appProtocol: "kubernetes.io/h2c", failureMode: "FailOpen", endpoints: [address("two")] },
      {
        name: "tls",
        failureMode: "FailOpen",
        endpoints: [address("tls")],
        tls: { caFile: join(folder, "ca.pem") },
      },
      {
        name: "forged",
        failureMode: "FailOpen",
        endpoints: [address("forged")],
        tls: { caFile: join(folder, "ca.pem") },
      },
    ];
    const routes = pools.map(({ name }) => ({ pathPrefix: `/${name}`, pools: [name] }));
    writeFileSync(join(folder, "pools.yaml"), stringify({ pools, routes }));
  }

  /** A controller on this port, 0 for any. */
  function startOn(port: number): Promise<Controller> {
    const args = [
      "--pools-file",
      join(folder, "pools.yaml"),
      "--listen",
      `127.0.0.1:${port}`,
      "--web-listen",
      "127.0.0.1:0",
    ];
    const deps = {
      logger: createLogger("silent"),
      env: {},
      nowMs: () => performance.now(),
      wallMs: () => Date.now(),
      random: () => Math.random(),
      setTimer: processTimer,
    };
    return startController({ ...parseSettings(args, {}), rpcTls, shutdownGraceMs: 0 }, deps);
  }

  before(async () => {
    const authority = new TestAuthority();
    const stranger = new TestAuthority();
    closers.push(
      () => authority.remove(),
      () => stranger.remove(),
    );
    writeFileSync(join(folder, "ca.pem"), readFileSync(authority.caFile));
    writeFileSync(join(folder, "key"), "sk-100%\n");
    const pair = (from: TestAuthority, san: string) => {
      const { certFile, keyFile } = from.issue(san);
      return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    };
    for (const name of ["a", "b", "bad"]) await listen(name, createHttpServer(echo(name)));
    const h2c = createH2cServer((request, response) => {
      echo("two")(request as unknown as IncomingMessage, response as unknown as ServerResponse);
    });
    await listen("two", h2c);
    await listen("tls", createHttpsServer(pair(authority, "IP:127.0.0.1"), echo("tls")));
    await listen("forged", createHttpsServer(pair(stranger, "IP:127.0.0.1"), echo("forged")));
    writePools(["a", "b", "bad"]);

    const own = authority.issue("DNS:controller.test");
    const shown = authority.issue("DNS:envoy.test");
    rpcTls = { ...own, clientCaFile: authority.caFile };
    controller = await startOn(0);
    closers.push(() => controller.close());
    [gateway, admin] = [await freePort(), await freePort()];
    const text = renderBootstrap(readFileSync("envoy/bootstrap.yaml", "utf8"), {
      nodeId: "discovery-test",
      gateway: { host: "127.0.0.1", port: gateway },
      admin: { host: "127.0.0.1", port: admin },
      controller: { host: "127.0.0.1", port: controller.rpcPort },
      controllerTls: {
        caFile: authority.caFile,
        ...shown,
        serverName: "controller.test",
        insecureSkipVerify: false,
      },
      accessLog: join(folder, "access.log"),
      maxHeapBytes: 2 ** 31,
      maxConnections: 1000,
    });
    writeFileSync(join(folder, "envoy.yaml"), stringify(withoutFilter(parse(text))));
    const envoy = spawn(
      ENVOY,
      ["-c", join(folder, "envoy.yaml"), "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"],
      {
        stdio: ["ignore", "inherit", "inherit"],
      },
    );
    closers.push(() => ended(envoy));
    await until(async () => (await call("/open")).status === 200);
  });

  after(async () => {
    for (const closer of closers.reverse()) await closer();
    rmSync(folder, { recursive: true });
  });

  async function call(path: string, ...picks: readonly string[]): Promise<Served> {
    const headers: Record<string, string> = picks.length === 0 ? {} : { [PICK]: picks.join(",") };
    try {
      const response = await fetch(`http://127.0.0.1:${gateway}${path}`, { headers });
      const body = await response.text();
      const seen = body.startsWith("{") ? JSON.parse(body).seen : {};
      return { status: response.status, body, seen };
    } catch (error) {
      // Not listening yet, or closing an idle connection.
      return { status: 0, body: String(error), seen: {} };
    }
  }
  const at = (name: string) => `127.0.0.1:${ports[name]}`;
  const nameOf = (served: Served) =>
    served.status === 200 ? JSON.parse(served.body).name : `status ${served.status}`;

  it("accepts every resource", async () => {
    await until(async () => controller.ads.states()[0]?.acked.size === 3);
    assert.equal(controller.ads.nacks, 0);
    const acked = controller.ads.states()[0]!.acked;
    assert.ok(
      [...acked.values()].every((version) => version !== ""),
      JSON.stringify([...acked]),
    );
    assert.equal(controller.ads.states()[0]!.node, "discovery-test");
  });

  it("reaches exactly the picked endpoint, which sees no pick", async () => {
    for (const name of ["a", "b", "a"]) {
      const served = await call("/closed", at(name));
      assert.equal(nameOf(served), name);
      assert.equal(served.seen[PICK], undefined);
    }
  });

  it("walks the list when an endpoint answers 503 or is not of the pool", async () => {
    assert.equal(nameOf(await call("/closed", at("bad"), at("b"))), "b");
    assert.equal(nameOf(await call("/closed", "10.255.0.1:1", at("b"))), "b");
  });

  it("answers 503 for FailClose when the list is missing, foreign or used up", async () => {
    assert.equal((await call("/closed")).status, 503);
    assert.equal((await call("/closed", at("tls"))).status, 503);
    assert.equal((await call("/closed", at("bad"))).status, 503);
  });

  it("chooses itself for FailOpen when the list is missing or used up", async () => {
    assert.match(nameOf(await call("/open")), /^[ab]$/);
    assert.match(nameOf(await call("/open", at("bad"))), /^[ab]$/);
  });

  it("adds a pool's key and no other's", async () => {
    assert.equal((await call("/open", at("a"))).seen.authorization, "Bearer sk-100%");
    assert.equal((await call("/closed", at("a"))).seen.authorization, undefined);
  });

  it("speaks h2c, and TLS only to whom the pool's authority vouches for", async () => {
    assert.equal(nameOf(await call("/two")), "two");
    const served = await call("/tls");
    assert.equal(nameOf(served), "tls");
    assert.equal(JSON.parse(served.body).sni, null, "an IP address is no server name");
    assert.equal((await call("/forged")).status, 503);
  });

  it("takes an endpoint out and brings it back without losing the others", async () => {
    writePools(["a"]);
    await until(async () => (await call("/closed", at("b"))).status === 503);
    assert.equal(nameOf(await call("/closed", at("a"))), "a");
    writePools(["a", "b", "bad"]);
    await until(async () => nameOf(await call("/closed", at("b"))) === "b");
    assert.equal(controller.ads.nacks, 0);
  });

  it("serves on while the controller is gone, loses nothing when it returns, and hears it again", async () => {
    await controller.close();
    assert.equal(nameOf(await call("/closed", at("a"))), "a");
    controller = await startOn(controller.rpcPort);
    const failed: string[] = [];
    await until(async () => {
      const served = await call("/closed", at("a"));
      if (served.status !== 200) failed.push(served.body);
      return controller.ads.states()[0]?.acked.size === 3;
    });
    assert.deepEqual(failed, []);
    writePools(["a"]);
    await until(async () => (await call("/closed", at("b"))).status === 503);
    assert.equal(controller.ads.nacks, 0);
  });
});

/** Without the module the listener would wait for it; without the early removal the client's header counts. */
function withoutFilter(config: {
  static_resources: {
    listeners: { filter_chains: { filters: { typed_config: Record<string, unknown> }[] }[] }[];
  };
}): unknown {
  const manager = config.static_resources.listeners[0]!.filter_chains[0]!.filters[0]!.typed_config;
  const filters = manager.http_filters as readonly { name: string }[];
  manager.http_filters = filters.filter(({ name }) => name === "envoy.filters.http.router");
  delete manager.early_header_mutation_extensions;
  return config;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(condition: () => Promise<boolean>, deadlineMs = 20_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exit;
}
