/** The reflector on a real API server that is killed, frozen and restarted under it. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { pino } from "pino";
import { type KubernetesClient, loadClient } from "../../controller/src/kubernetes/client.ts";
import { INFERENCE_POOL, type Kind, POD } from "../../controller/src/kubernetes/kinds.ts";
import type { Stored } from "../../controller/src/kubernetes/object-store.ts";
import type { PodObject } from "../../controller/src/kubernetes/objects.ts";
import {
  Reflector,
  type ReflectorLimits,
  type ReflectorOptions,
} from "../../controller/src/kubernetes/reflector.ts";
import { processTimer, type SetTimer } from "../../controller/src/timer.ts";
import { ApiError, type ApiObject } from "./api-client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { until } from "./until.ts";

const POOL = { apiVersion: "inference.networking.k8s.io/v1", kind: "InferencePool" };

let cluster: Cluster;
let client: KubernetesClient;
const reflectors: { stop(): Promise<void> }[] = [];

before(async () => {
  cluster = await startCluster();
  client = loadClient({ kubeconfig: cluster.kubeconfig() }, {});
});

afterEach(() => Promise.all(reflectors.splice(0).map((reflector) => reflector.stop())));

after(async () => {
  await client.close();
  await cluster.stop();
});

interface Reflected<T extends Stored> {
  readonly reflector: Reflector<T>;
  /** Objects as a listener that only goes by the changes told of has them: by name, with their address. */
  readonly told: Map<string, T>;
}

function reflect<T extends Stored>(
  kind: Kind<T>,
  options: Partial<ReflectorOptions<T>> & { readonly limits?: Partial<ReflectorLimits> } = {},
): Reflected<T> {
  const told = new Map<string, T>();
  const reflector = new Reflector<T>({
    client,
    kind,
    onChange: (objects, changed) => {
      for (const key of changed) {
        const object = objects.get(key);
        if (object === undefined) told.delete(key);
        else told.set(key, object);
      }
    },
    nowMs: () => performance.now(),
    random: Math.random,
    setTimer: processTimer,
    logger: pino({ level: "silent" }),
    ...options,
  });
  reflectors.push(reflector);
  reflector.start();
  return { reflector, told };
}

function pod(name: string, labels: Readonly<Record<string, string>> = { app: "vllm" }): ApiObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels },
    // A node that nobody is: the Pod stays, and the garbage collector is not there.
    spec: { nodeName: "nowhere", containers: [{ name: "vllm", image: "vllm" }] },
  };
}

function setStatus(name: string, podIP: string, isReady: boolean): Promise<ApiObject> {
  const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
  return cluster.admin.patch(
    pod(name),
    { status: { phase: "Running", podIP, conditions } },
    {
      subresource: "status",
    },
  );
}

function removePod(name: string): Promise<unknown> {
  // Without a kubelet nobody would end the grace period.
  return cluster.admin.delete(pod(name), 0);
}

/** As a Pod of that service account has it. */
function inCluster(token: string, namespace: string): KubernetesClient {
  const serviceAccountFolder = mkdtempSync(join(cluster.folder, "account-"));
  writeFileSync(join(serviceAccountFolder, "token"), token);
  writeFileSync(join(serviceAccountFolder, "namespace"), namespace);
  copyFileSync(cluster.caFile, join(serviceAccountFolder, "ca.crt"));
  const { hostname, port } = new URL(cluster.url);
  const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
  return loadClient({ serviceAccountFolder }, env);
}

function ifNotFound(error: unknown): undefined {
  if (!(error instanceof ApiError) || error.status !== 404) throw error;
}

/** What a listener was told of is what the server has. */
async function untilEqual({ told }: Reflected<PodObject>, what: string): Promise<void> {
  await until(what, async () => {
    const there = await cluster.admin.list({ apiVersion: "v1", kind: "Pod" });
    const versions = there.map(({ metadata }) => `${metadata.name} ${metadata.uid}`).sort();
    const known = [...told.values()].map(({ meta }) => `${meta.name} ${meta.uid}`).sort();
    return versions.join() === known.join();
  });
}

/** Waits between attempts that the test ends itself; other timers run as ever. */
const waiting: (() => void)[] = [];
const patient: SetTimer = (callback, delayMs) => {
  if (delayMs < 10_000 || delayMs > 20_000) return processTimer(callback, delayMs);
  waiting.push(callback);
  return () => {};
};

