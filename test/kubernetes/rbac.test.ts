/**
 * The chart's roles on a real API server: a controller under them does all it is for, uses every verb and asks for no
 * other; with any one of them taken away, the server refuses what the controller asks for, and something is missing.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { after, before, describe, it } from "node:test";
import { render } from "../../deploy/manifests/generate.ts";
import { type Controller, startController } from "../../controller/src/controller.ts";
import { parseSettings } from "../../controller/src/settings.ts";
import { createLogger } from "../../controller/src/telemetry/logger.ts";
import { processTimer } from "../../controller/src/timer.ts";
import {
  environmentOf,
  grant,
  grantsOf,
  type KubeObject,
  objectsOf,
  podSpecs,
  type Rule,
} from "../deploy/objects.ts";
import type { ApiObject } from "./api-client.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { programPath } from "./programs/programs.ts";
import { until } from "./until.ts";

const HELM = programPath("helm");
const RELEASE_NAMESPACE = "inference-picker";
const POOL = "llama";
const SECRET = "llama-key";
const RULE_KINDS = [
  ["inference.networking.x-k8s.io", "InferenceObjective", "inferenceobjectives"],
  ["llm-d.ai", "InferenceObjective", "inferenceobjectives"],
  ["inference.networking.x-k8s.io", "InferenceModelRewrite", "inferencemodelrewrites"],
  ["llm-d.ai", "InferenceModelRewrite", "inferencemodelrewrites"],
  ["inference.networking.x-k8s.io", "InferenceModel", "inferencemodels"],
] as const;

/** At most, of a kind, in two starts: who may not watch lists again and again. */
const LISTS_OF_WATCHER = 2;

/** One verb of the chart's roles. */
interface Right {
  readonly group: string;
  /** With its subresource. */
  readonly resource: string;
  readonly verb: string;
}

interface AuditEntry {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly requestURI: string;
  readonly responseStatus?: { readonly code: number };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
}

let cluster: Cluster;

before(async () => {
  cluster = await startCluster({ audit: true });
  await cluster.installCrds();
  await cluster.createNamespace(RELEASE_NAMESPACE);
});

after(() => cluster?.stop());

/** A controller under its own account and roles, with a namespace, a Lease and a Gateway's name of its own. */
class Tenant {
  readonly name: string;
  readonly removed: Right | undefined;
  private readonly scope: "one" | "all";
  private rendered: readonly KubeObject[] = [];
  private controller: Controller | undefined;
  private starts = 0;

  constructor(name: string, scope: "one" | "all", removed?: Right) {
    this.name = name;
    this.scope = scope;
    this.removed = removed;
  }

  get user(): string {
    return `system:serviceaccount:${RELEASE_NAMESPACE}:${this.name}`;
  }

  /** What the roles grant, as `grantsOf`. */
  get grants(): readonly string[] {
    return grantsOf(this.rendered);
  }

  /** Objects to serve, and the chart's account and roles less what is removed. */
  async install(): Promise<void> {
    await cluster.createNamespace(this.name);
    for (const object of objectsIn(this.name)) await cluster.admin.apply(object);
    await cluster.admin.patch(podOf(this.name), SERVING, { subresource: "status" });
    const values = [
      `fullnameOverride=${this.name}`,
      `parent=infra/${this.name}`,
      "istio.enabled=true",
      `secrets.${this.name}={${SECRET}}`,
      ...(this.scope === "one" ? [`watchNamespace=${this.name}`] : []),
    ];
    this.rendered = objectsOf(render(HELM, values)).map((object) => without(object, this.removed));
    const kinds = /^(?:ServiceAccount|(?:Cluster)?Role(?:Binding)?)$/;
    for (const object of this.rendered.filter(({ kind }) => kinds.test(kind)))
      await cluster.admin.apply(object);
  }

  /** The chart's flags and variables, but for what only a Pod has. */
  async start(): Promise<void> {
    this.starts++;
    const token = await cluster.serviceAccountToken(RELEASE_NAMESPACE, this.name);
    const controller = podSpecs(this.rendered)[0]!.containers[0]!;
    const flags = controller.args!.filter(
      (flag) => !/^--(?:listen|web-listen|wasm-file|log-level)=/.test(flag),
    );
    const kubeconfig = cluster.kubeconfig({ token, namespace: RELEASE_NAMESPACE });
    const own = [`--kubeconfig=${kubeconfig}`, "--listen=127.0.0.1:0", "--web-listen=127.0.0.1:0"];
    const env = environmentOf(controller, {
      POD_NAME: `${this.name}-${this.starts}`,
      POD_NAMESPACE: RELEASE_NAMESPACE,
    });
    this.controller = await startController(parseSettings([...flags, ...own, "--log-level=silent"], env), {
      logger: createLogger("silent"),
      env,
      nowMs: () => performance.now(),
      wallMs: () => Date.now(),
      random: () => Math.random(),
      setTimer: processTimer,
    });
  }

