import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { Agent, request } from "undici";
import { parse } from "yaml";
import { startController } from "../../controller/src/controller.ts";
import { parseDoctorSettings } from "../../controller/src/doctor/settings.ts";
import { parseSettings } from "../../controller/src/settings.ts";
import { createLogger } from "../../controller/src/telemetry/logger.ts";
import { processTimer } from "../../controller/src/timer.ts";
import { manifest, render, VARIANTS } from "../../deploy/manifests/generate.ts";
import { type ChartAccess, expectedGrants } from "../deploy/grants.ts";
import {
  containersOf,
  environmentOf,
  grantsOf,
  type KubeObject,
  objectsOf,
  ofKind,
  podSpecs,
  ROOT,
  readText,
} from "../deploy/objects.ts";
import type { ApiError } from "./api-client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { programPath } from "./programs/programs.ts";
import { until } from "./until.ts";

const HELM = programPath("helm");
const CHART = `${ROOT}deploy/chart/inference-picker`;
const RELEASE_NAMESPACE = "inference-picker";

const DEFAULTS: ChartAccess = {
  watchNamespace: "",
  writesStatus: false,
  readsServices: false,
  releaseNamespace: RELEASE_NAMESPACE,
  lease: "inference-picker",
  secrets: {},
};

interface Case {
  readonly name: string;
  readonly values: readonly string[];
  readonly access?: Partial<ChartAccess>;
}

const TLS = ["tls.secretName=picker-tls", "tls.clientAuth=true"];
const PARENT = "parent=infra/gateway";
/** What changes more than a text: each shape with what its templates ask for, alone and together. */
const CASES: readonly Case[] = [
  { name: "controller", values: [] },
  { name: "gateway", values: ["shape=gateway"] },
  { name: "one namespace", values: ["watchNamespace=models"], access: { watchNamespace: "models" } },
  { name: "statuses", values: [PARENT], access: { writesStatus: true } },
  {
    name: "statuses in one namespace, under another name",
    values: ["shape=gateway", PARENT, "watchNamespace=models", "fullnameOverride=picker"],
    access: { writesStatus: true, watchNamespace: "models", lease: "picker" },
  },
  { name: "Istio", values: ["istio.enabled=true"], access: { readsServices: true } },
  {
    name: "secrets of two namespaces",
    values: ["secrets.models={llama-key,other}", "secrets.default={key}"],
    access: { secrets: { models: ["llama-key", "other"], default: ["key"] } },
  },
  { name: "TLS both ways", values: TLS },
  { name: "eight controllers", values: ["controller.replicas=8", "image.tag=1.2.3"] },
  {
    name: "routes",
    values: [
      "shape=gateway",
      "routes[0].pathPrefix=/v1",
      "routes[0].pools[0].pool=llama",
      "routes[0].pools[0].weight=1000000",
    ],
  },
  {
    name: "everything that is scheduled and labelled",
    values: [
      "image.pullSecrets[0].name=registry",
      "podLabels.team=ml",
      "podAnnotations.note=text",
      "nodeSelector.zone=a",
      "tolerations[0].operator=Exists",
      "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
      "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key=gpu",
      "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].operator=DoesNotExist",
      "extraArgs={--push-interval-ms=50}",
      "serviceAccount.annotations.note=text",
    ],
  },
  {
    name: "a gateway for the world",
    values: [
      "shape=gateway",
      "gateway.service.type=LoadBalancer",
      "gateway.service.annotations.note=text",
      "gateway.image.digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "gateway.drainSeconds=0",
      "networkPolicy.clientsFrom[0].ipBlock.cidr=10.0.0.0/8",
      "gateway.maxHeapBytes=1099511627776",
    ],
  },
  {
    name: "nothing that can be left out",
    values: [
      "networkPolicy.enabled=false",
      "podDisruptionBudget.enabled=false",
      "serviceAccount.create=false",
      "controller.replicas=1",
    ],
  },
];

function isRefused(reason: string): (error: unknown) => boolean {
  return (error) => (error as ApiError).reason === reason;
}

function bad(...values: readonly string[]): string {
  const set = values.flatMap((value) => ["--set", value]);
  const { status, stderr } = spawnSync(HELM, ["template", "x", CHART, ...set], { encoding: "utf8" });
  assert.notEqual(status, 0, values.join(", "));
  return stderr;
}