describe("on a real API server, a reflector", () => {
  it("follows Pods from nothing to ready to gone", async () => {
    const pods = reflect(POD, { fieldSelector: "metadata.name=a" });
    await pods.reflector.synced();
    await cluster.admin.create(pod("other", { app: "redis" }));
    await cluster.admin.create(pod("a"));
    await until("a", () => pods.told.has("default/a"));
    assert.equal(pods.told.get("default/a")?.ready, false);
    await setStatus("a", "10.0.0.1", true);
    const ready = await until(
      "a ready",
      () => pods.told.get("default/a")?.ready && pods.told.get("default/a"),
    );
    assert.equal(ready.ip, "10.0.0.1");
    assert.equal(ready.phase, "Running");
    await removePod("a");
    await until("a gone", () => !pods.told.has("default/a"));
    assert.equal(pods.told.has("default/other"), false);
    assert.equal(pods.reflector.counts().lists, 1);
    await removePod("other");
  });

  it("reads more Pods than a page has", async () => {
    const names = Array.from({ length: 23 }, (_, at) => `page-${at}`);
    for (const name of names) await cluster.admin.create(pod(name));
    const pods = reflect(POD, { limits: { pageSize: 5 } });
    await pods.reflector.synced();
    assert.equal(pods.told.size, names.length);
    for (const name of names) await removePod(name);
    await until("none", () => pods.told.size === 0);
  });

  it("misses nothing that happens around the server's death, again and again", async () => {
    const pods = reflect(POD);
    await pods.reflector.synced();
    for (let round = 0; round < 3; round++) {
      await cluster.admin.create(pod(`before-${round}`));
      await cluster.admin.create(pod(`goes-${round}`));
      await until("watching", () => pods.told.has(`default/goes-${round}`));
      // The watch has no time to tell of these two.
      const last = [cluster.admin.create(pod(`with-${round}`)), removePod(`goes-${round}`)];
      await Promise.all(last);
      await cluster.killApiServer();
      await until("backing off", () => pods.reflector.state === "backing-off");
      assert.ok(pods.told.has(`default/before-${round}`), "known through the outage");
      await cluster.restartApiServer();
      await cluster.admin.create(pod(`after-${round}`));
      await untilEqual(pods, `round ${round}`);
    }
    assert.equal(pods.told.size, 9);
    const names = [...pods.told.values()].map(({ meta }) => meta.name);
    await Promise.all(names.map(removePod));
  });

  it("notices a server that says nothing any more, and catches up", async () => {
    const pods = reflect(POD, { limits: { idleMs: 1500, listTimeoutMs: 1500 } });
    await pods.reflector.synced();
    await cluster.admin.create(pod("known"));
    await until("known", () => pods.told.has("default/known"));
    await cluster.freezeApiServer();
    await until("noticed", () => pods.reflector.state === "backing-off");
    assert.ok(pods.told.has("default/known"));
    cluster.thawApiServer();
    await cluster.admin.create(pod("later"));
    await untilEqual(pods, "later");
    await Promise.all(["known", "later"].map(removePod));
  });

  it("tells of what was deleted while it was not asking", async () => {
    const pods = reflect(POD, { limits: { backoffMinMs: 20_000, backoffMaxMs: 20_000 }, setTimer: patient });
    await pods.reflector.synced();
    await cluster.admin.create(pod("unseen"));
    await until("seen", () => pods.told.has("default/unseen"));
    await cluster.killApiServer();
    await until("backing off", () => waiting.length > 0);
    await cluster.restartApiServer();
    await removePod("unseen");
    await cluster.admin.create(pod("new"));
    for (const ask of waiting.splice(0)) ask();
    await untilEqual(pods, "the present");
    assert.ok(!pods.told.has("default/unseen"));
    await removePod("new");
  });

  it("finds a kind that is installed under it, and lets go of one that is removed", async () => {
    const pools = reflect(INFERENCE_POOL, { limits: { absentRetryMs: 100 } });
    await pools.reflector.synced();
    assert.equal(pools.reflector.state, "absent");
    await cluster.installCrds();
    const spec = { selector: { matchLabels: { app: "vllm" } }, targetPorts: [{ number: 8000 }] };
    const llama: ApiObject = { ...POOL, metadata: { name: "llama", namespace: "default" }, spec };
    // The group's own page comes a moment later than its first kind.
    await until("the group", () => cluster.admin.create(llama).catch(ifNotFound));
    const pool = await until("the pool", () => pools.told.get("default/llama"));
    assert.deepEqual((pool.spec as { selector: unknown }).selector, spec.selector);
    assert.equal(pool.meta.generation, 1);
    await cluster.admin.delete({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "inferencepools.inference.networking.k8s.io" },
    });
    await until("absent", () => pools.reflector.state === "absent");
    assert.equal(pools.told.size, 0);
  });

  it("in a Pod is refused what its service account may not read, and reads it as soon as it may", async () => {
    const token = await cluster.serviceAccountToken("gateways", "reflector");
    const own = inCluster(token, "gateways");
    assert.equal(own.namespace, "gateways");
    const pods = reflect(POD, { client: own, namespace: "default", limits: { backoffMaxMs: 200 } });
    await until("refused", () => pods.reflector.counts().failures > 1);
    assert.equal(pods.reflector.state, "backing-off");
    const apiGroup = "rbac.authorization.k8s.io";
    const metadata = { name: "reflector", namespace: "default" };
    const role: ApiObject = {
      apiVersion: `${apiGroup}/v1`,
      kind: "Role",
      metadata,
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"] }],
    };
    const binding: ApiObject = {
      apiVersion: `${apiGroup}/v1`,
      kind: "RoleBinding",
      metadata,
      roleRef: { apiGroup, kind: "Role", name: "reflector" },
      subjects: [{ kind: "ServiceAccount", name: "reflector", namespace: "gateways" }],
    };
    await cluster.admin.create(role);
    await cluster.admin.create(binding);
    await pods.reflector.synced();
    await until("watching", () => pods.reflector.state === "watching");
    await pods.reflector.stop();
    await own.close();
  });
});
