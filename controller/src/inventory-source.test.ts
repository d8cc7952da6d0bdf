import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, describe, it } from "node:test";
import { credentials } from "@grpc/grpc-js";
import { type Controller, startController } from "./controller.ts";
import { PickerError } from "./errors.ts";
import {
  INFERENCE_MODEL,
  INFERENCE_MODEL_REWRITE,
  INFERENCE_OBJECTIVE,
  INFERENCE_POOL,
  LLMD_MODEL_REWRITE,
  LLMD_OBJECTIVE,
  POD,
} from "./kubernetes/kinds.ts";
import { TestApiServer } from "./kubernetes/test-api-server.ts";
import { FEED_SERVICE } from "./push/feed-server.ts";
import { TestPeer } from "./push/test-peer.ts";
import { parseSettings } from "./settings.ts";
import { decodeTable } from "./table/decode.ts";
import { createLogger } from "./telemetry/logger.ts";
import { processTimer } from "./timer.ts";

const LABELS = { labels: { app: "llama" } };

describe("a controller whose pools come from an API server", () => {
  let folder: string;
  let server: TestApiServer;
  let model: Server;
  let port: number;
  let lines: string[];
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "inference-picker-source-"));
    lines = [];
    server = new TestApiServer();
    server.serve(
      INFERENCE_POOL,
      INFERENCE_OBJECTIVE,
      INFERENCE_MODEL_REWRITE,
      INFERENCE_MODEL,
      LLMD_OBJECTIVE,
      LLMD_MODEL_REWRITE,
      POD,
    );
    await server.start();
    model = createServer((_, response) => response.end("vllm:num_requests_waiting 4\n"));
    await new Promise<void>((resolve) => model.listen(0, "127.0.0.1", resolve));
    port = (model.address() as AddressInfo).port;
    const spec = { selector: { matchLabels: { app: "llama" } }, targetPorts: [{ number: port }] };
    const annotations = { "inference-picker.io/config": "scrape: { interval: 100ms }" };
    server.put(INFERENCE_POOL, "llama", { spec }, { annotations });
  });
  afterEach(async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
    await server.close();
    model.closeAllConnections();
    await new Promise((resolve) => model.close(resolve));
    rmSync(folder, { recursive: true });
  });

  function podAt(name: string, ip: string): void {
    const status = { phase: "Running", podIP: ip, conditions: [{ type: "Ready", status: "True" }] };
    server.put(POD, name, { status }, LABELS);
  }

  async function start(...args: readonly string[]): Promise<Controller> {
    const kubeconfig = join(folder, "kubeconfig");
    const clusters = [{ name: "c", cluster: { server: server.url } }];
    const contexts = [{ name: "c", context: { cluster: "c" } }];
    writeFileSync(kubeconfig, JSON.stringify({ clusters, contexts, "current-context": "c" }));
    const listen = ["--listen", "127.0.0.1:0", "--web-listen", "127.0.0.1:0"];
    const settings = parseSettings(
      ["--source", "kubernetes", "--kubeconfig", kubeconfig, ...listen, ...args],
      {},
    );
    const controller = await startController(
      { ...settings, pushIntervalMs: 20, shutdownGraceMs: 100 },
      {
        logger: createLogger("info", { write: (line: string) => lines.push(line) }),
        env: {},
        nowMs: () => performance.now(),
        wallMs: () => Date.now(),
        random: () => Math.random(),
        setTimer: processTimer,
      },
    );
    closers.push(() => controller.close());
    return controller;
  }

  function feedOf(controller: Controller): TestPeer<Uint8Array, Uint8Array> {
    const insecure = credentials.createInsecure();
    const peer = new TestPeer<Uint8Array, Uint8Array>(controller.rpcPort, insecure, FEED_SERVICE, "Stream");
    closers.push(() => peer.close());
    return peer;
  }

  const newest = (peer: TestPeer<Uint8Array, Uint8Array>) => decodeTable(peer.received.at(-1)!);

  it("publishes tables of their Pods with measurements, as Pods come and go", async () => {
    podAt("llama-0", "127.0.0.1");
    const controller = await start();
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    const [pool] = newest(peer).pools;
    assert.equal(pool?.name, "default/llama");
    assert.equal(pool?.endpoints[0]?.address, `127.0.0.1:${port}`);
    assert.equal(pool?.endpoints[0]?.queuedRequests, 4);
    podAt("llama-1", "127.0.0.2");
    await peer.until(() => newest(peer).pools[0]?.endpoints.length === 2);
    server.remove(POD, "default", "llama-0");
    server.remove(POD, "default", "llama-1");
    await peer.until(() => newest(peer).pools[0]?.endpoints.length === 0);
    assert.deepEqual(controller.table()?.findings, [
      "InferencePool default/llama: NoReadyPod: no Pod has the labels of its selector",
    ]);
    assert.equal(controller.table()?.problem, null);
    assert.ok(lines.some((line) => line.includes('"reason":"NoReadyPod"')));
    podAt("llama-2", "127.0.0.1");
    await peer.until(() => newest(peer).pools[0]?.endpoints.length === 1);
    assert.deepEqual(controller.table()?.findings, []);
  });

  it("sends requests where a file of routes says, and follows its edits", async () => {
    const file = join(folder, "routes.yaml");
    writeFileSync(file, "routes: [{ name: all, pools: [llama], byModel: true }]");
    const controller = await start("--pools-file", file);
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    assert.deepEqual(
      newest(peer).routes.map(({ name }) => name),
      ["all"],
    );
    writeFileSync(file, "routes: [{ name: every, pools: [llama], byModel: true }]");
    await peer.until(() => newest(peer).routes.some(({ name }) => name === "every"));
    writeFileSync(file, "pools: []");
    await peer.until(() => controller.table()?.problem?.includes("pools: is not a known key") === true);
  });

  it("does not start with a file of routes that is bad, or without a server to ask", async () => {
    const file = join(folder, "routes.yaml");
    writeFileSync(file, "routes: [{ pools: [llama, llama] }]");
    await assert.rejects(start("--pools-file", file), (error) => {
      assert.ok(error instanceof PickerError);
      assert.match(
        error.message,
        /^routes\[0\]\.pools\[1\]: .*llama is also routes\[0\]\.pools\[0\] \(line 1\)/,
      );
      return true;
    });
    const settings = parseSettings(["--source", "kubernetes", "--kubeconfig", join(folder, "none")], {});
    await assert.rejects(
      startController(settings, {
        logger: createLogger("silent"),
        env: {},
        nowMs: () => performance.now(),
        wallMs: () => Date.now(),
        random: () => Math.random(),
        setTimer: processTimer,
      }),
      PickerError,
    );
  });
});