  async stop(): Promise<void> {
    await this.controller?.close();
    this.controller = undefined;
  }

  /** Takes what it served away, so that no later one sees it. */
  async uninstall(): Promise<void> {
    await this.stop();
    for (const object of objectsIn(this.name)) await cluster.admin.delete(object, 0);
  }

  /** Requests that the API server has answered to this account. */
  requests(): readonly AuditEntry[] {
    return audit.read().filter(({ user }) => user.username === this.user);
  }

  /** What was refused to this account, once for each time. */
  refusals(): readonly string[] {
    return this.requests()
      .filter(({ responseStatus }) => responseStatus?.code === 403)
      .map(rightOf);
  }

  refused(): readonly string[] {
    return [...new Set(this.refusals())];
  }

  private pool() {
    return this.controller?.table()?.pools.find(({ name }) => name === `${this.name}/${POOL}`);
  }

  private events(): Promise<readonly ApiObject[]> {
    return cluster.admin.list({ apiVersion: "events.k8s.io/v1", kind: "Event" }, this.name);
  }

  private async ofLease(field: "renewTime" | "acquireTime" | "holderIdentity"): Promise<string | undefined> {
    const kind = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };
    const leases = await cluster.admin.list(kind, RELEASE_NAMESPACE);
    const lease = leases.find(({ metadata }) => metadata.name === this.name);
    return (lease?.spec as Readonly<Record<string, string>> | undefined)?.[field];
  }

  private async entry(): Promise<
    { readonly conditions: readonly { readonly observedGeneration: number }[] } | undefined
  > {
    const pool = await cluster.admin.get(reference(this.name));
    const { parents = [] } = (pool.status ?? {}) as { readonly parents?: readonly ParentStatus[] };
    return parents.find(({ parentRef }) => parentRef.name === this.name);
  }

  lists({ group, resource }: Right): number {
    return this.requests().filter((entry) => rightOf(entry) === `list ${group}/${resource}`).length;
  }

  /** What a right is for, as it is seen from outside. */
  async works(right: Right): Promise<boolean> {
    const { resource, verb } = right;
    if (verb === "watch") return this.pool() !== undefined && this.lists(right) <= LISTS_OF_WATCHER;
    switch (`${verb} ${resource}`) {
      case "list pods":
        return this.pool()?.endpoints.length === 1;
      case "list services":
        return (
          this.pool()?.clusters.includes(`outbound|8000||${POOL}.${this.name}.svc.cluster.local`) ?? false
        );
      case "list secrets":
        return this.pool() !== undefined;
      case "get inferencepools":
        return this.requests().some((entry) => rightOf(entry) === rightName(right) && isAnswered(entry));
      case "patch inferencepools/status":
        return (await this.entry()) !== undefined;
      case "create events":
        return (await this.events()).length > 0;
      case "patch events":
        return (await this.events()).some(
          ({ series }) => (series as { count: number } | undefined) !== undefined,
        );
      case "create leases":
      case "get leases":
        return (await this.ofLease("holderIdentity")) !== undefined && (await this.entry()) !== undefined;
      case "update leases":
        return (await this.ofLease("renewTime")) !== (await this.ofLease("acquireTime"));
      case "list inferencepools":
        return this.pool() !== undefined;
      default:
        assert.equal(verb, "list");
        return this.isToldOf(right);
    }
  }

  /** Of each kind of rule one is for a pool that is not there. */
  private async isToldOf({ group, resource }: Right): Promise<boolean> {
    const [, kind] = RULE_KINDS.find((rule) => rule[0] === group && rule[2] === resource)!;
    return (await this.events()).some(({ regarding, reason }) => {
      const object = regarding as { readonly kind: string; readonly apiVersion: string };
      return reason === "PoolNotFound" && object.kind === kind && object.apiVersion.startsWith(`${group}/`);
    });
  }

  /** Whether the pool is served, and what all other rules are for is told. */
  async doesWithout(right: Right): Promise<boolean> {
    if (this.pool() === undefined) return false;
    for (const [group, , resource] of RULE_KINDS) {
      const other: Right = { group, resource, verb: "list" };
      if (rightName(other) !== rightName(right) && !(await this.isToldOf(other))) return false;
    }
    return true;
  }

  /** Somebody else writes to the pool all the time, so that statuses meet newer versions. */
  async disturb(isEnough: () => boolean): Promise<void> {
    const pool = reference(this.name);
    for (let round = 0; !isEnough(); round++) {
      const ports = [{ number: 8000 }, { number: 8001 + (round % 100) }];
      await cluster.admin.patch(pool, { spec: { targetPorts: ports } });
      for (let write = 0; write < 20 && !isEnough(); write++)
        await cluster.admin.patch(pool, { metadata: { labels: { round: `${round}-${write}` } } });
    }
    await cluster.admin.patch(pool, { spec: { targetPorts: [{ number: 8000 }] } });
  }
}

