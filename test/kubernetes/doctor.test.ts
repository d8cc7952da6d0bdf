/** `inference-picker doctor` on a real API server: what it finds in a cluster before, in and out of order. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { after, before, describe, it } from "node:test";
import { PERMISSIONS } from "../../controller/src/kubernetes/permissions.ts";
import type { ApiObject } from "./api-client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type FakeKubelet, startFakeKubelet } from "./fake-kubelet.ts";
import { configPatch, NAMESPACE, objective, pod, pool } from "./inference-objects.ts";
import { until } from "./until.ts";

const PROGRAM = fileURLToPath(new URL("../../build/js/inference-picker.js", import.meta.url));
const KEY = "sk-not-to-be-shown";
const RBAC = "rbac.authorization.k8s.io";
const SERVER = { models: ["llama"], speed: 100 };
const PATIENT = { scrape: { timeout: "10s" } };

interface Check {
  readonly group: string;
  readonly name: string;
  readonly status: string;
  readonly seen: string;
  readonly remedy?: string;
}

let cluster: Cluster;
let kubelet: FakeKubelet;

/** Looks at the cluster alone, as the administrator unless a kubeconfig is given. */
async function doctor(
  flags: readonly string[] = [],
  kubeconfig = cluster.kubeconfig(),
): Promise<{ readonly code: number | null; readonly text: string; readonly checks: readonly Check[] }> {
  const child = spawn(
    process.execPath,
    [
      ...[PROGRAM, "doctor", "--kubeconfig", kubeconfig, "--json"],
      ...["--controller", "none", "--envoy-admin", "none", ...flags],
      // Patient with a machine that is busy with a cluster.
      ...(flags.includes("--timeout-ms") ? [] : ["--timeout-ms", "10000"]),
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  const { checks } = JSON.parse(text) as { readonly checks: readonly Check[] };
  return { code, text, checks };
}

/** `name: status: seen → remedy` of what is wrong. */
function wrong(checks: readonly Check[]): string {
  return checks
    .filter(({ status }) => status === "warning" || status === "failure")
    .map(({ name, status, seen, remedy }) => `${name}: ${status}: ${seen} → ${remedy}`)
    .join("\n");
}

async function podIsReady(name: string): Promise<void> {
  const reference = { apiVersion: "v1", kind: "Pod", metadata: { namespace: NAMESPACE, name } };
  await until(`${name} is ready`, async () => {
    const { status } = await cluster.admin.get<{
      readonly status?: {
        readonly conditions?: readonly { readonly type: string; readonly status: string }[];
      };
    }>(reference);
    return (
      status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true
    );
  });
}

/** What a controller that writes statuses may do, without what `but` says of a rule. */
async function grant(account: string, but: (resource: string) => boolean = () => false): Promise<void> {
  const rules = PERMISSIONS.filter(({ resource }) => !but(resource)).map(
    ({ group, resource, subresource, verbs }) => ({
      apiGroups: [group],
      resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
      verbs: [...verbs],
    }),
  );
  const metadata = { name: account };
  const role: ApiObject = { apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata, rules };
  const binding: ApiObject = {
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRoleBinding",
    metadata,
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: account },
    subjects: [{ kind: "ServiceAccount", namespace: NAMESPACE, name: account }],
  };
  await cluster.admin.apply(role);
  await cluster.admin.apply(binding);
}

before(async () => {
  cluster = await startCluster();
});

after(async () => {
  await kubelet?.stop();
  await cluster?.stop();
});

describe("inference-picker doctor in a cluster", () => {
  it("without the kinds says which one has to be installed", async () => {
    const { code, checks } = await doctor();
    assert.equal(code, 1, wrong(checks));
    assert.match(
      wrong(checks),
      /^kinds: failure: InferencePool \(inference\.networking\.k8s\.io\/v1\) is not installed → install the CRDs/m,
    );
  });

  it("with the kinds and nothing else says that there is no pool", async () => {
    await cluster.installCrds();
    await cluster.createNamespace(NAMESPACE);
    const { code, checks } = await doctor();
    assert.equal(code, 1, wrong(checks));
    assert.equal(
      wrong(checks),
      "pools: failure: no InferencePool → create one; with --namespace, in that namespace",
    );
  });

  it("with a pool and no Pod names the labels", async () => {
    await cluster.admin.apply(pool("chat", PATIENT));
    const { code, checks } = await doctor();
    assert.equal(code, 1, wrong(checks));
    assert.match(
      wrong(checks),
      /^pool models\/chat: failure: no Pod of namespace models has the labels app=chat → give /m,
    );
  });

  it("in order finds nothing wrong, and has scraped the Pods", async () => {
    kubelet = await startFakeKubelet(cluster);
    await cluster.admin.apply(pod("chat-0", { app: "chat" }, SERVER));
    await cluster.admin.apply(pod("chat-1", { app: "chat" }, SERVER));
    await Promise.all(["chat-0", "chat-1"].map(podIsReady));
    const { code, checks, text } = await doctor();
    assert.equal(code, 0, text);
    const seen = checks.map(({ group, name, seen: what }) => `${group}: ${name}: ${what}`).join("\n");
    assert.match(seen, /^Kubernetes: API server: v1\.36\.3 at https:\/\/127\.0\.0\.1:\d+$/m);
    assert.match(seen, /^Kubernetes: permissions: all \d+ for who asks here$/m);
    assert.match(seen, /^objects: pools: 1 InferencePool accepted$/m);
    assert.match(seen, /^Pods: pool models\/chat: 2 Pods ready$/m);
    assert.match(seen, /^pools: pool models\/chat: metrics of 2 of 2 endpoints answer$/m);
  });

  it("names each permission that the controller's account lacks, asked as that account or in its name", async () => {
    const token = await cluster.serviceAccountToken(NAMESPACE, "picker");
    const own = cluster.kubeconfig({ token, namespace: NAMESPACE });
    const parent = ["--parent", `${NAMESPACE}/gateway`];
    await grant("picker", (resource) => resource === "leases" || resource === "secrets");
    const lacking =
      /^permissions: failure: (.*) may not (get|create|update) leases of coordination\.k8s\.io in namespace models: /gm;
    // The roles' caches of the API server take a moment.
    await until("only the Lease is refused", async () => {
      const { checks } = await doctor(parent, own);
      return checks.filter(({ name, status }) => name === "permissions" && status === "failure").length === 3;
    });
    const asIt = await doctor(parent, own);
    assert.equal(asIt.code, 1, asIt.text);
    assert.deepEqual(
      [...wrong(asIt.checks).matchAll(lacking)].map(([, who, verb]) => `${who} ${verb}`),
      ["who asks here get", "who asks here create", "who asks here update"],
    );
    const inItsName = await doctor([...parent, "--service-account", `${NAMESPACE}/picker`]);
    assert.deepEqual(
      [...wrong(inItsName.checks).matchAll(lacking)].map(([, who]) => who),
      Array.from({ length: 3 }, () => "service account models/picker"),
    );
    await grant("picker");
    await until("nothing is refused", async () => {
      const { checks } = await doctor(parent, own);
      return checks.some(({ name, status }) => name === "permissions" && status === "ok");
    });
  });

  it("says that nobody writes statuses while there is no Lease", async () => {
    const { code, checks } = await doctor(["--parent", `${NAMESPACE}/gateway`, "--lease", "models/picker"]);
    assert.equal(code, 3, wrong(checks));
    assert.match(
      wrong(checks),
      /^lease: warning: .*leases.*picker.*not found.* → check that a controller runs/m,
    );
  });

  it("names a pool's missing Secret, and shows nothing of it when it is there", async () => {
    await cluster.admin.apply(pool("chat", { ...PATIENT, apiKeySecret: { name: "key", key: "token" } }));
    const missing = await doctor();
    assert.equal(missing.code, 1, missing.text);
    assert.match(
      wrong(missing.checks),
      /^InferencePool models\/chat: failure: .*apiKeySecret: the Secret that it names is not there → create the Secret/m,
    );
    const secret: ApiObject = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: NAMESPACE, name: "key" },
      stringData: { token: KEY },
    };
    await cluster.admin.apply(secret);
    const present = await doctor();
    assert.equal(present.code, 0, present.text);
    assert.ok(!present.text.includes(KEY));
    assert.ok(!present.text.includes(Buffer.from(KEY).toString("base64")));
  });

  it("names bad objects beside the good ones", async () => {
    await cluster.admin.apply(pool("bad"));
    await cluster.admin.patch(pool("bad"), configPatch({ profile: "fastest" }));
    await cluster.admin.apply(objective("lost", "nowhere", 1));
    const { code, checks } = await doctor();
    const found = wrong(checks);
    assert.equal(code, 1, wrong(checks));
    assert.match(found, /^InferencePool models\/bad: failure: .*profile.*fastest.* → mend the annotation/m);
    assert.match(
      found,
      /^InferenceObjective models\/lost: warning: .*nowhere.* → mend poolRef, or create the pool$/m,
    );
    assert.ok(
      checks.some(({ name, status }) => name === "pool models/chat" && status === "ok"),
      found,
    );
    await cluster.admin.delete(pool("bad"));
    await cluster.admin.delete(objective("lost", "nowhere", 1));
  });

  it("names a Pod that is not ready", async () => {
    await kubelet.setReady(NAMESPACE, "chat-1", false);
    const { code, checks } = await doctor();
    assert.equal(code, 3, wrong(checks));
    assert.match(
      wrong(checks),
      /^pool models\/chat: warning: 1 of 2 Pods not ready: chat-1 → kubectl describe pod/m,
    );
    await kubelet.setReady(NAMESPACE, "chat-1", true);
  });

  it("says that the API server does not answer, in its time", async () => {
    await cluster.freezeApiServer();
    try {
      const { code, checks } = await doctor(["--timeout-ms", "500"]);
      assert.equal(code, 1, wrong(checks));
      assert.match(wrong(checks), /^API server: failure: .*no answer within 500 ms → check --kubeconfig/m);
    } finally {
      cluster.thawApiServer();
    }
  });
});
