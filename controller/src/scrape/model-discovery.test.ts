import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Endpoint, ModelListSpec } from "../model.ts";
import { processTimer } from "../timer.ts";
import { ModelDiscovery, type ModelListOutcome } from "./model-discovery.ts";

const FIXTURE = readFileSync(
  fileURLToPath(new URL("../../../test/fixtures/vllm-0.32/models.json", import.meta.url)),
);
const servers: Server[] = [];
const discoveries: ModelDiscovery[] = [];

after(async () => {
  await Promise.all(discoveries.map((discovery) => discovery.close()));
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A server of these models, which may change. */
async function serveModels(models: readonly string[]): Promise<number> {
  return serve((_, response) => response.end(JSON.stringify({ data: models.map((id) => ({ id })) })));
}

function endpoint(port: number, pool = "default/llama", modelList: Partial<ModelListSpec> = {}): Endpoint {
  return {
    pool,
    spec: {
      name: `e${port}`,
      host: "127.0.0.1",
      port,
      engine: "vllm",
      modelList: { intervalMs: 20, path: "/v1/models", ...modelList },
    },
    ip: "127.0.0.1",
    address: `127.0.0.1:${port}`,
    ready: true,
    draining: false,
  };
}

interface Recorder {
  readonly discovery: ModelDiscovery;
  /** By pool, what was told last. */
  readonly told: Map<string, readonly string[] | undefined>;
  readonly outcomes: ModelListOutcome[];
  /** How often something was told. */
  changes: number;
  /** Added to the clock. */
  aheadMs: number;
  /** Resolves when `condition` holds after an outcome. */
  until(condition: () => boolean): Promise<void>;
}

function record(): Recorder {
  const told = new Map<string, readonly string[] | undefined>();
  const outcomes: ModelListOutcome[] = [];
  const waiting = new Set<() => void>();
  const recorder: Recorder = {
    discovery: new ModelDiscovery({
      onModels: (pool, models) => {
        recorder.changes++;
        told.set(
          pool,
          models?.map(({ name, adapter }) => (adapter ? `${name} (adapter)` : name)),
        );
      },
      onOutcome: (outcome) => {
        outcomes.push(outcome);
        for (const check of waiting) check();
      },
      nowMs: () => performance.now() + recorder.aheadMs,
      random: () => 0,
      setTimer: processTimer,
    }),
    told,
    outcomes,
    changes: 0,
    aheadMs: 0,
    until: (condition) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
  };
  discoveries.push(recorder.discovery);
  return recorder;
}

describe("the discovery of models", () => {
  it("asks the serving port as the endpoint wants to be asked, again and again, and tells a change once", async () => {
    const seen: IncomingMessage[] = [];
    const port = await serve((request, response) => {
      seen.push(request);
      response.end(FIXTURE);
    });
    const recorder = record();
    const { discovery, told, outcomes, until } = recorder;
    discovery.setTargets([endpoint(port, "default/llama", { path: "/api/models", bearerToken: "k3y" })]);
    await until(() => outcomes.length >= 3);
    assert.deepEqual([...told], [["default/llama", ["tiny-llama", "lora-a (adapter)", "lora-b (adapter)"]]]);
    assert.equal(recorder.changes, 1);
    for (const { url, headers } of seen) {
      assert.equal(url, "/api/models");
      assert.equal(headers.authorization, "Bearer k3y");
      assert.equal(headers["user-agent"], "inference-picker");
    }
    assert.equal(discovery.stats().succeeded, outcomes.length);
  });

  it("puts the endpoints of a pool together and keeps pools apart", async () => {
    const [one, two, three] = [await serveModels(["a"]), await serveModels(["b"]), await serveModels(["c"])];
    const { discovery, told, until } = record();
    discovery.setTargets([endpoint(one, "n/p"), endpoint(two, "n/p"), endpoint(three, "n/q")]);
    await until(() => told.get("n/p")?.length === 2 && told.has("n/q"));
    assert.deepEqual([told.get("n/p"), told.get("n/q")], [["a", "b"], ["c"]]);
    discovery.setTargets([endpoint(two, "n/p"), endpoint(three, "n/q")]);
    assert.deepEqual(told.get("n/p"), ["b"]);
  });

  it("tells that a pool serves nothing, which is more than not to know", async () => {
    const port = await serveModels([]);
    const recorder = record();
    const { discovery, told, outcomes, until } = recorder;
    discovery.setTargets([endpoint(port)]);
    await until(() => outcomes.length >= 3);
    assert.deepEqual([...told], [["default/llama", []]]);
    assert.equal(recorder.changes, 1);
  });

  it("follows a server that loads and unloads adapters", async () => {
    const models = ["base"];
    const port = await serveModels(models);
    const { discovery, told, until } = record();
    discovery.setTargets([endpoint(port)]);
    await until(() => told.size === 1);
    models.push("sql");
    await until(() => told.get("default/llama")!.length === 2);
    models.splice(0, 1);
    await until(() => told.get("default/llama")!.join() === "sql");
  });

  it("keeps the last list of a server that fails, and says what went wrong", async () => {
    let answer: RequestListener = (_, response) => response.end('{"data":[{"id":"m"}]}');
    const port = await serve((request, response) => answer(request, response));
    const recorder = record();
    const { discovery, told, outcomes, until } = recorder;
    discovery.setTargets([endpoint(port)]);
    await until(() => told.size === 1);
    answer = (_, response) => response.writeHead(503).end("loading");
    await until(() => outcomes.at(-1)?.failure === "status");
    recorder.aheadMs = 3_600_000;
    const { length } = outcomes;
    await until(() => outcomes.length > length + 1);
    assert.deepEqual(told.get("default/llama"), ["m"]);
    const { error } = outcomes.at(-1)!;
    assert.equal(error?.code, "MODEL_LIST_FAILED");
    assert.match(error?.message ?? "", /^default\/llama\/e\d+: status: status 503$/);
    assert.ok(discovery.stats().failed.status >= 2);
  });

  it("names garbage, refusal, silence and endless pages for what they are", { timeout: 20_000 }, async () => {
    const refused = await serve(() => {});
    await new Promise((resolve) => servers.pop()!.close(resolve));
    const expected = new Map([
      [await serve((_, response) => response.end("<html>hello</html>")), "format"],
      [await serve((_, response) => response.writeHead(404).end("{}")), "status"],
      [await serve((_, response) => response.end("x".repeat(1024 * 1024 + 1))), "too-large"],
      [await serve(() => {}), "timeout"],
      [refused, "connect"],
    ]);
    const { discovery, told, outcomes, until } = record();
    discovery.setTargets([...expected.keys()].map((port) => endpoint(port)));
    const seen = () => new Map(outcomes.map(({ endpoint: { spec }, failure }) => [spec.port, failure]));
    await until(() => seen().size === expected.size);
    assert.deepEqual(new Map([...seen()].sort()), new Map([...expected].sort()));
    assert.equal(told.size, 0);
  });

  it("counts the names that it leaves out", async () => {
    const port = await serveModels(["x".repeat(257), "m"]);
    const { discovery, told, outcomes, until } = record();
    discovery.setTargets([endpoint(port)]);
    await until(() => outcomes.length > 0);
    assert.deepEqual(told.get("default/llama"), ["m"]);
    assert.equal(discovery.stats().dropped, discovery.stats().succeeded);
  });

  it("asks nobody who is not to be asked", async () => {
    const asked = await serveModels(["m"]);
    const silent = await serve(() => assert.fail("was asked"));
    const { modelList: _, ...spec } = endpoint(silent).spec;
    const { discovery, outcomes, until } = record();
    discovery.setTargets([{ ...endpoint(silent), spec }, endpoint(asked)]);
    await until(() => outcomes.length >= 3);
    discovery.setTargets([]);
    assert.deepEqual(
      new Set(
        outcomes.map(
          ({
            endpoint: {
              spec: { port },
            },
          }) => port,
        ),
      ),
      new Set([asked]),
    );
  });

  it("forgets a pool that is gone after a while, and knows one that comes back before", async () => {
    const [port, other] = [await serveModels(["m"]), await serveModels(["o"])];
    const recorder = record();
    const { discovery, told, until } = recorder;
    discovery.setTargets([endpoint(port, "n/p"), endpoint(other, "n/q")]);
    await until(() => told.size === 2);
    discovery.setTargets([endpoint(other, "n/q")]);
    assert.deepEqual(told.get("n/p"), ["m"]);
    recorder.aheadMs += 59_000;
    discovery.setTargets([endpoint(port, "n/p"), endpoint(other, "n/q")]);
    discovery.setTargets([endpoint(other, "n/q")]);
    recorder.aheadMs += 59_000;
    discovery.setTargets([endpoint(other, "n/q")]);
    assert.deepEqual(told.get("n/p"), ["m"]);
    recorder.aheadMs += 2000;
    discovery.setTargets([endpoint(other, "n/q")]);
    assert.deepEqual([told.has("n/p"), told.get("n/p")], [true, undefined]);
    assert.deepEqual(told.get("n/q"), ["o"]);
  });

  it("says nothing any more when it is closed", async () => {
    let arrived: () => void = () => {};
    const request = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const port = await serve(() => arrived());
    const { discovery, told, outcomes } = record();
    discovery.setTargets([endpoint(port)]);
    await request;
    await discovery.close();
    assert.deepEqual([told.size, outcomes.length], [0, 0]);
    discovery.setTargets([endpoint(port)]);
    assert.deepEqual([told.size, outcomes.length], [0, 0]);
  });
});