interface ParentStatus {
  readonly parentRef: { readonly name: string };
  readonly conditions: readonly { readonly observedGeneration: number }[];
}

function reference(namespace: string) {
  return {
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata: { namespace, name: POOL },
  };
}

const SERVING = {
  status: {
    phase: "Running",
    podIP: "127.0.0.9",
    podIPs: [{ ip: "127.0.0.9" }],
    conditions: [{ type: "Ready", status: "True" }],
  },
};

function podOf(namespace: string): ApiObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name: "llama-0", labels: { app: POOL } },
    spec: { nodeName: "node", containers: [{ name: "server", image: "vllm:1" }] },
  };
}

/** A pool with all that it can refer to, and of each kind of rule one that is for a pool that is not there. */
function objectsIn(namespace: string): readonly ApiObject[] {
  const poolRef = { name: "missing", group: "inference.networking.k8s.io" };
  const specs: Readonly<Record<string, object>> = {
    InferenceObjective: { poolRef },
    InferenceModelRewrite: { poolRef, rules: [{ targets: [{ modelRewrite: "a" }] }] },
    InferenceModel: { poolRef, modelName: "a" },
  };
  const config = `scrape: false\ndiscoverModels: false\napiKeySecret: {name: ${SECRET}, key: token}\n`;
  return [
    {
      ...reference(namespace),
      metadata: { namespace, name: POOL, annotations: { "inference-picker.io/config": config } },
      spec: { selector: { matchLabels: { app: POOL } }, targetPorts: [{ number: 8000 }] },
    },
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace, name: SECRET },
      stringData: { token: "secret" },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name: POOL },
      spec: { selector: { app: POOL }, ports: [{ port: 8000, targetPort: 8000 }] },
    },
    podOf(namespace),
    ...RULE_KINDS.map(([group, kind]) => ({
      apiVersion: `${group}/v1alpha2`,
      kind,
      metadata: { namespace, name: "lost" },
      spec: specs[kind]!,
    })),
  ];
}

function isAnswered({ responseStatus }: AuditEntry): boolean {
  return (responseStatus?.code ?? 500) < 300;
}

function rightName({ group, resource, verb }: Right): string {
  return `${verb} ${group}/${resource}`;
}

function rightOf({ verb, objectRef, requestURI }: AuditEntry): string {
  if (objectRef === undefined) return `${verb} ${requestURI}`;
  const { apiGroup = "", resource, subresource } = objectRef;
  return rightName({
    verb,
    group: apiGroup,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
  });
}

/** In the form of `grantsOf`; a Secret is asked for by its name, in a list's selector. */
function grantOf(entry: AuditEntry, scope: "one" | "all"): string {
  const {
    apiGroup: group = "",
    resource = "",
    subresource,
    namespace = "",
    name = "",
  } = entry.objectRef ?? { resource: entry.requestURI };
  const isNamed = resource === "secrets" || (resource === "leases" && entry.verb !== "create");
  const isNamespaced = scope === "one" || resource === "secrets" || resource === "leases";
  return grant(isNamespaced ? namespace : "", {
    group,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    verb: entry.verb,
    name: isNamed ? name : "",
  });
}

/** The API server's record so far, of every user; it is read on from where it was read last. */
class AuditLog {
  private readonly entries: AuditEntry[] = [];
  private readBytes = 0;

  read(): readonly AuditEntry[] {
    const bytes = readFileSync(cluster.auditLog).subarray(this.readBytes);
    // The last line may be half written.
    const whole = bytes.subarray(0, bytes.lastIndexOf("\n") + 1);
    this.readBytes += whole.length;
    const lines = whole.toString().split("\n").slice(0, -1);
    this.entries.push(...lines.map((line) => JSON.parse(line) as AuditEntry));
    return this.entries;
  }
}

