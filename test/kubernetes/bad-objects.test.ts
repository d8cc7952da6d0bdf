/** An object that is wrong says why, on itself, and changes nothing for the others. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { Gateway } from "../e2e/harness.ts";
import type { ApiError, ApiObject } from "./api-client.ts";
import { ChatTraffic } from "./chat-traffic.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { crdsIn, WATCHED_CRDS } from "./crds.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { startClusterGateway } from "./gateway-harness.ts";
import {
  ACTIVE_PORTS_ANNOTATION,
  configPatch,
  model,
  NAMESPACE,
  objective,
  pod,
  pool,
  poolOf,
  rewrite,
  ruleOf,
} from "./inference-objects.ts";
import { crdFiles } from "./programs/programs.ts";
import { until } from "./until.ts";

const OWN_CRDS = ["inference-model", "inference-model-rewrite", "inference-objective"].map((name) =>
  fileURLToPath(new URL(`../../deploy/crds/${name}.yaml`, import.meta.url)),
);
const WITHIN_MS = 1000;
const GOOD = { profile: "round-robin", scrape: { interval: "200ms" } };
const SELECTOR = { matchLabels: { app: "good" } };
const POOL_REF = { group: "inference.networking.k8s.io", kind: "InferencePool", name: "good" };

let cluster: Cluster;
let kubelet: FakeKubelet;
let gateway: Gateway;
let traffic: ChatTraffic;
let changes = 0;

before(async () => {
  cluster = await startCluster();
  await cluster.installCrds();
  await cluster.createNamespace(NAMESPACE);
  await cluster.createNamespace("elsewhere");
  kubelet = await startFakeKubelet(cluster);
  await cluster.admin.create(pod("good-0", { app: "good" }, { models: ["llama"], speed: 2 }));
  await cluster.admin.create(pool("good", GOOD));
  gateway = await startClusterGateway(cluster, {
    name: "kubernetes-bad-objects",
    flags: ["--parent", "infra/gateway"],
    chartValues: ["parent=infra/gateway"],
  });
  traffic = new ChatTraffic(gateway.port, { perSecond: 20, streamedEvery: 2 });
});

/** After every bad object: the good pool answers, and follows its own changes as soon as ever. */
afterEach(async () => {
  changes += 1;
  const name = `llama-${changes}`;
  await cluster.admin.patch(pool("good"), configPatch({ ...GOOD, models: ["llama", name] }));
  await until(
    "a change of the good pool",
    async () => {
      const table = await gateway.table();
      return table?.pools.find((found) => found.name.endsWith("/good"))?.models.includes(name);
    },
    WITHIN_MS,
  );
  assert.deepEqual(traffic.failed, []);
});

after(async () => {
  await traffic?.stop();
  await gateway?.stop();
  await kubelet?.stop();
  await cluster?.stop();
});

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

interface PoolStatus {
  readonly parents?: readonly {
    readonly controllerName: string;
    readonly conditions: readonly Condition[];
  }[];
}

/** Of our entry in the pool's status. */
async function acceptedOf(name: string): Promise<Condition | undefined> {
  const { status } = await cluster.admin.get<{ readonly status?: PoolStatus }>(pool(name));
  const ours = status?.parents?.find(
    ({ controllerName }) => controllerName === "inference-picker.io/controller",
  );
  return ours?.conditions.find(({ type }) => type === "Accepted");
}

/** Waits until the pool is refused with these words. */
async function assertRefused(name: string, reason: string, message: RegExp): Promise<void> {
  const condition = await until(`${name} is refused`, async () => {
    const found = await acceptedOf(name);
    return found?.status === "False" ? found : undefined;
  });
  assert.equal(condition.reason, reason);
  assert.match(condition.message, message);
  const note = await eventOf("InferencePool", name, reason);
  assert.ok(condition.message.startsWith(note), note);
}

interface EventObject {
  readonly reason: string;
  readonly note: string;
  readonly type: string;
  readonly regarding: { readonly kind: string; readonly name: string };
}

