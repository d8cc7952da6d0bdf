/** Every change of an object is in the traffic within a second of the API server's answer, and no request fails of it. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { wasPicked } from "../../controller/src/cli/access-log.ts";
import type { Gateway } from "../e2e/harness.ts";
import type { ApiObject } from "./api-client.ts";
import { ChatTraffic, type ChatOutcome, isServedBy } from "./chat-traffic.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { startClusterGateway } from "./gateway-harness.ts";
import {
  ACTIVE_PORTS_ANNOTATION,
  model,
  NAMESPACE,
  objective,
  pod,
  pool,
  rewrite,
} from "./inference-objects.ts";
import { namespaceNetwork } from "./pod-network.ts";
import { until } from "./until.ts";

const WITHIN_MS = 1000;
const PER_SECOND = 50;
const PORTS = [8000, 8001];
const CONFIG = {
  profile: "round-robin",
  scrape: { interval: "200ms" },
  // One long prompt saturates the pool.
  saturation: { kvLimit: 0.01 },
};
const ONE_PORT = { [ACTIVE_PORTS_ANNOTATION]: "8000" };
const CHAT = { app: "chat" };
const SERVER = { models: ["llama", "tuned"], speed: 2 };

let cluster: Cluster;
let kubelet: FakeKubelet;
let gateway: Gateway;
let traffic: ChatTraffic;
/** Ended, and not looked at for failures: requests that a test sends beside the steady ones. */
const probes: ChatTraffic[] = [];

before(async () => {
  cluster = await startCluster();
  await cluster.installCrds();
  await cluster.createNamespace(NAMESPACE);
  kubelet = await startFakeKubelet(cluster, { network: await namespaceNetwork() });
  await Promise.all(["chat-0", "chat-1"].map((name) => readyAt(pod(name, CHAT, SERVER, ONE_PORT))));
  await cluster.admin.create(pool("chat", CONFIG, PORTS));
  gateway = await startClusterGateway(cluster, { name: "kubernetes-traffic" });
  traffic = new ChatTraffic(gateway.port, { perSecond: PER_SECOND, streamedEvery: 2, longEvery: 10 });
});

afterEach(async () => {
  await Promise.all(probes.splice(0).map((probe) => probe.stop()));
  assert.deepEqual(traffic.failed, []);
});

after(async () => {
  await traffic?.stop();
  await gateway?.stop();
  await kubelet?.stop();
  await cluster?.stop();
});

