import type { PodObject, PoolObject, ServiceObject } from "../../kubernetes/objects.ts";
import type { PoolSpec } from "../../model.ts";
import { withEndpoints } from "../pool-settings.ts";
import type { Condition, Finding, PoolOutcome } from "./findings.ts";
import { istioClusters } from "./istio-clusters.ts";
import { podEndpoints } from "./pod-endpoints.ts";
import type { Fault, PoolReading, PoolTemplate } from "./pool-reading.ts";
import { poolReference } from "./references.ts";
import { type PoolRules, withRules } from "./rules-of-pools.ts";
import type { KubernetesSourceSettings } from "./settings.ts";

export interface PoolInputs {
  readonly pool: PoolObject;
  readonly reading: PoolReading;
  /** The reading's own or the last good one; absent: there is none, or the pool is another's. */
  readonly template: PoolTemplate | undefined;
  /** Those that the template selects. */
  readonly pods: ReadonlyMap<string, PodObject>;
  readonly rules: PoolRules;
  /** Of the pool's namespace; only looked at with Istio. */
  readonly services: readonly ServiceObject[];
}

export interface PoolResult {
  readonly pool: PoolObject;
  /** Absent: the pool is not served. */
  readonly spec?: PoolSpec;
  /** Names of clusters that Istio makes of Services of the pool, beside those that the pool claims. */
  readonly derivedClusters: readonly string[];
  readonly findings: readonly Finding[];
  readonly outcome: PoolOutcome;
}

/** Whether the pool is left to the endpoint picker that it names. */
export function isLeft({ pickerRef }: PoolReading, settings: KubernetesSourceSettings): boolean {
  return pickerRef !== undefined && settings.pickerRef === "ignore";
}

/** What one pool comes to. */
export function poolResult(inputs: PoolInputs, settings: KubernetesSourceSettings): PoolResult {
  const { pool, reading, template } = inputs;
  const object = poolReference(pool);
  const outcome = (accepted: Condition, refsFault: Fault | undefined): PoolOutcome => ({
    object,
    generation: pool.meta.generation,
    accepted,
    resolvedRefs: refsOf(refsFault, accepted),
    exported: { status: "False", reason: "NotRequested", message: "the pool is for its own cluster" },
  });
  if (isLeft(reading, settings)) {
    const message = `the pool asks for the endpoint picker ${reading.pickerRef?.name}; with --picker-ref take-over it is served without`;
    return {
      pool,
      derivedClusters: [],
      findings: [{ object, reason: "NotSupportedByParent", message, severity: "Normal" }],
      outcome: outcome({ status: "False", reason: "NotSupportedByParent", message }, undefined),
    };
  }
  const findings: Finding[] = reading.faults.map((fault) => ({ object, ...fault, severity: "Warning" }));
  const accepted = acceptedOf(reading, template !== undefined);
  const secretFault = reading.faults.find(({ reason }) => reason === "SecretNotFound");
  if (template === undefined)
    return { pool, derivedClusters: [], findings, outcome: outcome(accepted, secretFault) };
  const ruled = withRules(template.settings, inputs.rules);
  const { endpoints, findings: podFindings } = podEndpoints(template, inputs.pods.values());
  const istio = settings.istio
    ? istioClusters(pool.meta, template.selection, inputs.services, settings.clusterDomain)
    : { clusters: [] };
  if (istio.fault !== undefined) findings.push({ object, ...istio.fault, severity: "Warning" });
  if (endpoints.length === 0) {
    const count = inputs.pods.size;
    const message =
      count === 0
        ? "no Pod has the labels of its selector"
        : `none of the ${count} Pods it selects takes requests`;
    findings.push({ object, reason: "NoReadyPod", message, severity: "Warning" });
  }
  return {
    pool,
    spec: withEndpoints(ruled.settings, endpoints),
    derivedClusters: istio.clusters,
    findings: [...findings, ...ruled.findings, ...podFindings],
    outcome: outcome(accepted, secretFault ?? istio.fault),
  };
}

function acceptedOf({ faults, isPending }: PoolReading, isServed: boolean): Condition {
  const [first] = faults;
  if (first !== undefined) {
    const stays = isServed ? "; what was accepted before stays in force" : "";
    const message = `${faults.map((fault) => fault.message).join("; ")}${stays}`;
    return { status: "False", reason: first.reason, message };
  }
  if (isPending)
    return { status: "Unknown", reason: "Pending", message: "a Secret that the pool names is being read" };
  return { status: "True", reason: "Accepted", message: "the pool is served" };
}

function refsOf(fault: Fault | undefined, { status, reason, message }: Condition): Condition {
  if (fault !== undefined) return { status: "False", reason: fault.reason, message: fault.message };
  if (reason === "NotSupportedByParent")
    return { status: "Unknown", reason: "Pending", message: "the pool is not served by this controller" };
  if (status === "Unknown") return { status, reason, message };
  return { status: "True", reason: "ResolvedRefs", message: "all that the pool refers to is there" };
}
