/** Why an object's owner is told something: the reason of an Event. docs/kubernetes.md says what each means. */
export const FINDING_REASONS = [
  "InvalidSpec",
  "InvalidConfiguration",
  "InvalidAnnotation",
  "InvalidSecret",
  "SecretNotFound",
  "PoolNotFound",
  "PoolInOtherNamespace",
  "DuplicateModel",
  "DuplicateCluster",
  "DuplicateAddress",
  "BodyNotRead",
  "ServiceNotFound",
  "ServiceAmbiguous",
  "NoReadyPod",
  "NotSupportedByParent",
  "TooMany",
] as const;
export type FindingReason = (typeof FINDING_REASONS)[number];

/** The object that a finding or an outcome is about. */
export interface ObjectReference {
  readonly kind: string;
  /** `group/version`, or `v1`. */
  readonly apiVersion: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What one object's owner must know. */
export interface Finding {
  readonly object: ObjectReference;
  readonly reason: FindingReason;
  /** With the value and the bound that it broke; never a secret. */
  readonly message: string;
  readonly severity: "Warning" | "Normal";
}

/** One condition of an InferencePool's status. */
export interface Condition {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** What became of one InferencePool. */
export interface PoolOutcome {
  readonly object: ObjectReference;
  readonly generation: number;
  readonly accepted: Condition;
  readonly resolvedRefs: Condition;
  readonly exported: Condition;
}

/** What a look at all objects says about them, beside the inventory. */
export interface SourceOutcome {
  readonly findings: readonly Finding[];
  readonly pools: readonly PoolOutcome[];
}

/** `InferencePool default/llama`, for logs and pages. */
export function formatReference({ kind, namespace, name }: ObjectReference): string {
  return `${kind} ${namespace}/${name}`;
}
