/** Statuses, Events and the Lease on a real API server, by a user that may do what `PERMISSIONS` lists and nothing else. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { accessQuestions, PERMISSIONS } from "../../controller/src/kubernetes/permissions.ts";
import type { ApiObject } from "./api-client.ts";
import { type Child, startChild } from "./children.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type Judge, type JudgeSettings, startJudge } from "./pool-judge.ts";
import { until } from "./until.ts";

const POOL = { apiVersion: "inference.networking.k8s.io/v1", kind: "InferencePool" };
const LEASE = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };
const JUDGE = fileURLToPath(new URL("./pool-judge.ts", import.meta.url));
const CONTROLLER = "inference-picker.io/controller";
/** Shorter than the default, so that a takeover is. */
const DURATION_MS = 6_000;
const FOREIGN = {
  controllerName: "example.com/other",
  parentRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name: "other", namespace: "elsewhere" },
  conditions: [
    {
      type: "example.com/Special",
      status: "Unknown",
      reason: "Because",
      message: "äöü 🙂",
      lastTransitionTime: "2020-01-01T00:00:00Z",
      observedGeneration: 1,
    },
  ],
};

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

interface Entry {
  readonly controllerName: string;
  readonly parentRef: { readonly name: string };
  readonly conditions: readonly Condition[];
}

/** core/v1, as `kubectl describe` reads it. */
interface CoreEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly eventTime: string;
  readonly reportingComponent: string;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

interface LeaseSpec {
  readonly holderIdentity: string;
  readonly renewTime: string;
  readonly leaseTransitions: number;
}

let cluster: Cluster;
let kubeconfig: string;
const judges: Judge[] = [];
const children: Child[] = [];

before(async () => {
  cluster = await startCluster({ users: ["controller"] });
  await cluster.installCrds();
  await giveWhatIsListed();
  kubeconfig = cluster.kubeconfig("controller");
});

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.kill()));
  await Promise.all(judges.splice(0).map((judge) => judge.close()));
});

after(() => cluster.stop());

/** The role is made of the list, so that what it lacks fails here. */
async function giveWhatIsListed(): Promise<void> {
  const asked = new Set(
    accessQuestions({ writesStatus: true, readsServices: false, leaseNamespace: "default" }).map(
      ({ group, resource, subresource, verb }) => [group, resource, subresource, verb].join(),
    ),
  );
  const rules = PERMISSIONS.flatMap(({ group, resource, subresource, verbs }) => {
    const granted = verbs.filter((verb) => asked.has([group, resource, subresource, verb].join()));
    const resources = [subresource === undefined ? resource : `${resource}/${subresource}`];
    return granted.length === 0 ? [] : [{ apiGroups: [group], resources, verbs: granted }];
  });
  const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: "controller" } };
  await cluster.admin.apply({ ...rbac, kind: "ClusterRole", rules } as ApiObject);
  const apiGroup = "rbac.authorization.k8s.io";
  await cluster.admin.apply({
    ...rbac,
    kind: "ClusterRoleBinding",
    roleRef: { apiGroup, kind: "ClusterRole", name: "controller" },
    subjects: [{ apiGroup, kind: "User", name: "controller" }],
  } as ApiObject);
}

/** Each test has a namespace, a Lease and a Gateway of its name. */
async function settingsOf(name: string, identity: string): Promise<JudgeSettings> {
  await cluster.createNamespace(name);
  return { kubeconfig, identity, name, leaseDurationMs: DURATION_MS, namespace: name };
}

function judge(settings: JudgeSettings): Judge {
  const started = startJudge(settings);
  judges.push(started);
  return started;
}

function judgeProcess(settings: JudgeSettings): Child {
  const command = [process.execPath, "--import", "tsx", JUDGE, JSON.stringify(settings)];
  const started = startChild(cluster.folder, `judge-${settings.identity}`, command);
  children.push(started);
  return started;
}

function pool(namespace: string, name = "chat", labels: Readonly<Record<string, string>> = {}): ApiObject {
  const spec = { selector: { matchLabels: { app: "vllm" } }, targetPorts: [{ number: 8000 }] };
  return { ...POOL, metadata: { namespace, name, labels }, spec };
}

async function entriesOf(namespace: string, name = "chat"): Promise<readonly Entry[]> {
  const found = await cluster.admin.get<{ status?: { parents?: readonly Entry[] } }>(pool(namespace, name));
  return found.status?.parents ?? [];
}

/** Our entry for the Gateway of that name. */
async function ours(namespace: string, gateway = namespace, name = "chat"): Promise<Entry | undefined> {
  const entries = await entriesOf(namespace, name);
  return entries.find(
    ({ controllerName, parentRef }) => controllerName === CONTROLLER && parentRef.name === gateway,
  );
}

