/** Why an object's owner is told something: the reason of an Event. */
export type FindingReason =
  /** The object's own fields: a value out of range, an unknown word, a missing field. */
  | "InvalidSpec"
  /** The pool's annotation `inference-picker.io/config`, or what it contradicts. */
  | "InvalidConfiguration"
  /** Another annotation or a label that cannot be read. */
  | "InvalidAnnotation"
  | "PoolNotFound"
  | "PoolInOtherNamespace"
  | "DuplicateModel"
  | "DuplicateCluster"
  | "DuplicateAddress"
  /** The pool's `body.read: never` keeps rewrites from being made. */
  | "BodyNotRead"
  | "ServiceAmbiguous"
  | "ServiceNotFound"
  | "SecretNotFound"
  | "InvalidSecret"
  | "NotSupportedByParent"
  | "NoReadyPod"
  /** No table has room for it. */
  | "TooMany";

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
