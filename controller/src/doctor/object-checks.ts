import type { KubernetesObjects } from "../kubernetes/objects.ts";
import { type Finding, type FindingReason, formatReference } from "../sources/kubernetes/findings.ts";
import type { InventoryOutcome } from "../sources/kubernetes/inventory-of.ts";
import { isServing, selects } from "../sources/kubernetes/pod-endpoints.ts";
import { readPoolSpec } from "../sources/kubernetes/pool-object.ts";
import { type Check, Checks, counted, listed } from "./check.ts";

const REMEDIES: Readonly<Record<FindingReason, string>> = {
  InvalidSpec: "mend the object's spec",
  InvalidConfiguration: "mend the annotation inference-picker.io/config: it takes the pools file's keys",
  InvalidAnnotation: "mend the annotation or label",
  PoolNotFound: "mend poolRef, or create the pool",
  PoolInOtherNamespace: "put the object into the pool's namespace",
  DuplicateModel: "remove one: the oldest counts",
  DuplicateCluster: "take the name out of one pool's clusters",
  DuplicateAddress: "let only one of the pools select the Pod",
  BodyNotRead: "set body.read to auto or always",
  ServiceAmbiguous: "name the Service in the pool's annotation inference-picker.io/service",
  ServiceNotFound: "mend the annotation inference-picker.io/service, or create the Service",
  SecretNotFound: "create the Secret with that key in the pool's namespace, and let the controller read it",
  InvalidSecret: "put the key alone into the Secret, without spaces and lines",
  NotSupportedByParent: "remove endpointPickerRef, or run the controller with --picker-ref take-over",
  NoReadyPod: "see the pool's Pods",
  TooMany: "spread the pools over several controllers and gateways",
};

/** What the controller would find wrong with the objects, by its own reading of them. */
export function checkObjects({ findings, pools }: InventoryOutcome): readonly Check[] {
  const checks = new Checks("objects");
  const refused = new Set(
    pools.filter(({ accepted }) => accepted.status === "False").map(({ object }) => object.uid),
  );
  for (const finding of findings) tell(checks, finding, refused.has(finding.object.uid));
  if (pools.length === 0) {
    checks.failure("pools", "no InferencePool", "create one; with --namespace, in that namespace");
  }
  const served = pools.length - refused.size;
  if (served > 0) checks.ok("pools", `${counted(served, "InferencePool")} accepted`);
  return checks.list;
}

function tell(checks: Checks, { object, reason, message, severity }: Finding, isRefused: boolean): void {
  const name = formatReference(object);
  // `checkPods` fails each of these pools, and says more.
  if (reason === "NoReadyPod") return;
  if (severity === "Normal") checks.skipped(name, message);
  else if (isRefused) checks.failure(name, message, REMEDIES[reason]);
  else checks.warning(name, message, REMEDIES[reason]);
}

/** For each pool that is served here, how many Pods it selects, how many of them are ready, and whether any is an endpoint. */
export function checkPods(
  { pools, pods }: Pick<KubernetesObjects, "pools" | "pods">,
  outcome: Pick<InventoryOutcome, "pools" | "findings">,
): readonly Check[] {
  const checks = new Checks("Pods");
  const left = new Set(
    outcome.pools
      .filter(({ accepted }) => accepted.reason === "NotSupportedByParent")
      .map(({ object }) => object.uid),
  );
  const withoutEndpoint = new Set(
    outcome.findings.filter(({ reason }) => reason === "NoReadyPod").map(({ object }) => object.uid),
  );
  for (const { meta, spec } of pools) {
    if (left.has(meta.uid)) continue;
    const name = `pool ${meta.namespace}/${meta.name}`;
    const selection = readPoolSpec(spec, () => {})?.selection;
    if (selection === undefined) {
      checks.skipped(name, "its spec cannot be read");
      continue;
    }
    const selected = pods.filter((pod) => pod.meta.namespace === meta.namespace && selects(selection, pod));
    const waiting = selected.filter((pod) => !isServing(pod));
    if (selected.length === 0) {
      const labels = selection.labels.map(([key, value]) => `${key}=${value}`);
      checks.failure(
        name,
        `no Pod of namespace ${meta.namespace} has the labels ${listed(labels)}`,
        "give the model servers' Pods these labels, or mend spec.selector",
      );
    } else if (waiting.length < selected.length && withoutEndpoint.has(meta.uid)) {
      checks.failure(
        name,
        `no endpoint, though ${selected.length - waiting.length} of ${counted(selected.length, "Pod")} ready`,
        "see the Pods' label llm-d.ai/role (prefill and encode are for other servers) and annotations …/active-ports (one of spec.targetPorts at least)",
      );
    } else if (waiting.length === 0) checks.ok(name, `${counted(selected.length, "Pod")} ready`);
    else {
      const names = listed(waiting.map((pod) => pod.meta.name));
      const seen = `${waiting.length} of ${counted(selected.length, "Pod")} not ready: ${names}`;
      const remedy = "kubectl describe pod says what it waits for; a Pod that is not ready is no endpoint";
      if (waiting.length === selected.length) checks.failure(name, seen, remedy);
      else checks.warning(name, seen, remedy);
    }
  }
  return checks.list;
}