function accepted(entry: Entry | undefined): Condition | undefined {
  return entry?.conditions.find(({ type }) => type === "Accepted");
}

async function setVerdict(namespace: string, verdict: "refused" | null): Promise<void> {
  await cluster.admin.patch(pool(namespace), { metadata: { labels: { verdict } } });
}

/** By the selector that `kubectl describe` asks with. */
async function described(object: ApiObject): Promise<readonly CoreEvent[]> {
  const { kind, metadata } = object;
  const fields = { name: metadata.name, namespace: metadata.namespace, kind, uid: metadata.uid };
  const fieldSelector = Object.entries(fields).map(([key, value]) => `involvedObject.${key}=${value}`);
  return cluster.admin.list<CoreEvent>({ apiVersion: "v1", kind: "Event" }, metadata.namespace, {
    fieldSelector: fieldSelector.join(),
  });
}

async function leaseOf(name: string): Promise<LeaseSpec> {
  const lease = { ...LEASE, metadata: { namespace: "default", name } };
  const { spec } = await cluster.admin.get<{ spec: LeaseSpec }>(lease);
  return spec;
}

test("a pool's conditions stand under the Gateway, speak of its generation, and keep their time until they turn", async () => {
  judge(await settingsOf("conditions", "one"));
  await cluster.admin.create(pool("conditions"));
  const first = await until("our entry", () => ours("conditions"));
  assert.deepEqual(
    first.conditions.map(({ type, status, reason, observedGeneration }) => [
      type,
      status,
      reason,
      observedGeneration,
    ]),
    [
      ["Accepted", "True", "Accepted", 1],
      ["ResolvedRefs", "True", "ResolvedRefs", 1],
      ["Exported", "False", "NotRequested", 1],
    ],
  );
  assert.deepEqual(first.parentRef, {
    group: "gateway.networking.k8s.io",
    kind: "Gateway",
    name: "conditions",
    namespace: "default",
  });
  await cluster.admin.patch(pool("conditions"), { spec: { targetPorts: [{ number: 8001 }] } });
  const second = await until("the second generation", async () => {
    const entry = await ours("conditions");
    return accepted(entry)?.observedGeneration === 2 ? entry : undefined;
  });
  assert.equal(accepted(second)?.lastTransitionTime, accepted(first)?.lastTransitionTime);
  await until("the next second of the clock", () =>
    Date.now() - Date.parse(accepted(first)!.lastTransitionTime) > 1_000 ? true : undefined,
  );
  await setVerdict("conditions", "refused");
  const third = await until("the refusal", async () => {
    const entry = await ours("conditions");
    return accepted(entry)?.status === "False" ? entry : undefined;
  });
  assert.notEqual(accepted(third)?.lastTransitionTime, accepted(first)?.lastTransitionTime);
  assert.equal(third.conditions[1]?.lastTransitionTime, first.conditions[1]?.lastTransitionTime);
});

test("another controller's entry stays as it is, and its writes are never lost to ours", async () => {
  const settings = await settingsOf("racing", "one");
  const one = judge(settings);
  // Another installation, with a Lease and a Gateway of its own.
  const two = judge({ ...settings, name: "racing-second", identity: "two" });
  await cluster.admin.create(pool("racing"));
  await until("both entries", async () => {
    const [mine, theirs] = await Promise.all([ours("racing"), ours("racing", "racing-second")]);
    return mine !== undefined && theirs !== undefined;
  });
  for (let turn = 1; turn <= 40; turn += 1) {
    await setVerdict("racing", turn % 2 === 1 ? "refused" : null);
    await replaceForeign(turn);
  }
  await until("the last verdict in both", async () => {
    const entries = await Promise.all([ours("racing"), ours("racing", "racing-second")]);
    return entries.every((entry) => accepted(entry)?.status === "True");
  });
  const entries = await entriesOf("racing");
  assert.equal(entries.length, 3);
  const foreign = entries.find(({ controllerName }) => controllerName === FOREIGN.controllerName);
  assert.deepEqual(foreign, withTurn(40));
  const stats = [one.writer.stats(), two.writer.stats()];
  assert.deepEqual(
    stats.map(({ statusFailures }) => statusFailures),
    [0, 0],
  );
  assert.ok(
    stats.some(({ statusConflicts }) => statusConflicts > 0),
    "they met",
  );
});

function withTurn(turn: number): Entry {
  const [condition] = FOREIGN.conditions;
  return { ...FOREIGN, conditions: [{ ...condition!, observedGeneration: turn }] };
}

