/**
 * Both shapes of the chart, played by hand: the containers' own commands and flags as processes, in the order in which a
 * kubelet starts them, with this machine's ports and folders in the place of a pod's.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { freePorts } from "../../controller/src/cli/processes.ts";
import type { TableView } from "../../controller/src/web/table-view.ts";
import { render } from "../../deploy/manifests/generate.ts";
import {
  type Container,
  containersOf,
  environmentOf,
  type KubeObject,
  objectsOf,
  ofKind,
  podSpecs,
  ROOT,
} from "../deploy/objects.ts";
import { type Child, startChild } from "./children.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { programPath } from "./programs/programs.ts";
import { until } from "./until.ts";

const HELM = programPath("helm");
const ENVOY = process.env.ENVOY ?? join(ROOT, "build/envoy/envoy");
const PROGRAM = join(ROOT, "build/js/inference-picker.js");
const RELEASE = "inference-picker";
const NAMESPACE = "models";
const MODULE_FOLDER = "/var/lib/inference-picker";
const BOOTSTRAP_FOLDER = "/etc/envoy/generated";

let cluster: Cluster;
let folder: string;
let endpoint: Server;
const children: Child[] = [];

before(async () => {
  cluster = await startCluster();
  await cluster.installCrds();
  for (const namespace of [RELEASE, NAMESPACE]) await cluster.createNamespace(namespace);
  mkdirSync(join(ROOT, "build/kubernetes"), { recursive: true });
  folder = mkdtempSync(join(ROOT, "build/kubernetes/shapes-"));
  endpoint = createServer((_, response) => response.end("served"));
  await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve));
});

after(async () => {
  await Promise.all(children.map((child) => child.kill()));
  endpoint?.closeAllConnections();
  endpoint?.close();
  await cluster?.stop();
});

interface Ports {
  readonly rpc: number;
  readonly web: number;
  readonly gateway: number;
  readonly admin: number;
}

async function ports(): Promise<Ports> {
  const [rpc, web, gateway, admin] = (await freePorts(4)) as [number, number, number, number];
  return { rpc, web, gateway, admin };
}

function container(spec: { readonly all: readonly Container[] }, name: string): Container {
  const found = spec.all.find((one) => one.name === name);
  assert.ok(found !== undefined, name);
  return found;
}

/** A container's text as this machine has it. */
function here(text: string, { rpc, web, gateway }: Ports, podName: string): string {
  return text
    .replaceAll("$(POD_NAME)", podName)
    .replaceAll(MODULE_FOLDER, join(ROOT, "build"))
    .replaceAll(BOOTSTRAP_FOLDER, folder)
    .replace(/(?:0\.0\.0\.0|127\.0\.0\.1):18000$/, `127.0.0.1:${rpc}`)
    .replace(/0\.0\.0\.0:18001$/, `127.0.0.1:${web}`)
    .replace(/0\.0\.0\.0:8080$/, `127.0.0.1:${gateway}`);
}

/** The chart's account and roles, and a file that makes a program that account. */
async function access(objects: readonly KubeObject[]): Promise<string> {
  const kinds = /^(?:ServiceAccount|(?:Cluster)?Role(?:Binding)?)$/;
  for (const object of objects.filter(({ kind }) => kinds.test(kind))) await cluster.admin.apply(object);
  const token = await cluster.serviceAccountToken(RELEASE, RELEASE);
  return cluster.kubeconfig({ token, namespace: RELEASE });
}

function startController(one: Container, own: Ports, podName: string, kubeconfig: string): Child {
  const args = one.args!.map((arg) => here(arg, own, podName));
  const more = [`--kubeconfig=${kubeconfig}`, `--admin-listen=127.0.0.1:${own.admin}`];
  // The image's folder of work.
  const command = ["env", `--chdir=${ROOT}`, process.execPath, PROGRAM, ...args, ...more];
  const env = environmentOf(one, { POD_NAME: podName, POD_NAMESPACE: RELEASE });
  const child = startChild(folder, podName, command, env);
  children.push(child);
  return child;
}

/** As a probe asks; undefined while nobody answers. */
async function statusOf(port: number, path: string): Promise<number | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000) });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return undefined;
  }
}

async function untilReady(web: number, child: Child): Promise<void> {
  await until("the controller is ready", async () => {
    assert.equal(child.ended(), undefined);
    return (await statusOf(web, "/readyz")) === 200;
  });
}

async function addPool(): Promise<void> {
  const { port } = endpoint.address() as AddressInfo;
  await cluster.admin.apply({
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata: {
      namespace: NAMESPACE,
      name: "llama",
      annotations: { "inference-picker.io/config": "scrape: false\ndiscoverModels: false\n" },
    },
    spec: { selector: { matchLabels: { app: "llama" } }, targetPorts: [{ number: port }] },
  } as KubeObject);
  const pod: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: NAMESPACE, name: "llama-0", labels: { app: "llama" } } as KubeObject["metadata"],
    spec: { nodeName: "node", containers: [{ name: "server", image: "vllm:1" }] },
  };
  await cluster.admin.apply(pod);
  const ready = { phase: "Running", podIP: "127.0.0.1", conditions: [{ type: "Ready", status: "True" }] };
  await cluster.admin.patch(pod, { status: ready }, { subresource: "status" });
}

