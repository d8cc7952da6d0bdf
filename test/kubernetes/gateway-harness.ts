import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { render } from "../../deploy/manifests/generate.ts";
import { objectsOf } from "../deploy/objects.ts";
import { Gateway } from "../e2e/harness.ts";
import type { Cluster } from "./cluster.ts";
import { programPath } from "./programs/programs.ts";

const RELEASE = "inference-picker";
/** What makes the controller somebody on the API server, without what runs it. */
const ACCESS_KINDS = new Set([
  ...["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
]);

export interface ClusterGatewayOptions {
  /** Names the folder of logs and generated files, `build/e2e/<name>`. */
  readonly name: string;
  /** Further flags of the controller. */
  readonly flags?: readonly string[];
  /** Of the chart, `key=value`: what the roles depend on. */
  readonly chartValues?: readonly string[];
}

/**
 * A controller that watches the cluster as the chart's service account, with no more rights than the chart gives it, and a stock Envoy
 * by its bootstrap. Nothing runs yet.
 */
export async function prepareClusterGateway(
  cluster: Cluster,
  { name, flags = [], chartValues = [] }: ClusterGatewayOptions,
): Promise<Gateway> {
  await cluster.createNamespace(RELEASE);
  const objects = objectsOf(render(programPath("helm"), chartValues));
  for (const object of objects.filter(({ kind }) => ACCESS_KINDS.has(kind)))
    await cluster.admin.apply(object);
  const token = await cluster.serviceAccountToken(RELEASE, RELEASE);
  const kubeconfig = cluster.kubeconfig({ token, namespace: RELEASE });
  return Gateway.prepare({
    name,
    controllerFlags: ["--source", "kubernetes", "--kubeconfig", kubeconfig, ...flags],
  });
}

/** Controller and Envoy, up to the first table in every worker. Pools with ready Pods must be there. */
export async function startClusterGateway(
  cluster: Cluster,
  options: ClusterGatewayOptions,
): Promise<Gateway> {
  const gateway = await prepareClusterGateway(cluster, options);
  try {
    await gateway.startController();
    await gateway.startEnvoy();
    await gateway.picking();
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  return gateway;
}

/** In seconds since its start, of a process on a Linux whose clock ticks 100 times a second, as all do for their users. */
export function cpuSeconds(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
  // The name, in brackets, may have blanks in it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [userTicks, systemTicks] = [fields[11], fields[12]];
  return (Number(userTicks) + Number(systemTicks)) / 100;
}

/**
 * Seconds since its start in which the process's main thread could have run and all cores were busy with others: what was slow for that is
 * the machine's doing.
 */
export function waitedSeconds(child: ChildProcess): number {
  const [, waitedNs] = readFileSync(`/proc/${child.pid}/schedstat`, "utf8").split(" ");
  return Number(waitedNs) / 1e9;
}
