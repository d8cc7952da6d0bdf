/** Without an API server the traffic goes on as it was; when it is back, all that changed is caught up with. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Gateway } from "../e2e/harness.ts";
import { ChatTraffic, isServedBy } from "./chat-traffic.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { editInEtcd } from "./etcd.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { startClusterGateway } from "./gateway-harness.ts";
import { NAMESPACE, pod, pool, rewrite } from "./inference-objects.ts";
import { until } from "./until.ts";

/** How long the API server is away; shorter for runs by hand. */
const OUTAGE_MS = Number(process.env.KUBE_OUTAGE_SECONDS ?? 60) * 1000;
const FROZEN_MS = Math.min(20_000, OUTAGE_MS);
const CAUGHT_UP_MS = 10_000;
/** A server that was killed is dead by then, and not yet started again: Node takes longer. */
const DEAD_MS = 100;
const CHAT = { app: "chat" };
const SERVER = { models: ["llama", "tuned"], speed: 2 };
const PODS = ["chat-0", "chat-1", "chat-2"];
const REWRITE_KEY = `/registry/inference.networking.x-k8s.io/inferencemodelrewrites/${NAMESPACE}/switch`;

let cluster: Cluster;
let kubelet: FakeKubelet;
let gateway: Gateway;
const loads: ChatTraffic[] = [];

before(async () => {
  cluster = await startCluster();
  await cluster.installCrds();
  await cluster.createNamespace(NAMESPACE);
  kubelet = await startFakeKubelet(cluster);
  for (const name of PODS) await cluster.admin.create(pod(name, CHAT, SERVER));
  await cluster.admin.create(pool("chat", { profile: "round-robin", scrape: { interval: "200ms" } }));
  await cluster.admin.create(rewrite("switch", "chat", switched("llama")));
  gateway = await startClusterGateway(cluster, { name: "kubernetes-outage" });
  await until("every Pod is in the table", async () => {
    const table = await gateway.table();
    return table?.pools[0]?.endpoints.length === PODS.length;
  });
});

afterEach(async () => {
  await Promise.all(loads.map((load) => load.stop()));
  const failed = loads.flatMap((load) => load.failed);
  const count = loads.splice(0).reduce((sum, { outcomes }) => sum + outcomes.length, 0);
  console.log(`${count} requests, ${failed.length} failed`);
  assert.deepEqual(failed, []);
});

after(async () => {
  await gateway?.stop();
  await kubelet?.stop();
  await cluster?.stop();
});

/** Whole answers: those of a server that is killed are asked for again elsewhere. */
function wholeAnswers(): ChatTraffic {
  return started(new ChatTraffic(gateway.port, { perSecond: 40 }));
}

function streams(): ChatTraffic {
  return started(new ChatTraffic(gateway.port, { perSecond: 10, streamedEvery: 1, longEvery: 3 }));
}

function started(load: ChatTraffic): ChatTraffic {
  loads.push(load);
  return load;
}

function switched(target: string) {
  return [{ model: "llama", targets: [{ modelRewrite: target }] }];
}

/** Resolves at that `performance.now()`: the time that the API server is away is what is tested. */
async function at(timeMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, timeMs - performance.now())));
}

function assertCaughtUp(what: string, tookMs: number): void {
  console.log(`${what}: ${tookMs.toFixed(0)} ms`);
  assert.ok(tookMs <= CAUGHT_UP_MS, `${what}: ${tookMs.toFixed(0)} ms is above ${CAUGHT_UP_MS}`);
}

test(`an API server that answers nothing for ${FROZEN_MS / 1000} s`, async () => {
  const traffic = wholeAnswers();
  streams();
  await cluster.freezeApiServer();
  await at(performance.now() + FROZEN_MS);
  cluster.thawApiServer();
  await kubelet.setReady(NAMESPACE, "chat-2", false);
  const unreadyMs = performance.now();
  const took = await traffic.lastAfter(unreadyMs, CAUGHT_UP_MS, isServedBy("chat-2"));
  assertCaughtUp("a change after the thaw", took);
  await kubelet.setReady(NAMESPACE, "chat-2", true);
  const back = await traffic.firstAfter(performance.now(), "chat-2 is back", isServedBy("chat-2"));
  assertCaughtUp("the next change", back);
});

test(`an API server that is killed for ${OUTAGE_MS / 1000} s, in which a server and the controller die`, async () => {
  const traffic = wholeAnswers();
  const long = streams();
  await cluster.killApiServer();
  const downMs = performance.now();
  await at(downMs + OUTAGE_MS / 4);

  // A stream that a dying server has begun cannot be saved by anybody.
  await long.stop();
  const crashedMs = performance.now();
  kubelet.crash(NAMESPACE, "chat-0");
  const back = await traffic.firstAfter(crashedMs + DEAD_MS, "chat-0 is back", isServedBy("chat-0"));
  console.log(`a server that died answers again after ${(back + DEAD_MS).toFixed(0)} ms`);
  streams();

  await at(downMs + OUTAGE_MS / 2);
  await gateway.end(gateway.controller!);
  const controller = gateway.spawnController();
  const edited = rewrite("switch", "chat", switched("tuned"));
  await editInEtcd(cluster.etcdUrl, REWRITE_KEY, (object) => ({ ...object, spec: edited.spec }));

  await at(downMs + OUTAGE_MS);
  assert.equal(controller.exitCode ?? controller.signalCode, null, "the controller waits");
  assert.equal(
    traffic.outcomes.findLast(({ model }) => model === "tuned"),
    undefined,
  );
  await cluster.restartApiServer();
  const upMs = performance.now();
  console.log(`away for ${((upMs - downMs) / 1000).toFixed(1)} s`);
  const created = cluster.admin.create(pod("chat-3", CHAT, SERVER));
  await kubelet.setReady(NAMESPACE, "chat-1", false);
  const unreadyMs = performance.now();
  await created;
  const isTuned = ({ model }: { readonly model: string | undefined }) => model === "tuned";
  assertCaughtUp(
    "what changed meanwhile",
    await traffic.firstAfter(upMs, "the other model is asked for", isTuned),
  );
  const added = await traffic.firstAfter(upMs, "chat-3 serves", isServedBy("chat-3"));
  assertCaughtUp("a Pod that came after", added);
  const left = await traffic.lastAfter(unreadyMs, CAUGHT_UP_MS, isServedBy("chat-1"));
  assertCaughtUp("a Pod that was made not ready after", left);
});