async function removePool(): Promise<void> {
  const metadata = { namespace: NAMESPACE, name: "llama" };
  await cluster.admin.delete({
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata,
  });
  await cluster.admin.delete(
    { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name: "llama-0" } },
    0,
  );
}

describe("a gateway with its controller as a sidecar", () => {
  const objects = objectsOf(render(HELM, ["shape=gateway"]));
  const all = podSpecs(objects).flatMap(containersOf);
  const file = () => join(folder, "envoy.yaml");
  let own: Ports;
  let controller: Child;
  let kubeconfig: string;

  before(async () => {
    own = await ports();
    kubeconfig = await access(objects);
    controller = startController(container({ all }, "controller"), own, "gateway-0", kubeconfig);
  });

  after(removePool);

  it("has what Envoy is started with once the startup probe succeeds, though there is no pool yet", async () => {
    await untilReady(own.web, controller);
    assert.ok(existsSync(file()));
    const envoy = container({ all }, "envoy");
    const args = envoy.args!.map((arg) => here(arg, own, "gateway-0"));
    children.push(startChild(folder, "envoy", [ENVOY, ...args]));
    // The port opens, which is what Envoy's probes look at.
    await until("the port is open", async () => (await statusOf(own.gateway, "/")) !== undefined);
  });

  it("serves a pool and its Pod when they come", async () => {
    assert.notEqual(await statusOf(own.gateway, "/"), 200);
    await addPool();
    await until("requests are served", async () => (await statusOf(own.gateway, "/")) === 200);
  });

  it("goes on without its controller, which then comes back", async () => {
    await controller.kill();
    for (let count = 0; count < 20; count++) assert.equal(await statusOf(own.gateway, "/"), 200);
    controller = startController(container({ all }, "controller"), own, "gateway-0", kubeconfig);
    await untilReady(own.web, controller);
    const table = await until("Envoy reports to it", async () => {
      const answer = await fetch(`http://127.0.0.1:${own.web}/table`);
      const view = (await answer.json()) as TableView;
      return view.envoys.length > 0 ? view : undefined;
    });
    assert.deepEqual(
      table.envoys.map(({ node }) => node),
      ["gateway-0"],
    );
    assert.equal(await statusOf(own.gateway, "/"), 200);
  });
});

describe("controllers of their own and a gateway by their bootstrap", () => {
  const objects = objectsOf(render(HELM, []));
  const deployments = podSpecs(objects);
  const webs: number[] = [];

  after(removePool);

  it("start with the flags of their Deployments", async () => {
    const kubeconfig = await access(objects);
    const all = await Promise.all(deployments.map(() => ports()));
    await addPool();
    const started = deployments.map(({ containers }, index) =>
      startController(containers[0]!, all[index]!, `controller-${index}`, kubeconfig),
    );
    for (const [index, child] of started.entries()) await untilReady(all[index]!.web, child);
    webs.push(...all.map(({ web }) => web));
    const gateway = await ports();
    writeFileSync(join(folder, "gateway.yaml"), bootstrapHere(objects, all, gateway));
    const args = ["-c", join(folder, "gateway.yaml"), "--service-node", "gateway-1", "--disable-hot-restart"];
    children.push(startChild(folder, "envoy-1", [ENVOY, ...args, "--concurrency", "2", "-l", "warning"]));
    await until("requests are served", async () => (await statusOf(gateway.gateway, "/")) === 200);
  });

  it("both hear what the gateway has in flight", async () => {
    assert.equal(webs.length, 2);
    for (const web of webs) {
      await until("its feed is open", async () => {
        const answer = await fetch(`http://127.0.0.1:${web}/table`);
        const { envoys } = (await answer.json()) as TableView;
        return envoys.length === 1 && envoys[0]!.node === "gateway-1";
      });
    }
  });
});

/** The ConfigMap's bootstrap with addresses of this machine in place of the Services' names. */
function bootstrapHere(objects: readonly KubeObject[], controllers: readonly Ports[], own: Ports): string {
  const config = ofKind(objects, "ConfigMap").find(({ metadata }) => metadata.name.endsWith("-bootstrap"));
  let text = (config as unknown as { readonly data: Readonly<Record<string, string>> }).data["envoy.yaml"]!;
  const dial = (service: string, port: number) => {
    const written = `address: "${service}.${RELEASE}.svc.cluster.local", port_value: 18000`;
    assert.ok(text.includes(written), written);
    text = text.replaceAll(written, `address: "127.0.0.1", port_value: ${port}`);
  };
  for (const [index, { rpc }] of controllers.entries()) dial(`${RELEASE}-${index}`, rpc);
  dial(RELEASE, controllers[0]!.rpc);
  return text
    .replaceAll("STRICT_DNS", "STATIC")
    .replace('"0.0.0.0", port_value: 8080', `"127.0.0.1", port_value: ${own.gateway}`)
    .replace('"127.0.0.1", port_value: 9901', `"127.0.0.1", port_value: ${own.admin}`);
}
