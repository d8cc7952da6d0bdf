import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import {
  INFERENCE_MODEL,
  INFERENCE_MODEL_REWRITE,
  INFERENCE_OBJECTIVE,
  INFERENCE_POOL,
  LLMD_MODEL_REWRITE,
  LLMD_OBJECTIVE,
  POD,
  SECRET,
  SERVICE,
} from "../../kubernetes/kinds.ts";
import { refuse, TestApiServer } from "../../kubernetes/test-api-server.ts";
import type { Inventory } from "../../model.ts";
import { createLogger } from "../../telemetry/logger.ts";
import { processTimer } from "../../timer.ts";
import type { SourceOutcome } from "./findings.ts";
import { type KubernetesSource, type WatchKubernetesOptions, watchKubernetes } from "./watch-kubernetes.ts";

const KINDS = [
  INFERENCE_POOL,
  INFERENCE_OBJECTIVE,
  INFERENCE_MODEL_REWRITE,
  INFERENCE_MODEL,
  LLMD_OBJECTIVE,
  LLMD_MODEL_REWRITE,
  POD,
  SECRET,
  SERVICE,
];

const POOL = { spec: { selector: { matchLabels: { app: "llama" } }, targetPorts: [{ number: 8000 }] } };
const LABELS = { labels: { app: "llama" } };

function podOf(ip: string, ready = true): Readonly<Record<string, unknown>> {
  const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
  return { spec: {}, status: { phase: "Running", podIP: ip, conditions } };
}