const audit = new AuditLog();

function without(object: KubeObject, removed: Right | undefined): KubeObject {
  const { rules } = object as { readonly rules?: readonly Rule[] };
  if (rules === undefined || removed === undefined) return object;
  const { group, resource, verb } = removed;
  const kept = rules.flatMap((rule): readonly Rule[] => {
    const { apiGroups, resources, verbs } = rule;
    if (!apiGroups.includes(group) || !resources.includes(resource) || !verbs.includes(verb)) return [rule];
    const others = resources.filter((name) => name !== resource);
    return [
      { ...rule, resources: others },
      { ...rule, resources: [resource], verbs: verbs.filter((name) => name !== verb) },
    ].filter(({ resources: names, verbs: words }) => names.length > 0 && words.length > 0);
  });
  return { ...object, rules: kept };
}

function rightsOf(objects: readonly KubeObject[]): readonly Right[] {
  const rights = objects.flatMap(({ rules }) =>
    ((rules as readonly Rule[] | undefined) ?? []).flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb): Right => ({ group, resource, verb }))),
      ),
    ),
  );
  return [...new Map(rights.map((right) => [rightName(right), right])).values()];
}

const VALUES = [
  "parent=infra/gateway",
  "istio.enabled=true",
  "watchNamespace=models",
  `secrets.models={${SECRET}}`,
];
const RIGHTS = rightsOf(objectsOf(render(HELM, VALUES)));

/** Everything that a right is for has happened, after a restart and beside somebody else who writes. */
async function untilAllWorks(tenant: Tenant): Promise<void> {
  const get: Right = { group: "inference.networking.k8s.io", resource: "inferencepools", verb: "get" };
  const isRead = () => tenant.requests().some((entry) => rightOf(entry) === rightName(get));
  await until("a status is written", () =>
    tenant.works({ ...get, resource: "inferencepools/status", verb: "patch" }),
  );
  await until("an Event is written", () =>
    tenant.works({ group: "events.k8s.io", resource: "events", verb: "create" }),
  );
  await tenant.disturb(isRead);
  // The next holder of the Lease finds the Events of the first, and counts on.
  await tenant.stop();
  await tenant.start();
  for (const right of RIGHTS) await until(rightName(right), () => tenant.works(right));
}

for (const scope of ["one", "all"] as const) {
  describe(`the chart's roles for ${scope === "one" ? "one namespace" : "all namespaces"}`, () => {
    const tenant = new Tenant(`whole-${scope}`, scope);

    before(async () => {
      await tenant.install();
      await tenant.start();
    });

    after(() => tenant.uninstall());

    it("are enough for all that the controller does", { timeout: 120_000 }, async () => {
      await untilAllWorks(tenant);
      assert.deepEqual(tenant.refused(), []);
    });

    it("hold nothing that it does not use, and it asks for nothing that they do not hold", () => {
      const used = new Set(tenant.requests().map((entry) => grantOf(entry, scope)));
      assert.deepEqual([...used].sort(), [...new Set(tenant.grants)].sort());
    });
  });
}

describe("without one of the rights", () => {
  const tenants = RIGHTS.map((right, index) => new Tenant(`less-${index}`, "one", right));

  before(async () => {
    for (const tenant of tenants) await tenant.install();
    await Promise.all(tenants.map((tenant) => tenant.start()));
  });

  after(() => Promise.all(tenants.map((tenant) => tenant.stop())));

  for (const tenant of tenants) {
    const removed = tenant.removed!;
    it(`the controller is refused, and something is missing: ${rightName(removed)}`, {
      timeout: 120_000,
    }, async () => {
      const isRefused = () => tenant.refused().includes(rightName(removed));
      if (rightName(removed) === "get inference.networking.k8s.io/inferencepools")
        await tenant.disturb(isRefused);
      if (rightName(removed) === "patch events.k8s.io/events") {
        await until("an Event is written", () => tenant.works({ ...removed, verb: "create" }));
        await tenant.stop();
        await tenant.start();
      }
      // Before the pool is known it does not work either; what tells is that it lists more often than `works` allows.
      if (removed.verb === "watch")
        await until("it lists again", () => tenant.lists(removed) > LISTS_OF_WATCHER);
      await until("it is refused", isRefused);
      if (removed.verb === "list" && RULE_KINDS.some(([, , resource]) => resource === removed.resource))
        await until("the pool is served without", () => tenant.doesWithout(removed));
      assert.equal(await tenant.works(removed), false);
      assert.deepEqual(tenant.refused(), [rightName(removed)]);
    });
  }
});