interface PodStatus {
  readonly podIP?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

/** Creates the Pod; `performance.now()` at which the API server said that it is ready. */
async function readyAt(wanted: ApiObject): Promise<number> {
  const { metadata } = await cluster.admin.create(wanted);
  const found = new AbortController();
  let readyMs: number | undefined;
  const watching = cluster.admin.watch(
    wanted,
    metadata.resourceVersion!,
    ({ object }) => {
      const { conditions = [] } = (object.status ?? {}) as PodStatus;
      const isReady = conditions.some(({ type, status }) => type === "Ready" && status === "True");
      if (isReady) readyMs ??= performance.now();
    },
    found.signal,
    { fieldSelector: `metadata.name=${metadata.name}` },
  );
  watching.catch(() => {});
  const readyFromMs = await until(`${metadata.name} is ready`, () => readyMs);
  found.abort();
  return readyFromMs;
}

/** `performance.now()` at which the API server had answered. */
async function answered(change: Promise<unknown>): Promise<number> {
  await change;
  return performance.now();
}

/** Requests beside the steady ones. */
function probe(options: { readonly model?: string; readonly headers?: Record<string, string> }): ChatTraffic {
  const started = new ChatTraffic(gateway.port, { perSecond: PER_SECOND, ...options });
  probes.push(started);
  return started;
}

function assertSoon(what: string, tookMs: number): void {
  console.log(`${what}: ${tookMs.toFixed(0)} ms`);
  assert.ok(tookMs <= WITHIN_MS, `${what}: ${tookMs.toFixed(0)} ms is above ${WITHIN_MS}`);
}

async function assertServes(what: string, sinceMs: number, name: string, port?: number): Promise<void> {
  assertSoon(what, await traffic.firstAfter(sinceMs, what, isServedBy(name, port)));
}

async function assertLeft(what: string, sinceMs: number, name: string, port?: number): Promise<void> {
  assertSoon(what, await traffic.lastAfter(sinceMs, WITHIN_MS, isServedBy(name, port)));
}

test("a Pod that comes gets requests", async () => {
  await assertServes("added", await readyAt(pod("chat-2", CHAT, SERVER, ONE_PORT)), "chat-2");
});

test("a Pod that is not ready gets none, and is back when it is", async () => {
  const unready = await answered(kubelet.setReady(NAMESPACE, "chat-2", false));
  await assertLeft("not ready", unready, "chat-2");
  const ready = await answered(kubelet.setReady(NAMESPACE, "chat-2", true));
  await assertServes("ready again", ready, "chat-2");
});

test("a Pod leaves the pool and enters it with its labels", async () => {
  const labelled = (app: string) =>
    answered(cluster.admin.patch(pod("chat-2", {}), { metadata: { labels: { app } } }));
  await assertLeft("label taken", await labelled("none"), "chat-2");
  await assertServes("label given", await labelled("chat"), "chat-2");
});

test("a Pod's ports get requests as its annotation says", async () => {
  await readyAt(pod("wide", CHAT, { ...SERVER, ports: PORTS }, ONE_PORT));
  const active = (ports: string) => {
    const annotations = { [ACTIVE_PORTS_ANNOTATION]: ports };
    return answered(cluster.admin.patch(pod("wide", {}), { metadata: { annotations } }));
  };
  const both = await active("8000,8001");
  await assertServes("port opened", both, "wide", 8001);
  const second = await active("8001");
  await assertLeft("port closed", second, "wide", 8000);
  await assertServes("port kept", second, "wide", 8001);
});

test("an objective decides by its priority who is refused in a saturated pool", async () => {
  const ending = new AbortController();
  const { released } = await hold("chat-0", ending.signal);
  try {
    await until("the pool is saturated", async () => {
      const [found] = (await gateway.table())?.pools ?? [];
      return found?.endpoints.some(({ kvUsedRatio }) => (kvUsedRatio ?? 0) > 0.05);
    });
    const batch = probe({ headers: { "x-gateway-inference-objective": "batch" } });
    const isRefused = ({ status }: ChatOutcome): boolean => status === 429;
    const made = await answered(cluster.admin.create(objective("batch", "chat", -1)));
    assertSoon("objective", await batch.firstAfter(made, "a refusal", isRefused));
    const raised = await answered(
      cluster.admin.patch(objective("batch", "chat", 0), { spec: { priority: 0 } }),
    );
    assertSoon("priority", await batch.lastAfter(raised, WITHIN_MS, isRefused));
    assert.equal(batch.outcomes.at(-1)?.status, 200);
  } finally {
    ending.abort();
    await released;
  }
});

/** A request straight to a Pod that keeps a tenth of its KV cache for longer than a test takes, until it is aborted. */
async function hold(name: string, signal: AbortSignal): Promise<{ readonly released: Promise<unknown> }> {
  const { podIP } = (await cluster.admin.get(pod(name, {}))).status as PodStatus;
  const body = { model: "llama", prompt: "long ".repeat(40_000), max_tokens: 20_000 };
  const url = `http://${podIP}:8000/v1/completions`;
  const headers = { "content-type": "application/json" };
  const answer = fetch(url, { method: "POST", headers, signal, body: JSON.stringify(body) });
  return { released: Promise.allSettled([answer]) };
}

test("a rewrite changes the model that servers are asked for, by its weights", async () => {
  const tuned = ({ model: asked }: ChatOutcome): boolean => asked === "tuned";
  const weighted = (weight: number) =>
    rewrite("canary", "chat", [
      {
        model: "llama",
        targets: [
          { modelRewrite: "llama", weight: 1 },
          { modelRewrite: "tuned", weight },
        ],
      },
    ]);
  const made = await answered(cluster.admin.create(weighted(1)));
  assertSoon("rewrite", await traffic.firstAfter(made, "the other model", tuned));
  const { spec } = weighted(1_000_000);
  const shifted = await answered(cluster.admin.patch(weighted(1), { spec }));
  const last = await traffic.lastAfter(shifted, WITHIN_MS, (outcome) => !tuned(outcome));
  assertSoon("weights", last);
  const removed = await answered(cluster.admin.delete(weighted(1)));
  assertSoon("rewrite deleted", await traffic.lastAfter(removed, WITHIN_MS, tuned));
});

test("an InferenceModel's name is answered by its target", async () => {
  const asked = probe({ model: "assistant" });
  await until("an answer without it", () => asked.outcomes.find(({ status }) => status === 404));
  const spec = { modelName: "assistant", criticality: "Critical", targetModels: [{ name: "tuned" }] };
  const made = await answered(cluster.admin.create(model("assistant", "chat", spec)));
  const took = await asked.firstAfter(made, "an answer", (outcome) => outcome.model === "tuned");
  assertSoon("InferenceModel", took);
});

test("a pool that comes serves its model, and nothing more once it is gone", async () => {
  await readyAt(pod("code-0", { app: "code" }, { models: ["code"], speed: 2 }));
  const asked = probe({ model: "code" });
  await until("an answer without it", () => asked.outcomes.find(({ status }) => status === 404));
  const made = await answered(cluster.admin.create(pool("code", CONFIG)));
  const isServed = isServedBy("code-0");
  assertSoon("pool", await asked.firstAfter(made, "an answer", isServed));
  const deleted = await answered(cluster.admin.delete(pool("code")));
  assertSoon("pool deleted", await asked.lastAfter(deleted, WITHIN_MS, isServed));
});

test("a Pod that is deleted gets nothing more, and what it has under way ends well", async () => {
  const deleted = await answered(cluster.admin.delete(pod("chat-1", {})));
  await assertLeft("deleted", deleted, "chat-1");
  await until("the Pod is gone", async () => {
    const left = await cluster.admin.list(pod("", {}), NAMESPACE);
    return left.every(({ metadata }) => metadata.name !== "chat-1");
  });
  // Longer than any request takes, and all the while without it.
  const gone = performance.now();
  assert.equal(await traffic.lastAfter(gone, WITHIN_MS, isServedBy("chat-1")), 0);
});

test("every request was picked by the filter, and none failed", async () => {
  await traffic.stop();
  const { outcomes } = traffic;
  console.log(`${outcomes.length} requests, ${traffic.failed.length} failed`);
  assert.ok(outcomes.length > 10 * PER_SECOND);
  const answers = await until("the access log is complete", () => {
    const logged = gateway
      .logged()
      .filter(({ path, status }) => path === "/v1/chat/completions" && status === 200);
    return logged.length >= outcomes.length ? logged : undefined;
  });
  assert.deepEqual(
    answers.filter((entry) => !wasPicked(entry)),
    [],
  );
});