describe("the watch of an API server", () => {
  let server: TestApiServer;
  let client: KubernetesClient;
  let source: KubernetesSource | undefined;
  let inventories: Inventory[];
  let outcomes: SourceOutcome[];
  let logged: string[];

  beforeEach(async () => {
    server = new TestApiServer();
    server.serve(...KINDS);
    await server.start();
    client = server.client();
    [inventories, outcomes, logged] = [[], [], []];
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
    await client.close();
    await server.close();
  });

  function watch(
    settings: Partial<WatchKubernetesOptions["settings"]> = {},
    over: Partial<WatchKubernetesOptions> = {},
  ): KubernetesSource {
    const started = watchKubernetes({
      client,
      settings: { pickerRef: "ignore", clusterDomain: "cluster.local", istio: false, ...settings },
      onInventory: (inventory) => inventories.push(inventory),
      onOutcome: (outcome) => outcomes.push(outcome),
      logger: createLogger("info", { write: (line: string) => logged.push(line) }),
      nowMs: () => performance.now(),
      random: Math.random,
      setTimer: processTimer,
      limits: { backoffMinMs: 5, backoffMaxMs: 20, absentRetryMs: 20 },
      ...over,
    });
    source = started;
    return started;
  }

  async function until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  const endpoints = (): readonly string[] =>
    (inventories.at(-1)?.pools ?? []).flatMap((pool) => pool.endpoints.map(({ host }) => host));

  it("reports first when every kind has been read or is absent, and then each change", async () => {
    server.unserve(INFERENCE_MODEL);
    server.put(INFERENCE_POOL, "llama", POOL);
    server.put(POD, "llama-0", podOf("10.0.0.1"), LABELS);
    let release = (): void => {};
    server.intercept = ({ path }, response) => {
      if (!path.includes("inferenceobjectives")) return false;
      release = () => {
        server.intercept = () => false;
        refuse(response, 503, "ServiceUnavailable", "not yet");
      };
      return true;
    };
    const started = watch();
    await until(() => server.requests.some(({ path }) => path === "/api/v1/pods"));
    await until(() => server.requests.some(({ path }) => path.includes("inferenceobjectives")));
    assert.deepEqual(inventories, []);
    release();
    await until(() => outcomes.length > 0);
    assert.deepEqual(endpoints(), ["10.0.0.1"]);
    assert.deepEqual([...started.pools().keys()], ["default/llama"]);
    server.put(POD, "llama-1", podOf("10.0.0.2"), LABELS);
    await until(() => endpoints().length === 2);
    server.put(POD, "llama-0", podOf("10.0.0.1", false), LABELS);
    await until(() => endpoints().length === 1);
    server.put(INFERENCE_OBJECTIVE, "batch", { spec: { priority: -1, poolRef: { name: "llama" } } });
    await until(() => inventories.at(-1)?.pools[0]?.objectives.length === 1);
    server.remove(POD, "default", "llama-1");
    await until(() => endpoints().length === 0);
    assert.equal(outcomes.at(-1)?.findings[0]?.reason, "NoReadyPod");
    server.remove(INFERENCE_POOL, "default", "llama");
    await until(() => inventories.at(-1)?.pools.length === 0);
    server.serve(INFERENCE_MODEL);
    server.put(INFERENCE_POOL, "llama", POOL);
    server.put(INFERENCE_MODEL, "a", { spec: { modelName: "a", poolRef: { name: "llama" } } });
    await until(() => inventories.at(-1)?.pools[0]?.models.length === 1);
  });

  it("reports nothing where nothing of any pool has changed", async () => {
    server.put(INFERENCE_POOL, "llama", POOL);
    server.put(POD, "llama-0", podOf("10.0.0.1"), LABELS);
    watch();
    await until(() => outcomes.length > 0);
    server.put(POD, "web-0", podOf("10.0.0.9"), { labels: { app: "web" } });
    server.put(POD, "llama-0", { ...podOf("10.0.0.1"), spec: { x: 1 } }, LABELS);
    server.put(POD, "llama-1", podOf("10.0.0.2"), LABELS);
    await until(() => endpoints().length === 2);
    assert.equal(inventories.length, 2);
  });

  it("reads a Secret by its name, when a pool names it and as long as one does", async () => {
    const annotations = { "inference-picker.io/config": "apiKeySecret: { name: keys, key: api }" };
    const secretOf = (text: string) => ({ data: { api: Buffer.from(text).toString("base64") } });
    server.put(SECRET, "keys", secretOf("one"));
    server.put(INFERENCE_POOL, "llama", POOL, { annotations });
    watch();
    await until(() => outcomes.length > 0);
    assert.equal(inventories[0]?.pools[0]?.upstreamApiKey, "one");
    const asked = server.requests.filter(({ path }) => path.endsWith("/secrets"));
    assert.ok(asked.length > 0);
    for (const { path, query } of asked) {
      assert.equal(path, "/api/v1/namespaces/default/secrets");
      assert.equal(query.get("fieldSelector"), "metadata.name=keys");
    }
    server.put(SECRET, "keys", secretOf("two"));
    await until(() => inventories.at(-1)?.pools[0]?.upstreamApiKey === "two");
    server.remove(SECRET, "default", "keys");
    await until(() => outcomes.at(-1)?.findings.some(({ reason }) => reason === "SecretNotFound") === true);
    assert.equal(inventories.at(-1)?.pools[0]?.upstreamApiKey, "two");
    const watches = server.watches;
    server.put(INFERENCE_POOL, "llama", POOL);
    await until(() => inventories.at(-1)?.pools[0]?.upstreamApiKey === undefined);
    await until(() => server.watches === watches - 1);
  });

  it("does not wait for a Secret that it may not read", async () => {
    const annotations = { "inference-picker.io/config": "apiKeySecret: { name: keys, key: api }" };
    server.put(INFERENCE_POOL, "llama", POOL, { annotations });
    server.put(INFERENCE_POOL, "other", POOL);
    server.intercept = ({ path }, response) => {
      if (!path.endsWith("/secrets")) return false;
      refuse(response, 403, "Forbidden", "secrets is forbidden");
      return true;
    };
    watch();
    await until(() => outcomes.length > 0);
    assert.deepEqual(
      inventories[0]?.pools.map(({ name }) => name),
      ["other"],
    );
    assert.equal(outcomes[0]?.pools[0]?.accepted.reason, "SecretNotFound");
  });

  it("waits for a Secret that a busy server has not shown yet", async () => {
    const annotations = { "inference-picker.io/config": "apiKeySecret: { name: keys, key: api }" };
    server.put(INFERENCE_POOL, "llama", POOL, { annotations });
    server.put(SECRET, "keys", { data: { api: Buffer.from("one").toString("base64") } });
    let busy = 3;
    server.intercept = ({ path }, response) => {
      if (!path.endsWith("/secrets") || busy-- <= 0) return false;
      refuse(response, busy === 1 ? 500 : 429, "TooManyRequests", "busy");
      return true;
    };
    watch();
    await until(() => outcomes.length > 0);
    assert.equal(inventories[0]?.pools[0]?.upstreamApiKey, "one");
  });

  it("asks each minute for a Secret that it may not read, and for no more than 64 of a namespace", async () => {
    for (let index = 0; index < 33; index++) {
      const config = `apiKeySecret: { name: k${index}, key: a }\nscrape: { tokenSecret: { name: t${index}, key: a } }`;
      server.put(INFERENCE_POOL, `p${index}`, POOL, {
        annotations: { "inference-picker.io/config": config },
      });
    }
    server.intercept = ({ path }, response) => {
      if (!path.endsWith("/secrets")) return false;
      refuse(response, 403, "Forbidden", "secrets is forbidden");
      return true;
    };
    const waits: number[] = [];
    watch(
      {},
      {
        setTimer: (callback, delayMs) => {
          waits.push(delayMs);
          return processTimer(callback, delayMs);
        },
      },
    );
    await until(() => outcomes.length > 0 && waits.filter((delayMs) => delayMs === 60_000).length === 64);
    const asked = server.requests.filter(({ path }) => path.endsWith("/secrets"));
    assert.equal(new Set(asked.map(({ query }) => query.get("fieldSelector"))).size, 64);
    assert.equal(asked.length, 64);
    assert.deepEqual(inventories[0]?.pools, []);
    assert.ok(outcomes[0]?.pools.every(({ accepted }) => accepted.reason === "SecretNotFound"));
    assert.equal(logged.filter((line) => line.includes("no more Secrets are read")).length, 2);
  });

  it("does without a kind that it may not read, but for pools and Pods", async () => {
    server.put(INFERENCE_POOL, "llama", POOL);
    server.put(POD, "llama-0", podOf("10.0.0.1"), LABELS);
    const needed = ["inferencepools", "pods"];
    const refusals = new Map<string, number>();
    let isStrict = true;
    server.intercept = ({ path }, response) => {
      const plural = path.split("/").at(-1)!;
      if (needed.includes(plural) && !isStrict) return false;
      refusals.set(plural, (refusals.get(plural) ?? 0) + 1);
      refuse(response, 403, "Forbidden", `${plural} is forbidden`);
      return true;
    };
    watch({ istio: true });
    await until(() => refusals.size === 6 && [...refusals.values()].every((count) => count > 2));
    assert.deepEqual(inventories, []);
    isStrict = false;
    await until(() => outcomes.length > 0);
    assert.deepEqual(endpoints(), ["10.0.0.1"]);
    server.intercept = () => false;
    server.put(INFERENCE_OBJECTIVE, "batch", { spec: { priority: -1, poolRef: { name: "llama" } } });
    await until(() => inventories.at(-1)?.pools[0]?.objectives.length === 1);
  });

  it("asks for Services with Istio alone, and for one namespace alone where that is set", async () => {
    server.put(INFERENCE_POOL, "llama", POOL);
    server.put(INFERENCE_POOL, "far", POOL, { namespace: "far" });
    server.put(SERVICE, "vllm", { spec: { selector: { app: "llama" }, ports: [{ port: 8000 }] } });
    watch({ namespace: "default", istio: true });
    await until(() => outcomes.length > 0);
    assert.deepEqual(
      inventories[0]?.pools.map(({ clusters }) => clusters),
      [["default/llama", "outbound|8000||vllm.default.svc.cluster.local"]],
    );
    assert.ok(server.requests.every(({ path }) => path.includes("/namespaces/default/")));
    await source?.close();
    server.requests.length = 0;
    outcomes.length = 0;
    watch();
    await until(() => outcomes.length > 0);
    assert.ok(server.requests.every(({ path }) => !path.endsWith("/services")));
    assert.equal(inventories.at(-1)?.pools.length, 2);
  });

  it("keeps what it knows through an outage, and catches up after it", async () => {
    server.put(INFERENCE_POOL, "llama", POOL);
    server.put(POD, "llama-0", podOf("10.0.0.1"), LABELS);
    watch();
    await until(() => outcomes.length > 0);
    await server.kill();
    server.put(POD, "llama-1", podOf("10.0.0.2"), LABELS);
    server.remove(POD, "default", "llama-0");
    await until(() => logged.some((line) => line.includes("what is known stays")));
    assert.deepEqual([inventories.length, endpoints()], [1, ["10.0.0.1"]]);
    await server.start();
    await until(() => endpoints()[0] === "10.0.0.2" && endpoints().length === 1);
  });

  it("has the routes that it is given, and says which of their pools are not there", async () => {
    server.put(INFERENCE_POOL, "llama", POOL);
    const route = (name: string) => ({ pathPrefix: "/", headers: [], pools: [name], byModel: false });
    const started = watch({}, { routes: [route("default/gone")] });
    await until(() => outcomes.length > 0);
    assert.deepEqual(inventories[0]?.routes[0]?.pools, []);
    await until(() => logged.some((line) => line.includes('"missing":"default/gone"')));
    started.setRoutes([route("llama")]);
    await until(() => inventories.length === 2);
    assert.deepEqual(inventories[1]?.routes[0]?.pools, [{ pool: "default/llama", weight: 1 }]);
  });

  it("says what it waits for", async () => {
    server.intercept = ({ path }) => path === "/api/v1/pods";
    const timers: { readonly callback: () => void; readonly delayMs: number }[] = [];
    watch(
      {},
      {
        setTimer: (callback, delayMs) => {
          timers.push({ callback, delayMs });
          return processTimer(callback, delayMs);
        },
      },
    );
    await until(() => server.watches === 6);
    timers.find(({ delayMs }) => delayMs === 10_000)?.callback();
    const line = logged.find((text) => text.includes("no inventory yet"));
    assert.deepEqual((JSON.parse(line ?? "{}") as { kinds?: unknown }).kinds, ["Pod"]);
  });
});