/** As another controller does it: read, change the own entry, write at the version read, again on a conflict. */
async function replaceForeign(turn: number): Promise<void> {
  await until("the other controller's write", async () => {
    const found = await cluster.admin.get<ApiObject & { status?: { parents?: readonly Entry[] } }>(
      pool("racing"),
    );
    const others = (found.status?.parents ?? []).filter(
      ({ controllerName }) => controllerName !== FOREIGN.controllerName,
    );
    const { resourceVersion } = found.metadata;
    const patch = { metadata: { resourceVersion }, status: { parents: [withTurn(turn), ...others] } };
    try {
      await cluster.admin.patch(found, patch, { subresource: "status" });
      return true;
    } catch (error) {
      if ((error as { reason?: string }).reason === "Conflict") return false;
      throw error;
    }
  });
}

test("Events are listed with their object, counted when they come again, and counted on by the next leader", async () => {
  const settings = await settingsOf("events", "one");
  const one = judge(settings);
  const made = await cluster.admin.create(pool("events", "chat", { verdict: "refused" }));
  const [event] = await until("the Event", async () => {
    const events = await described(made);
    return events.length > 0 ? events : undefined;
  });
  const { type, reason, message, reportingComponent, series } = event!;
  assert.deepEqual(
    { type, reason, message, reportingComponent, series },
    {
      type: "Warning",
      reason: "NotSupportedByParent",
      message: "the label verdict of chat is refused",
      reportingComponent: "inference-picker",
      series: undefined,
    },
  );
  assert.match(event!.eventTime, /\.\d{6}Z$/);
  judges.splice(judges.indexOf(one), 1);
  await one.close();
  judge({ ...settings, identity: "two" });
  const counted = await until("the second occurrence", async () => {
    const events = await described(made);
    return events.some((again) => again.series?.count === 2) ? events : undefined;
  });
  assert.equal(counted.length, 1);
  assert.match(counted[0]!.series!.lastObservedTime, /\.\d{6}Z$/);
});

test("a second process takes the Lease over within its period after the first was killed, and goes on writing", async () => {
  const settings = await settingsOf("takeover", "first");
  const first = judgeProcess(settings);
  await until("the first leader", () => leaseOf("takeover").catch(isAbsent));
  judgeProcess({ ...settings, identity: "second" });
  await cluster.admin.create(pool("takeover"));
  await until("our entry", () => ours("takeover"));
  // The second has to have seen the holder: one that starts later cannot know how old a renewal is.
  const { renewTime } = await leaseOf("takeover");
  await until(
    "three renewals",
    async () => Date.parse((await leaseOf("takeover")).renewTime) - Date.parse(renewTime) > 5_000,
  );
  const killedMs = performance.now();
  await first.kill();
  await setVerdict("takeover", "refused");
  const spec = await until("another holder", async () => {
    const found = await leaseOf("takeover");
    return found.holderIdentity.startsWith("second_") ? found : undefined;
  });
  const tookMs = performance.now() - killedMs;
  assert.ok(tookMs <= DURATION_MS, `${tookMs} ms`);
  assert.equal(spec.leaseTransitions, 1);
  await until("the second's write", async () => accepted(await ours("takeover"))?.status === "False");
  console.log(`takeover ${tookMs.toFixed(0)} ms after the kill, period ${DURATION_MS} ms`);
});

test("a leader that was frozen until another took over leads no more when it is thawed", async () => {
  const settings = await settingsOf("frozen", "frozen");
  const first = judgeProcess(settings);
  await until("the first leader", () => leaseOf("frozen").catch(isAbsent));
  const second = judge({ ...settings, identity: "second" });
  await cluster.admin.create(pool("frozen"));
  await until("our entry", () => ours("frozen"));
  first.signal("SIGSTOP");
  await until("another leader", () => second.writer.leading);
  first.signal("SIGCONT");
  // Its renewals and writes are due at once: they would be done long before the second has renewed twice.
  const { renewTime } = await leaseOf("frozen");
  await until(
    "two renewals",
    async () => Date.parse((await leaseOf("frozen")).renewTime) - Date.parse(renewTime) > 3_000,
  );
  const spec = await leaseOf("frozen");
  assert.deepEqual([spec.holderIdentity.startsWith("second_"), spec.leaseTransitions], [true, 1]);
  assert.equal(second.writer.leading, true);
});

function isAbsent(error: unknown): undefined {
  if ((error as { reason?: string }).reason !== "NotFound") throw error;
}

test("what changed while the API server was killed is written when it is back", async () => {
  const started = judge(await settingsOf("outage", "one"));
  await cluster.admin.create(pool("outage"));
  await until("our entry", () => ours("outage"));
  await cluster.killApiServer();
  await until("the end of the lease", () => !started.writer.leading);
  await cluster.restartApiServer();
  await setVerdict("outage", "refused");
  const restartedMs = performance.now();
  await until("the refusal", async () => accepted(await ours("outage"))?.status === "False");
  const tookMs = performance.now() - restartedMs;
  console.log(`written ${tookMs.toFixed(0)} ms after the change`);
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
});
