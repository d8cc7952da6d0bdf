import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync } from "node:fs";
import type { ApiClient, ApiError, ApiObject } from "./api-client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { until } from "./until.ts";

const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" };
const POOL = { apiVersion: "inference.networking.k8s.io/v1", kind: "InferencePool" };

let cluster: Cluster;

before(async () => {
  cluster = await startCluster({ users: ["reader"], audit: true });
});

after(() => cluster.stop());

function configMap(name: string, value: string): ApiObject {
  return { ...CONFIG_MAP, metadata: { name, namespace: "default" }, data: { value } };
}

function pool(name: string, spec: object): ApiObject {
  return { ...POOL, metadata: { name, namespace: "default" }, spec };
}

function isRefused(reason: string): (error: unknown) => boolean {
  return (error) => (error as ApiError).reason === reason;
}

test("the server says the version that it was built from", async () => {
  const version = await cluster.admin.request<{ readonly gitVersion: string }>("GET", "/version");
  assert.equal(version.gitVersion, "v1.36.3");
});

test("every kind that the controller watches is served, and a pool outside its schema is refused", async () => {
  await cluster.installCrds();
  const kinds = [
    ["inference.networking.k8s.io/v1", "InferencePool"],
    ["inference.networking.x-k8s.io/v1alpha2", "InferenceObjective"],
    ["inference.networking.x-k8s.io/v1alpha2", "InferenceModelRewrite"],
    ["inference.networking.x-k8s.io/v1alpha2", "InferenceModel"],
    ["llm-d.ai/v1alpha2", "InferenceObjective"],
    ["llm-d.ai/v1alpha2", "InferenceModelRewrite"],
  ] as const;
  for (const [apiVersion, kind] of kinds) {
    assert.deepEqual(await cluster.admin.list({ apiVersion, kind }), [], `${apiVersion} ${kind}`);
  }
  const selector = { matchLabels: { app: "vllm" } };
  const made = await cluster.admin.create(pool("good", { selector, targetPorts: [{ number: 8000 }] }));
  assert.equal(made.metadata.generation, 1);
  const portZero = pool("bad", { selector, targetPorts: [{ number: 0 }] });
  await assert.rejects(cluster.admin.create(portZero), isRefused("Invalid"));
});

test("a dry run is checked and kept nowhere", async () => {
  await cluster.admin.apply(configMap("dry", "1"), { dryRun: true });
  await assert.rejects(cluster.admin.get(configMap("dry", "1")), isRefused("NotFound"));
});

test("a write from an old version is refused as a conflict", async () => {
  const first = await cluster.admin.create(configMap("raced", "1"));
  await cluster.admin.patch(first, { data: { value: "2" } });
  await assert.rejects(cluster.admin.replace({ ...first, data: { value: "3" } }), isRefused("Conflict"));
});

test("a service account may do what a role gives it, and nothing else", async () => {
  const client = cluster.client(await cluster.serviceAccountToken("accounts", "controller"));
  await assert.rejects(client.list(CONFIG_MAP, "accounts"), isRefused("Forbidden"));
  await giveConfigMaps("accounts", {
    kind: "ServiceAccount",
    name: "controller",
    namespace: "accounts",
  });
  await untilAllowed(client, "accounts");
  await assert.rejects(client.list(CONFIG_MAP, "default"), isRefused("Forbidden"));
});

test("a named user may do nothing until a role is bound to it", async () => {
  const user = cluster.client(tokenIn(cluster.kubeconfig("reader")));
  await assert.rejects(user.list(CONFIG_MAP, "default"), isRefused("Forbidden"));
  await giveConfigMaps("default", { apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "reader" });
  await untilAllowed(user, "default");
});

test("the audit log has each user's requests", async () => {
  const client = cluster.client(await cluster.serviceAccountToken("audited", "someone"));
  await assert.rejects(client.list(CONFIG_MAP, "audited"), isRefused("Forbidden"));
  const lines = readFileSync(cluster.auditLog, "utf8").trim().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as AuditEntry);
  const own = entries.filter(({ user }) => user.username === "system:serviceaccount:audited:someone");
  assert.ok(
    own.some(({ verb, objectRef }) => verb === "list" && objectRef?.resource === "configmaps"),
    `${own.length} entries`,
  );
});

test("killed and started again, the server is at the same address with the same objects, and watches go on from a new list", async () => {
  const kept = await cluster.admin.create(configMap("kept", "1"));
  const seen: string[] = [];
  const ending = new AbortController();
  const onEvent = ({ object }: { readonly object: ApiObject }) => seen.push(object.metadata.name);
  const watch = cluster.admin.watch(CONFIG_MAP, kept.metadata.resourceVersion!, onEvent, ending.signal);
  const broken = assert.rejects(watch);
  await cluster.admin.create(configMap("before", "1"));
  await until("the watch's event", () => seen.includes("before"));
  await cluster.killApiServer();
  await broken;
  await assert.rejects(cluster.admin.get(kept));
  await cluster.restartApiServer();
  const again = await cluster.admin.get(kept);
  assert.equal(again.metadata.uid, kept.metadata.uid);
  // It remembers no event of its last life.
  const tooOld = cluster.admin.watch(CONFIG_MAP, kept.metadata.resourceVersion!, onEvent, ending.signal);
  await assert.rejects(tooOld, (error) => (error as ApiError).status === 410);
  const path = "/api/v1/configmaps";
  const list = await cluster.admin.request<{ readonly metadata: { readonly resourceVersion: string } }>(
    "GET",
    path,
  );
  const resumed = cluster.admin.watch(CONFIG_MAP, list.metadata.resourceVersion, onEvent, ending.signal);
  await cluster.admin.create(configMap("after", "1"));
  await until("the event of after the restart", () => seen.includes("after"));
  ending.abort();
  await assert.rejects(resumed);
  assert.deepEqual(seen, ["before", "after"]);
});

test("a frozen server answers nothing, and all of it when it is thawed", async () => {
  await cluster.freezeApiServer();
  await assert.rejects(cluster.admin.request("GET", "/readyz", { timeoutMs: 300 }));
  const waiting = cluster.admin.request("GET", "/readyz");
  cluster.thawApiServer();
  assert.equal(await waiting, "ok");
});

interface AuditEntry {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource: string };
}

function tokenIn(kubeconfig: string): string {
  const config = JSON.parse(readFileSync(kubeconfig, "utf8")) as {
    readonly users: readonly { readonly user: { readonly token: string } }[];
  };
  return config.users[0]!.user.token;
}

async function giveConfigMaps(namespace: string, subject: object): Promise<void> {
  const metadata = { name: "config-maps", namespace };
  const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata };
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["list"] }];
  await cluster.admin.apply({ ...rbac, kind: "Role", rules } as ApiObject);
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name };
  await cluster.admin.apply({ ...rbac, kind: "RoleBinding", roleRef, subjects: [subject] } as ApiObject);
}

/** The server's authorizer learns of roles by a watch of its own. */
async function untilAllowed(client: ApiClient, namespace: string): Promise<void> {
  await until("the role", async () => {
    try {
      await client.list(CONFIG_MAP, namespace);
      return true;
    } catch (error) {
      if (isRefused("Forbidden")(error)) return false;
      throw error;
    }
  });
}