/** Waits for the Event that the object's owner sees with `kubectl describe`; what it says. */
async function eventOf(kind: string, name: string, reason: string): Promise<string> {
  const { note, type } = await until(`an Event of ${kind} ${name}: ${reason}`, async () => {
    const events = await cluster.admin.list<EventObject>(
      { apiVersion: "events.k8s.io/v1", kind: "Event" },
      NAMESPACE,
    );
    return events.find(
      ({ regarding, reason: given }) =>
        regarding.kind === kind && regarding.name === name && given === reason,
    );
  });
  assert.equal(type, "Warning");
  return note;
}

async function assertEvent(kind: string, name: string, reason: string, message: RegExp): Promise<void> {
  assert.match(await eventOf(kind, name, reason), message);
}

async function assertInvalid(object: ApiObject): Promise<void> {
  await assert.rejects(cluster.admin.create(object), (error) => (error as ApiError).reason === "Invalid");
}

function ports(...numbers: readonly number[]): object {
  return { selector: SELECTOR, targetPorts: numbers.map((number) => ({ number })) };
}

const NINE = Array.from({ length: 9 }, (_, i) => 8000 + i);

describe("what the definitions let pass", () => {
  it("a configuration with an unknown word", async () => {
    await cluster.admin.create(pool("unknown-word", { profile: "fastest" }));
    await assertRefused(
      "unknown-word",
      "InvalidConfiguration",
      /inference-picker\.io\/config: profile: fastest is not one of epp, /,
    );
  });

  it("a configuration that is no YAML", async () => {
    await cluster.admin.create(pool("no-yaml"));
    await cluster.admin.patch(pool("no-yaml"), configPatch("profile: ["));
    await assertRefused("no-yaml", "InvalidConfiguration", /inference-picker\.io\/config: .*YAML/);
  });

  it("a configuration with a key that is none", async () => {
    await cluster.admin.create(pool("no-key", { profiles: "epp" }));
    await assertRefused("no-key", "InvalidConfiguration", /profiles/);
  });

  it("an objective for a pool of another namespace", async () => {
    const far = pool("far");
    await cluster.admin.create({ ...far, metadata: { ...far.metadata, namespace: "elsewhere" } });
    await cluster.admin.create(objective("stray", "far", 1));
    await assertEvent(
      "InferenceObjective",
      "stray",
      "PoolInOtherNamespace",
      /spec\.poolRef\.name: InferencePool far stands in another namespace; /,
    );
  });

  it("a rewrite and a model for pools that are not there", async () => {
    await cluster.admin.create(rewrite("lost", "nowhere", [{ targets: [{ modelRewrite: "x" }] }]));
    await cluster.admin.create(model("lost", "nowhere", { modelName: "lost" }));
    const message = /spec\.poolRef\.name: there is no InferencePool nowhere/;
    await assertEvent("InferenceModelRewrite", "lost", "PoolNotFound", message);
    await assertEvent("InferenceModel", "lost", "PoolNotFound", message);
  });

  it("a Pod whose annotation names no port", async () => {
    const annotations = { [ACTIVE_PORTS_ANNOTATION]: "http" };
    await cluster.admin.create(pod("odd", { app: "good" }, undefined, annotations));
    await assertEvent("Pod", "odd", "InvalidAnnotation", /active-ports.*http/);
    await cluster.admin.delete(pod("odd", {}), 0);
  });
});

describe("what the definitions refuse", () => {
  it("is not kept", async () => {
    await assertInvalid(poolOf("x", { ...ports(8000), appProtocol: "grpc" }));
    await assertInvalid(poolOf("x", ports(0)));
    await assertInvalid(poolOf("x", ports(...NINE)));
    await assertInvalid(rewrite("x", "good", [{ targets: [{ modelRewrite: "y", weight: 0 }] }]));
    await assertInvalid(model("x", "good", { modelName: "y", criticality: "Urgent" }));
  });
});

