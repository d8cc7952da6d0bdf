import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { Gateway, until } from "../e2e/harness.ts";
import { readText } from "./objects.ts";

const SCRIPT = readText("deploy/chart/inference-picker/files/drain.sh");
/** Bound by which the script must end where nothing is under way, far above what it takes. */
const DRAIN_SECONDS = 60;

/** The preStop hook as the chart runs it; resolves with its exit code. */
function drain(seconds: number, adminPort: number): { readonly ended: Promise<number | null> } {
  const child = spawn("bash", ["-c", SCRIPT, "drain", String(seconds), String(adminPort)], {
    stdio: "inherit",
  });
  return { ended: new Promise((resolve) => child.once("exit", resolve)) };
}

interface Answer {
  readonly status: number | undefined;
  readonly connection: string | undefined;
}

function get(port: number, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({
      host: "127.0.0.1",
      port,
      path,
      agent: false,
      headers: { connection: "keep-alive" },
    });
    sent.on("error", reject).on("response", (response) => {
      response
        .resume()
        .on("end", () => resolve({ status: response.statusCode, connection: response.headers.connection }));
    });
    sent.end();
  });
}

describe("Envoy's preStop hook", () => {
  let endpoint: Server;
  let gateway: Gateway;
  const held: ServerResponse[] = [];

  before(async () => {
    endpoint = createServer((incoming, response) => {
      if (incoming.url === "/held") held.push(response);
      else response.end("ok");
    });
    await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve));
    const { port } = endpoint.address() as AddressInfo;
    const pools = [{ name: "llama", scrape: false, discoverModels: false, endpoints: [`127.0.0.1:${port}`] }];
    gateway = await Gateway.prepare({ name: "drain", pools: { pools } });
    await gateway.startController();
    await gateway.startEnvoy();
    await gateway.picking();
  });

  after(async () => {
    await gateway?.stop();
    endpoint.closeAllConnections();
    await new Promise((resolve) => endpoint.close(resolve));
  });

  it("lets answers under way end and sends new requests elsewhere", { timeout: 60_000 }, async () => {
    const answer = get(gateway.port, "/held");
    await until("the request is under way", () => held.length === 1);
    assert.notEqual((await get(gateway.port, "/before")).connection, "close");
    let isEnded = false;
    const { ended } = drain(DRAIN_SECONDS, gateway.adminPort);
    void ended.then(() => {
      isEnded = true;
    });
    await until("clients are told to dial anew", async () => {
      const { status, connection } = await get(gateway.port, "/meanwhile");
      assert.equal(status, 200);
      return connection === "close";
    });
    const polls = "http.admin.downstream_rq_total";
    const before = (await gateway.stats(polls)).get(polls)!;
    let own = 0;
    // More than this test's own questions: the script is past its wait, and looks whether something is under way.
    await until("the script looks", async () => {
      own++;
      return (await gateway.stats(polls)).get(polls)! - before > own;
    });
    assert.equal(isEnded, false);
    held[0]!.end("done");
    assert.equal((await answer).status, 200);
    assert.equal(await ended, 0);
  });

  it("waits for nothing where Envoy is gone", async () => {
    await gateway.end(gateway.envoy!);
    assert.equal(await drain(DRAIN_SECONDS, gateway.adminPort).ended, 0);
  });
});

it("the chart's hook is given the admin port of its bootstrap", () => {
  const gatewayManifest = readText("deploy/manifests/gateway.yaml");
  assert.match(gatewayManifest, /- drain\n\s+- "120"\n\s+- "9901"\n/);
});