describe("the chart", () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster();
    await cluster.installCrds();
    for (const namespace of [RELEASE_NAMESPACE, "models"]) await cluster.createNamespace(namespace);
  });

  after(() => cluster?.stop());

  it("passes Helm's own strict lint", () => {
    execFileSync(HELM, ["lint", "--strict", CHART], { stdio: "pipe" });
  });

  for (const { name, values, access } of CASES) {
    it(`is taken by the API server, tried and done: ${name}`, async () => {
      const objects = objectsOf(render(HELM, values));
      assert.ok(objects.length > 4);
      for (const object of objects) await cluster.admin.apply(object, { dryRun: true });
      for (const object of objects) await cluster.admin.apply(object);
      for (const object of objects) await cluster.admin.delete(object);
      assert.deepEqual(grantsOf(objects), expectedGrants({ ...DEFAULTS, ...access }));
    });
  }

  it("brings the objects that the Istio command printed along", () => {
    const object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: from-istio, namespace: models}\n";
    const objects = objectsOf(render(HELM, [`istio.manifests=${object.replaceAll(",", "\\,")}`]));
    assert.ok(ofKind(objects, "ConfigMap").some(({ metadata }) => metadata.name === "from-istio"));
  });

  it("grants nothing where roles are made elsewhere", () => {
    assert.deepEqual(grantsOf(objectsOf(render(HELM, ["rbac.create=false", PARENT]))), []);
  });

  for (const shape of ["controller", "gateway"]) {
    it(`has a doctor without flags know what the controller beside it goes by, shape ${shape}`, () => {
      const values = ["watchNamespace=models", PARENT, "istio.enabled=true", "pickerRef=take-over"];
      const more = [`shape=${shape}`, "clusterDomain=corp.internal", "fullnameOverride=picker"];
      const containers = podSpecs(objectsOf(render(HELM, [...values, ...more]))).flatMap(containersOf);
      const controller = containers.find(({ name }) => name === "controller")!;
      const env = environmentOf(controller, { POD_NAME: "pod-1", POD_NAMESPACE: RELEASE_NAMESPACE });
      const own = parseSettings(controller.args!, env);
      const doctor = parseDoctorSettings([], env);
      assert.ok(own.source.kind === "kubernetes");
      for (const key of ["namespace", "parent", "lease", "pickerRef", "clusterDomain", "istio"] as const) {
        assert.deepEqual(doctor[key], own.source[key], key);
      }
      assert.deepEqual(doctor.parent, { namespace: "infra", name: "gateway" });
      assert.equal(doctor.source, "kubernetes");
      assert.equal(doctor.controller, `127.0.0.1:${own.web.port}`);
      assert.deepEqual(doctor.envoyAdmins, shape === "gateway" ? ["127.0.0.1:9901"] : []);
    });
  }

  it("names no object outside its namespace as another release may name it", () => {
    const named = (namespace: string, name: string) => {
      const set = ["watchNamespace=", "secrets.models={key}", `fullnameOverride=${name}`];
      const flags = ["--namespace", namespace, ...set.flatMap((value) => ["--set", value])];
      const objects = objectsOf(execFileSync(HELM, ["template", "x", CHART, ...flags], { encoding: "utf8" }));
      const foreign = objects.filter(({ metadata }) => metadata.namespace !== namespace);
      assert.ok(foreign.length >= 4);
      return foreign.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ""}/${metadata.name}`);
    };
    const taken = new Set(named("a-b", "c"));
    for (const [namespace, name] of [
      ["a", "b-c"],
      ["a", "c"],
    ] as const) {
      assert.deepEqual(
        named(namespace, name).filter((object) => taken.has(object)),
        [],
      );
    }
  });

  it("refuses values that mean nothing, or that contradict each other", () => {
    assert.match(bad("shape=sidecar"), /shape/);
    assert.match(bad("controller.replicas=9"), /maximum: got 9, want 8/);
    assert.match(bad("gateway.port=80"), /port/);
    assert.match(bad("gateway.port=18001"), /port/);
    assert.match(bad("replicas=3"), /replicas/);
    assert.match(bad("parent=gateway"), /parent/);
    assert.match(bad("image.digest=abc"), /digest/);
    assert.match(bad("shape=gateway", "tls.secretName=x"), /secretName/);
    assert.match(bad("networkPolicy.feedFrom=null"), /feedFrom/);
  });

  it("has given the manifests that stand beside it", () => {
    for (const [file, values] of Object.entries(VARIANTS)) {
      assert.equal(
        readText(`deploy/manifests/${file}`),
        manifest(HELM, values),
        `${file}: run deploy/manifests/generate.ts`,
      );
    }
  });

  it("is installed, changed and removed by Helm, and leaves nothing", async () => {
    const namespace = "helm";
    await cluster.createNamespace(namespace);
    const helm = (...args: readonly string[]) =>
      execFileSync(HELM, [...args, "--kubeconfig", cluster.kubeconfig(), "--namespace", namespace], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        // Its caches stay in the cluster's folder.
        env: {
          ...process.env,
          HOME: cluster.folder,
          XDG_CACHE_HOME: "",
          XDG_CONFIG_HOME: "",
          XDG_DATA_HOME: "",
        },
      });
    const deployments = async () => {
      const found = await cluster.admin.list({ apiVersion: "apps/v1", kind: "Deployment" }, namespace);
      return found.map(({ metadata }) => metadata.name);
    };
    assert.match(helm("install", "picker", CHART), /gateways reach it at picker-inference-picker/);
    assert.deepEqual(await deployments(), ["picker-inference-picker-0", "picker-inference-picker-1"]);
    helm("upgrade", "picker", CHART, "--set", "shape=gateway");
    assert.deepEqual(await deployments(), ["picker-inference-picker"]);
    helm("uninstall", "picker");
    assert.deepEqual(await deployments(), []);
    const roles = await cluster.admin.list({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
    });
    assert.deepEqual(
      roles.map(({ metadata }) => metadata.name).filter((name) => name.includes("picker-inference-picker")),
      [],
    );
  });

  it("makes Pods that a namespace of the restricted standard takes", async () => {
    for (const file of Object.keys(VARIANTS)) {
      const objects = objectsOf(readText(`deploy/manifests/${file}`));
      for (const object of objects) await cluster.admin.apply(object);
      for (const spec of podSpecs(objects)) {
        const pod = {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: "pod", namespace: RELEASE_NAMESPACE },
        };
        const strict: KubeObject = { ...pod, spec };
        await cluster.admin.create(strict, { dryRun: true });
        const loose: KubeObject = { ...pod, spec: { ...spec, securityContext: {} } };
        await assert.rejects(cluster.admin.create(loose, { dryRun: true }), isRefused("Forbidden"));
      }
    }
  });
});

describe("the examples", () => {
  let cluster: Cluster;
  const files = readdirSync(`${ROOT}deploy/examples`).filter((name) => !name.startsWith("istio-"));
  const objects = files.flatMap((name) => objectsOf(readText(`deploy/examples/${name}`)));

  before(async () => {
    cluster = await startCluster();
    await cluster.installCrds();
    for (const namespace of [RELEASE_NAMESPACE, "models"]) await cluster.createNamespace(namespace);
  });

  after(() => cluster?.stop());

  it("show every kind that the controller reads for its pools", () => {
    const shown = new Set(objects.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`));
    for (const kind of [
      "inference.networking.k8s.io/v1 InferencePool",
      "inference.networking.x-k8s.io/v1alpha2 InferenceObjective",
      "inference.networking.x-k8s.io/v1alpha2 InferenceModel",
      "llm-d.ai/v1alpha2 InferenceObjective",
      "llm-d.ai/v1alpha2 InferenceModelRewrite",
      "v1 Secret",
    ]) {
      assert.ok(shown.has(kind), kind);
    }
  });

  it("are taken by the API server, tried and done", async () => {
    for (const object of objects) await cluster.admin.apply(object, { dryRun: true });
    for (const object of objects) await cluster.admin.apply(object);
  });

  it("make a pool of which the controller has nothing to complain", async () => {
    const { template } = objects.find(
      (object) => object.kind === "Deployment" && object.metadata.name === "llama",
    )!.spec as { readonly template: { readonly metadata: object; readonly spec: object } };
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { ...template.metadata, name: "llama-0", namespace: "models" },
      spec: template.spec,
    };
    await cluster.admin.apply(pod);
    const status = { phase: "Running", podIP: "127.0.0.1", conditions: [{ type: "Ready", status: "True" }] };
    await cluster.admin.patch(pod, { status }, { subresource: "status" });
    const flags = ["--source=kubernetes", "--listen=127.0.0.1:0", "--web-listen=127.0.0.1:0"];
    const controller = await startController(
      parseSettings([...flags, `--kubeconfig=${cluster.kubeconfig()}`], {}),
      {
        logger: createLogger("silent"),
        env: {},
        nowMs: () => performance.now(),
        wallMs: () => Date.now(),
        random: () => Math.random(),
        setTimer: processTimer,
      },
    );
    try {
      const table = await until("a table", () => controller.table());
      assert.equal(table.problem, null);
      assert.deepEqual(table.findings, []);
      const [llama] = table.pools;
      assert.equal(llama!.name, "models/llama");
      assert.deepEqual(
        llama!.endpoints.map(({ address }) => address),
        ["127.0.0.1:8000"],
      );
      const rewritten = llama!.rewrites.map(({ model }) => model);
      assert.deepEqual(rewritten.sort(), ["assistant", "gpt-4o", "gpt-4o-mini", "sql"]);
    } finally {
      await controller.close();
    }
  });

  it("are shown by kubectl with what matters", async () => {
    const columns = async (path: string): Promise<readonly (readonly unknown[])[]> => {
      const answer = await fetchTable(cluster, path);
      return answer.rows.map(({ cells }) => cells.slice(0, -1));
    };
    const experimental = "/apis/inference.networking.x-k8s.io/v1alpha2/namespaces/models";
    const llmd = "/apis/llm-d.ai/v1alpha2/namespaces/models";
    assert.deepEqual(await columns(`${experimental}/inferencemodels`), [
      ["sql", "sql", "llama", "Sheddable"],
    ]);
    assert.deepEqual(await columns(`${llmd}/inferenceobjectives`), [["batch", "llama", -10]]);
    assert.deepEqual(await columns(`${llmd}/inferencemodelrewrites`), [
      ["assistant", "llama", "assistant", "llama-3.1-8b"],
    ]);
  });

  it("do not get past our definitions when they are wrong", async () => {
    const model = objects.find(({ kind }) => kind === "InferenceModel")!;
    const rewrite = objects.find(({ kind }) => kind === "InferenceModelRewrite")!;
    const wrong: readonly KubeObject[] = [
      withSpec(model, { criticality: "Urgent" }),
      withSpec(model, { targetModels: [{ name: "a", weight: 0 }] }),
      withSpec(model, { targetModels: [{ name: "a", weight: 1 }, { name: "b" }] }),
      withSpec(model, { modelName: "" }),
      withSpec(rewrite, { rules: [] }),
      withSpec(rewrite, { rules: [{ targets: [] }] }),
      withSpec(rewrite, { rules: [{ targets: [{ modelRewrite: "a", weight: 1_000_001 }] }] }),
      withSpec(rewrite, {
        rules: [{ matches: [{ model: { type: "Prefix", value: "a" } }], targets: [{ modelRewrite: "a" }] }],
      }),
    ];
    for (const object of wrong) {
      await assert.rejects(cluster.admin.apply(object), isRefused("Invalid"), JSON.stringify(object.spec));
    }
  });
});

function withSpec(object: KubeObject, spec: object): KubeObject {
  return { ...object, spec: { ...(object.spec as object), ...spec } };
}

interface ServerTable {
  readonly rows: readonly { readonly cells: readonly unknown[] }[];
}

/** As kubectl asks, for the columns that the definition names. */
async function fetchTable(cluster: Cluster, path: string): Promise<ServerTable> {
  const { users } = parse(readFileSync(cluster.kubeconfig(), "utf8")) as {
    readonly users: readonly { readonly user: { readonly token: string } }[];
  };
  const agent = new Agent({ connect: { ca: cluster.ca } });
  try {
    const { body } = await request(`${cluster.url}${path}`, {
      dispatcher: agent,
      headers: {
        authorization: `Bearer ${users[0]!.user.token}`,
        accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
      },
    });
    return (await body.json()) as ServerTable;
  } finally {
    await agent.close();
  }
}
