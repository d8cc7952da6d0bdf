import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ApiError, type ApiObject } from "./api-client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { namespaceNetwork } from "./pod-network.ts";
import { until } from "./until.ts";

const NAMESPACE = "models";
const LABELS = { app: "vllm" };
const POD = { apiVersion: "v1", kind: "Pod" };
const SLICE = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" };
const DEPLOYMENT = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "vllm", namespace: NAMESPACE },
  spec: {
    replicas: 3,
    selector: { matchLabels: LABELS },
    template: {
      metadata: { labels: LABELS },
      spec: {
        containers: [{ name: "server", image: "vllm", ports: [{ containerPort: 8000 }] }],
        // Half of it is what the end of a namespace waits between two looks.
        terminationGracePeriodSeconds: 1,
      },
    },
  },
};
const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "vllm", namespace: NAMESPACE },
  spec: { selector: LABELS, ports: [{ port: 80, targetPort: 8000 }] },
};

let cluster: Cluster;
let kubelet: FakeKubelet;

before(async () => {
  cluster = await startCluster({ controllerManager: true });
  kubelet = await startFakeKubelet(cluster, { network: await namespaceNetwork() });
});

after(async () => {
  await kubelet.stop();
  await cluster.stop();
});

interface Slice extends ApiObject {
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions: { readonly ready?: boolean };
  }[];
}

function podIps(): Promise<readonly string[]> {
  return cluster.admin
    .list(POD, NAMESPACE)
    .then((pods) => pods.map(({ status }) => (status as { readonly podIP?: string }).podIP ?? "").sort());
}

async function readyAddresses(): Promise<readonly string[]> {
  const slices = await cluster.admin.list<Slice>(SLICE, NAMESPACE);
  const endpoints = slices.flatMap((slice) => slice.endpoints ?? []);
  return endpoints
    .filter(({ conditions }) => conditions.ready)
    .flatMap(({ addresses }) => addresses)
    .sort();
}

test("a Deployment's Pods run, and its Service's endpoints are they, as many as it is scaled to", async () => {
  await cluster.createNamespace(NAMESPACE);
  for (const object of [DEPLOYMENT, SERVICE]) await cluster.admin.apply(object);
  await until("three endpoints", async () => (await readyAddresses()).length === 3);
  assert.deepEqual(await readyAddresses(), await podIps());
  await cluster.admin.patch(DEPLOYMENT, { spec: { replicas: 1 } });
  await until("one Pod", async () => (await podIps()).length === 1);
  await until("one endpoint", async () => (await readyAddresses()).length === 1);
  assert.deepEqual(await readyAddresses(), await podIps());
});

test("a namespace is deleted with everything in it", async () => {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };
  await cluster.admin.delete(namespace);
  await until("the namespace's end", async () => {
    try {
      await cluster.admin.get(namespace);
      return false;
    } catch (error) {
      return error instanceof ApiError && error.reason === "NotFound";
    }
  });
  assert.deepEqual(await cluster.admin.list(POD, NAMESPACE), []);
});
