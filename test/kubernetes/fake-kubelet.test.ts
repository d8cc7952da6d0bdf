import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ApiError, type ApiObject } from "./api-client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { namespaceNetwork } from "./pod-network.ts";
import { SERVER_ANNOTATION } from "./simulated-pod.ts";
import { until } from "./until.ts";

const NAMESPACE = "default";

let cluster: Cluster;
let kubelet: FakeKubelet;

before(async () => {
  cluster = await startCluster();
  kubelet = await startFakeKubelet(cluster, { network: await namespaceNetwork() });
});

after(async () => {
  await kubelet.stop();
  await cluster.stop();
});

function pod(name: string, server?: string): ApiObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: NAMESPACE,
      ...(server === undefined ? {} : { annotations: { [SERVER_ANNOTATION]: server } }),
    },
    spec: { containers: [{ name: "server", image: "vllm" }] },
  };
}

interface PodStatus {
  readonly phase?: string;
  readonly podIP?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses?: readonly { readonly restartCount: number }[];
}

async function statusOf(name: string): Promise<PodStatus> {
  return (await cluster.admin.get(pod(name))).status as PodStatus;
}

async function isReady(name: string): Promise<boolean> {
  const { conditions = [] } = await statusOf(name);
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

async function isGone(name: string): Promise<boolean> {
  try {
    await cluster.admin.get(pod(name));
    return false;
  } catch (error) {
    return error instanceof ApiError && error.reason === "NotFound";
  }
}

async function ready(name: string, server?: string): Promise<string> {
  await cluster.admin.create(pod(name, server));
  await until(`${name} ready`, () => isReady(name));
  return `http://${(await statusOf(name)).podIP}:8000`;
}

test("a Pod runs model servers at its own address, on each of its ports, and is ready when all listen", async () => {
  await ready("served", "{ports: [8000, 8001], models: [llama], speed: 20}");
  const { podIP, phase } = await statusOf("served");
  assert.equal(phase, "Running");
  for (const port of [8000, 8001]) {
    const answer = await fetch(`http://${podIP}:${port}/v1/models`);
    const { data } = (await answer.json()) as { readonly data: readonly { readonly id: string }[] };
    assert.deepEqual(data.map(({ id }) => id).slice(0, 1), ["llama"]);
  }
});

test("Pods without the annotation run nothing and are ready", async () => {
  await Promise.all([ready("light-1"), ready("light-2")]);
  const [first, second] = [await statusOf("light-1"), await statusOf("light-2")];
  assert.ok(first.podIP);
  assert.notEqual(first.podIP, second.podIP);
});

test("a deleted Pod is not ready at once, finishes the request that it has, and is gone", async () => {
  const url = await ready("deleted", "{models: [llama]}");
  const body = JSON.stringify({
    model: "llama",
    prompt: "x",
    max_tokens: 200,
    ignore_eos: true,
    stream: true,
  });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
  await cluster.admin.delete(pod("deleted"));
  await until("not ready", async () => !(await isReady("deleted")));
  assert.match(await answer.text(), /data: \[DONE\]\s*$/);
  await until("gone", () => isGone("deleted"));
  await assert.rejects(fetch(`${url}/health`));
});

test("a Pod whose server crashes is not ready until a new one listens", async () => {
  const url = await ready("crashing", "{models: [llama]}");
  kubelet.crash(NAMESPACE, "crashing");
  await until("not ready", async () => !(await isReady("crashing")));
  await until("ready again", () => isReady("crashing"));
  assert.equal((await fetch(`${url}/health`)).status, 200);
  assert.equal((await statusOf("crashing")).containerStatuses?.[0]?.restartCount, 1);
});

test("readiness can be taken and given back while the server runs", async () => {
  const url = await ready("switched", "{models: [llama]}");
  await kubelet.setReady(NAMESPACE, "switched", false);
  assert.equal(await isReady("switched"), false);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  await kubelet.setReady(NAMESPACE, "switched", true);
  assert.equal(await isReady("switched"), true);
});

test("what happened while the API server was away is reported when it is back", async () => {
  const url = await ready("outlasting", "{models: [llama]}");
  await cluster.killApiServer();
  kubelet.crash(NAMESPACE, "outlasting");
  await until("the server down", async () => !(await answers(url)));
  await until("the server up", () => answers(url));
  await cluster.restartApiServer();
  await until("its restart", async () => {
    const { containerStatuses } = await statusOf("outlasting");
    return containerStatuses?.[0]?.restartCount === 1 && (await isReady("outlasting"));
  });
  await ready("later", "{models: [llama]}");
});

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok;
  } catch {
    return false;
  }
}
