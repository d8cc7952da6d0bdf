import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { type Controller, type ControllerDeps, startController } from "./controller.ts";
import { FEED_SERVICE } from "./push/feed-server.ts";
import { TestPeer } from "./push/test-peer.ts";
import { processTimer } from "./timer.ts";
import { parseSettings, type Settings } from "./settings.ts";
import { decodeTable } from "./table/decode.ts";
import { createLogger } from "./telemetry/logger.ts";
import { ADS_SERVICE } from "./xds/ads-server.ts";
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from "./xds/generated/envoy/service/discovery/v3/discovery_pb.ts";
import { TYPE_EXTENSION } from "./xds/names.ts";

const PAGE = "vllm:num_requests_waiting 4\nvllm:num_requests_running 2\nvllm:kv_cache_usage_perc 0.25\n";

describe("the controller", () => {
  let folder: string;
  let model: Server;
  let modelPort: number;
  let lines: string[];
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "inference-picker-controller-"));
    lines = [];
    model = createServer((_, response) => response.end(PAGE));
    await new Promise<void>((resolve) => model.listen(0, "127.0.0.1", resolve));
    modelPort = (model.address() as AddressInfo).port;
  });
  afterEach(async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
    model.closeAllConnections();
    await new Promise((resolve) => model.close(resolve));
    rmSync(folder, { recursive: true });
  });

  function writePools(...ports: number[]): void {
    const endpoints = JSON.stringify(ports.map((port) => `127.0.0.1:${port}`));
    writeFileSync(
      join(folder, "pools.yaml"),
      `pools:\n- name: chat\n  endpoints: ${endpoints}\n  scrape: { interval: 100ms }\n`,
    );
  }

  async function start(
    over: Partial<Settings> = {},
    deps: Partial<ControllerDeps> = {},
  ): Promise<Controller> {
    const args = [
      "--pools-file",
      join(folder, "pools.yaml"),
      "--listen",
      "127.0.0.1:0",
      "--web-listen",
      "127.0.0.1:0",
    ];
    const controller = await startController(
      { ...parseSettings(args, {}), pushIntervalMs: 20, shutdownGraceMs: 100, ...over },
      {
        logger: createLogger("info", { write: (line: string) => lines.push(line) }),
        env: {},
        nowMs: () => performance.now(),
        wallMs: () => Date.now(),
        random: () => Math.random(),
        setTimer: processTimer,
        ...deps,
      },
    );
    closers.push(() => controller.close());
    return controller;
  }

  function feedOf(controller: Controller): TestPeer<Uint8Array, Uint8Array> {
    const peer = new TestPeer<Uint8Array, Uint8Array>(
      controller.rpcPort,
      credentials.createInsecure(),
      FEED_SERVICE,
      "Stream",
    );
    closers.push(() => peer.close());
    return peer;
  }

  const newest = (peer: TestPeer<Uint8Array, Uint8Array>) => decodeTable(peer.received.at(-1)!);
  const page = async (controller: Controller, path: string) => {
    const response = await fetch(`http://127.0.0.1:${controller.webPort}${path}`);
    return { status: response.status, body: await response.text() };
  };

  it("publishes a first table with measurements, and the edits that follow", async () => {
    writePools(modelPort);
    const controller = await start();
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    const [row] = newest(peer).pools[0]!.endpoints;
    assert.equal(row?.queuedRequests, 4);
    assert.equal(row?.kvUsedRatio, 0.25);
    writePools(modelPort, modelPort + 1);
    await peer.until(() => newest(peer).pools[0]!.endpoints.length === 2);
    const sequences = peer.received.map((bytes) => decodeTable(bytes).sequence);
    assert.deepEqual(
      sequences,
      [...sequences].sort((a, b) => Number(a - b)),
    );
    assert.equal(new Set(sequences).size, sequences.length);
  });

  it("is ready once the first table is out, an endpoint that hangs notwithstanding", async () => {
    model.removeAllListeners("request");
    writePools(modelPort);
    const controller = await start({ firstPushWaitMs: 300 });
    assert.equal((await page(controller, "/healthz")).status, 200);
    assert.equal((await page(controller, "/readyz")).status, 503);
    assert.equal((await page(controller, "/table")).status, 503);
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    assert.equal((await page(controller, "/readyz")).status, 200);
    const table = JSON.parse((await page(controller, "/table")).body);
    assert.equal(table.pools[0].endpoints[0].state, "never scraped");
    assert.equal(table.pools[0].endpoints[0].queuedRequests, null);
  });

  it("is not ready when its newest table is old, and shows ages as they are when it is asked", async () => {
    writePools(modelPort);
    const state = { nowMs: 1000, stopped: false };
    const controller = await start(
      { pushAtMostMs: 500 },
      {
        nowMs: () => state.nowMs,
        setTimer: (callback, delayMs) => processTimer(() => state.stopped || callback(), delayMs),
      },
    );
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    state.stopped = true;
    const age = async () => JSON.parse((await page(controller, "/table")).body).pools[0].endpoints[0].ageMs;
    const before = await age();
    state.nowMs += 1500;
    assert.equal((await page(controller, "/readyz")).status, 200);
    assert.equal(await age(), before + 1500);
    assert.match(
      (await page(controller, "/metrics")).body,
      new RegExp(`^inference_picker_endpoint_age_seconds\\{.*\\} ${(before + 1500) / 1000}$`, "m"),
    );
    state.nowMs += 1;
    assert.equal((await page(controller, "/readyz")).status, 503);
    assert.equal(controller.ready(), false);
  });

  it("closes everything else when one part cannot be closed", async () => {
    writePools(modelPort);
    const broken = new Error("cannot be cancelled");
    const controller = await start(
      {},
      {
        setTimer: (callback, delayMs) => {
          const cancel = processTimer(callback, delayMs);
          // Of the resolver's interval, no other timer's.
          return delayMs !== 5000
            ? cancel
            : () => {
                // It goes off in no other test.
                cancel();
                throw broken;
              };
        },
      },
    );
    await controller.close();
    await assert.rejects(fetch(`http://127.0.0.1:${controller.webPort}/healthz`));
    assert.equal(lines.filter((line) => line.includes(broken.message)).length, 1);
  });

  it("keeps a pool's endpoints under a mistyped name, and shows it", async () => {
    writePools(modelPort);
    const controller = await start({}, { lookup: () => Promise.reject(new Error("ENOTFOUND")) });
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    writeFileSync(join(folder, "pools.yaml"), "pools:\n- name: chat\n  endpoints: ['mistyped:80']\n");
    await peer.until(() => lines.some((line) => line.includes("none of its names resolves")));
    const { sequence } = newest(peer);
    await peer.until(() => newest(peer).sequence > sequence + 1n);
    assert.equal(newest(peer).pools[0]!.endpoints[0]?.address, `127.0.0.1:${modelPort}`);
    assert.match((await page(controller, "/metrics")).body, /^inference_picker_pools_stranded 1$/m);
  });

  it("learns from its endpoints which models a pool serves, and goes by them", async () => {
    let list = JSON.stringify({ data: [{ id: "base" }, { id: "sql", parent: "base" }] });
    model.removeAllListeners("request");
    model.on("request", (request, response) => {
      if (request.url === "/metrics") response.end(PAGE);
      else if (list === "") response.writeHead(503).end();
      else response.end(list);
    });
    const pools = (interval: string) =>
      `pools:\n- name: chat\n  knownModelsOnly: true\n  discoverModels: { interval: ${interval} }\n` +
      `  endpoints: ["127.0.0.1:${modelPort}"]\n`;
    writeFileSync(join(folder, "pools.yaml"), pools("1s"));
    const controller = await start();
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    const first = decodeTable(peer.received[0]!).pools[0]!;
    assert.deepEqual(
      first.models.map(({ name, adapter }) => [name, adapter]),
      [
        ["base", false],
        ["sql", true],
      ],
    );
    assert.deepEqual([first.readBody, first.knownModelsOnly], [true, true]);
    list = JSON.stringify({ data: [{ id: "other" }] });
    await peer.until(() => newest(peer).pools[0]!.models[0]?.name === "other");
    list = "";
    await peer.until(() => lines.some((line) => line.includes("status 503")));
    assert.equal(newest(peer).pools[0]!.models[0]?.name, "other");
    list = JSON.stringify({ data: [{ id: "back" }, { id: "x".repeat(300) }] });
    await peer.until(() => newest(peer).pools[0]!.models[0]?.name === "back");
    assert.equal(lines.filter((line) => line.includes("status 503")).length, 1);
    assert.equal(lines.filter((line) => line.includes("list of models works again")).length, 1);
    const { body } = await page(controller, "/metrics");
    assert.match(body, /^inference_picker_model_lists_total\{result="success"\} [1-9]/m);
    assert.match(body, /^inference_picker_model_lists_total\{result="status"\} [1-9]/m);
    assert.match(body, /^inference_picker_model_names_dropped_total [1-9]/m);
    assert.match(body, /^inference_picker_table_models_dropped 0$/m);
  });

  it("refuses no model before a list has come", async () => {
    model.removeAllListeners("request");
    model.on("request", (request, response) =>
      request.url === "/metrics" ? response.end(PAGE) : response.writeHead(404).end(),
    );
    writeFileSync(
      join(folder, "pools.yaml"),
      `pools:\n- name: chat\n  knownModelsOnly: true\n  endpoints: ["127.0.0.1:${modelPort}"]\n`,
    );
    const peer = feedOf(await start());
    await peer.until(() => peer.received.length > 0);
    assert.equal(newest(peer).pools[0]!.knownModelsOnly, false);
  });

  it("shows tables, pools and scrapes in its metrics", async () => {
    writePools(modelPort);
    const controller = await start();
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    const { body } = await page(controller, "/metrics");
    for (const line of [
      'inference_pool_average_queue_size{namespace="default",name="chat"} 4',
      'inference_pool_average_running_requests{namespace="default",name="chat"} 2',
      'inference_pool_average_kv_cache_utilization{namespace="default",name="chat"} 0.25',
      'inference_pool_ready_pods{namespace="default",name="chat"} 1',
      `inference_pool_per_pod_queue_size{namespace="default",name="chat",model_server_pod="127.0.0.1:${modelPort}"} 4`,
      "inference_picker_feed_streams 1",
      "inference_picker_ads_nacks_total 0",
    ]) {
      assert.ok(body.includes(`${line}\n`), `${line}\n\n${body}`);
    }
    assert.match(body, /nodejs_eventloop_lag_seconds/);
  });

  it("serves the filter anew, with a higher generation, when its module changes", async () => {
    writePools(modelPort);
    const wasmFile = join(folder, "filter.wasm");
    writeFileSync(wasmFile, "one");
    const controller = await start({ wasmFile });
    const peer = new TestPeer<DiscoveryRequest, DiscoveryResponse>(
      controller.rpcPort,
      credentials.createInsecure(),
      ADS_SERVICE,
      "StreamAggregatedResources",
    );
    closers.push(() => peer.close());
    const ask = (typeUrl: string, responseNonce = "") =>
      peer.send(
        create(DiscoveryRequestSchema, { typeUrl, resourceNames: ["inference-picker"], responseNonce }),
      );
    const generation = () => {
      const text = Buffer.from(peer.received.at(-1)!.resources[0]!.value).toString();
      return Number(/"generation":(\d+)/.exec(text)?.[1]);
    };
    ask(TYPE_EXTENSION);
    await peer.until(() => peer.received.length === 1);
    const before = generation();
    ask(TYPE_EXTENSION, peer.received[0]!.nonce);
    writeFileSync(wasmFile, "two");
    await peer.until(() => peer.received.length === 2);
    assert.ok(generation() > before);
  });

  it("serves a filter that Envoy need not load anew after a restart, unless the module is another", async () => {
    writePools(modelPort);
    const wasmFile = join(folder, "filter.wasm");
    const builtMs = 1_700_000_000_000;
    const place = (content: string) => {
      writeFileSync(wasmFile, content);
      utimesSync(wasmFile, builtMs / 1000, builtMs / 1000);
    };
    const versionAfterStart = async (): Promise<string> => {
      const controller = await start({ wasmFile });
      const peer = new TestPeer<DiscoveryRequest, DiscoveryResponse>(
        controller.rpcPort,
        credentials.createInsecure(),
        ADS_SERVICE,
        "StreamAggregatedResources",
      );
      const resourceNames = ["inference-picker"];
      peer.send(create(DiscoveryRequestSchema, { typeUrl: TYPE_EXTENSION, resourceNames }));
      await peer.until(() => peer.received.length === 1);
      peer.close();
      await controller.close();
      return peer.received[0]!.versionInfo;
    };
    place("one");
    const before = await versionAfterStart();
    assert.equal(await versionAfterStart(), before);
    place("two");
    assert.notEqual(await versionAfterStart(), before);
  });

  it("serves every pool's table whatever the adapters of one metrics page", async () => {
    const names = Array.from({ length: 70_000 }, (_, index) => `n${index}`);
    const list = (running: readonly string[]) =>
      `vllm:lora_requests_info{max_lora="4",running_lora_adapters="${running.join()}"} 1\n`;
    let hostile = list(["x".repeat(5000), "good"]);
    model.removeAllListeners("request");
    model.on("request", (_, response) => response.end(`${PAGE}${hostile}`));
    writePools(modelPort);
    const controller = await start();
    const peer = feedOf(controller);
    const adapters = () => newest(peer).pools[0]!.endpoints[0]!.adapters?.entries.map(({ name }) => name);
    await peer.until(() => peer.received.length > 0 && adapters() !== undefined);
    assert.deepEqual(adapters(), ["good"]);
    hostile = list(names);
    await peer.until(() => adapters()!.length > 1);
    assert.equal(adapters()!.length, 256);
    const { body } = await page(controller, "/metrics");
    assert.match(body, /^inference_picker_table_errors_total 0$/m);
    assert.match(body, /^inference_picker_scrape_adapters_dropped_total [1-9]/m);
    assert.ok(!lines.join("").includes("cannot be encoded"));
  });

  it("does not start with a bad pools file, and leaves nothing behind", async () => {
    writeFileSync(join(folder, "pools.yaml"), "pools: 7\n");
    await assert.rejects(start(), { code: "POOLS_FILE_INVALID" });
    writePools(modelPort);
    await assert.rejects(start({ web: { host: "127.0.0.1", port: modelPort } }), { code: "EADDRINUSE" });
    assert.equal((await start()).ready(), false);
  });

  it("keeps running on a bad edit, and logs neither keys nor tokens", async () => {
    const pools = (endpoints: string) =>
      `pools:\n- name: chat\n  apiKeyFile: ${join(folder, "key")}\n  endpoints: ${endpoints}\n`;
    writeFileSync(join(folder, "key"), "sk-very-secret\n");
    writeFileSync(join(folder, "pools.yaml"), pools(`["127.0.0.1:${modelPort}"]`));
    const controller = await start({ logLevel: "trace" });
    const peer = feedOf(controller);
    await peer.until(() => peer.received.length > 0);
    writeFileSync(join(folder, "pools.yaml"), pools("nonsense"));
    await peer.until(() =>
      lines.some((line) => line.includes("POOLS_FILE_INVALID") || line.includes("CONFIG_")),
    );
    assert.equal(newest(peer).pools[0]!.endpoints.length, 1);
    assert.ok(!lines.join("").includes("sk-very-secret"));
  });
});
