import { PickerError } from "../errors.ts";
import { type KubernetesClient, loadClient } from "../kubernetes/client.ts";
import { inventoryOf } from "../sources/kubernetes/inventory-of.ts";
import { readPool } from "../sources/kubernetes/pool-reading.ts";
import { type Check, Checks } from "./check.ts";
import { checkApiServer, checkLease, checkPermissions, messageOf } from "./cluster-checks.ts";
import { listObjects, readSecrets } from "./cluster-objects.ts";
import type { ExamineDeps } from "./examine-deps.ts";
import { checkObjects, checkPods } from "./object-checks.ts";
import { checkPools } from "./pool-checks.ts";
import type { DoctorSettings } from "./settings.ts";

/** API server, kinds, permissions, the objects by the controller's own reading of them, their endpoints. */
export async function checkCluster(settings: DoctorSettings, deps: ExamineDeps): Promise<readonly Check[]> {
  const checks = new Checks("Kubernetes");
  let client: KubernetesClient;
  try {
    const { kubeconfig, context } = settings;
    client = loadClient({ kubeconfig, context }, deps.env, deps.setTimer);
  } catch (error) {
    if (!(error instanceof PickerError)) throw error;
    checks.failure(
      "API server",
      error.message,
      "name a kubeconfig with --kubeconfig, or run the doctor in the controller's Pod",
    );
    return checks.list;
  }
  try {
    if (!(await checkApiServer(checks, client, settings.timeoutMs))) return checks.list;
    return [...checks.list, ...(await checkContents(client, settings, deps))];
  } finally {
    await client.close();
  }
}

async function checkContents(
  client: KubernetesClient,
  settings: DoctorSettings,
  deps: ExamineDeps,
): Promise<readonly Check[]> {
  const { timeoutMs } = settings;
  const checks = new Checks("Kubernetes");
  const { objects: listed, failures } = await listObjects(client, settings);
  for (const { kind, error } of failures) {
    checks.failure(
      "objects",
      `${kind.name}: ${messageOf(error)}`,
      "grant who asks here to list it, or run the doctor in the controller's Pod",
    );
  }
  const names = listed.pools.flatMap((pool) =>
    readPool(pool, () => undefined).secrets.map((name) => ({ namespace: pool.meta.namespace, name })),
  );
  const [secrets] = await Promise.all([
    readSecrets(client, names, timeoutMs),
    checkPermissions(checks, client, settings, names),
  ]);
  await checkLease(checks, client, settings, deps.wallMs());
  const objects = { ...listed, secrets };
  const outcome = inventoryOf(objects, { ...settings, previous: new Map() });
  // Without endpoints a pool has been told about with its Pods.
  const pools = outcome.inventory.pools.filter(({ endpoints }) => endpoints.length > 0);
  const metrics = pools.length === 0 ? [] : await checkPools({ pools, routes: [] }, timeoutMs, deps);
  return [...checks.list, ...checkObjects(outcome), ...checkPods(objects, outcome), ...metrics];
}