describe("what laxer definitions let pass", () => {
  before(async () => {
    const files = [...WATCHED_CRDS.flatMap(crdFiles), ...OWN_CRDS];
    for (const crd of files.flatMap(crdsIn)) await cluster.admin.apply(lax(crd));
    await until("the schema is gone", async () => {
      try {
        await cluster.admin.create(poolOf("probe", ports(0)), { dryRun: true });
        return true;
      } catch (error) {
        if ((error as ApiError).reason === "Invalid") return false;
        throw error;
      }
    });
  });

  it("an unknown protocol", async () => {
    await cluster.admin.create(poolOf("protocol", { ...ports(8000), appProtocol: "grpc" }));
    await assertRefused(
      "protocol",
      "InvalidSpec",
      /spec\.appProtocol: grpc is not one of http, kubernetes\.io\/h2c/,
    );
  });

  it("port 0", async () => {
    await cluster.admin.create(poolOf("port-zero", ports(0)));
    await assertRefused("port-zero", "InvalidSpec", /spec\.targetPorts\[0\]\.number: 0 is below 1/);
  });

  it("9 ports", async () => {
    await cluster.admin.create(poolOf("nine", ports(...NINE)));
    await assertRefused("nine", "InvalidSpec", /spec\.targetPorts: 9 ports is above 8/);
  });

  it("no spec at all, and one that is text", async () => {
    await cluster.admin.create(poolOf("empty", {}));
    await cluster.admin.create(poolOf("text", "none"));
    await assertRefused("empty", "InvalidSpec", /spec\.selector/);
    await assertRefused("text", "InvalidSpec", /spec/);
  });

  it("a rewrite of weight 0", async () => {
    await cluster.admin.create(
      rewrite("weightless", "good", [{ targets: [{ modelRewrite: "y", weight: 0 }] }]),
    );
    await assertEvent("InferenceModelRewrite", "weightless", "InvalidSpec", /weight: 0 is below 1/);
  });

  it("an unknown criticality", async () => {
    await cluster.admin.create(model("urgent", "good", { modelName: "urgent", criticality: "Urgent" }));
    await assertEvent(
      "InferenceModel",
      "urgent",
      "InvalidSpec",
      /spec\.criticality: Urgent is not one of Critical, Standard, Sheddable/,
    );
  });

  it("a priority that is no number, and a pool of another namespace by name", async () => {
    const spec = { priority: "high", poolRef: POOL_REF };
    await cluster.admin.create(ruleOf("InferenceObjective", "high", spec));
    await assertEvent(
      "InferenceObjective",
      "high",
      "InvalidSpec",
      /spec\.priority: high is not a whole number/,
    );
    const poolRef = { ...POOL_REF, name: "far", namespace: "elsewhere" };
    await cluster.admin.create(ruleOf("InferenceObjective", "foreign", { poolRef }));
    await assertEvent(
      "InferenceObjective",
      "foreign",
      "PoolInOtherNamespace",
      /spec\.poolRef\.namespace: elsewhere is not the object's own namespace, models/,
    );
  });

  it("a good pool that turns bad: what it was stays in force", async () => {
    const good = poolOf("turning", ports(8000), GOOD);
    await cluster.admin.create(good);
    const isServed = async (): Promise<boolean> => {
      const row = (await gateway.table())?.pools.find(({ name }) => name.endsWith("/turning"));
      return row?.endpoints.length === 1;
    };
    await until("it is served", isServed);
    await cluster.admin.patch(good, { spec: ports(0) });
    await assertRefused("turning", "InvalidSpec", /0 is below 1; what was accepted before stays in force$/);
    assert.ok(await isServed());
    await cluster.admin.patch(good, { spec: ports(8000) });
    await until("it is accepted", async () => (await acceptedOf("turning"))?.status === "True");
  });
});

/** The definition as one that lets everything pass. */
function lax(crd: ApiObject): ApiObject {
  const spec = crd.spec as { readonly versions: readonly object[] };
  const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return {
    ...crd,
    spec: {
      ...spec,
      versions: spec.versions.map((version) => ({ ...version, schema: { openAPIV3Schema } })),
    },
  };
}
