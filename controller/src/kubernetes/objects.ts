/** What is kept of an object's metadata; names and times as the API server writes them. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Rises with each change of the spec; 0 where a kind counts none (Services, Secrets). */
  readonly generation: number;
  /** RFC 3339. */
  readonly creationTimestamp: string;
  /** RFC 3339; present as soon as the object is being deleted. */
  readonly deletionTimestamp?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Only those that are read of the kind: of a pool `inference-picker.io/config` and `…/service`, of a Pod the two `active-ports`. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** An InferencePool. Spec and status as stored: the CRD may be older or newer than this program. */
export interface PoolObject {
  readonly meta: ObjectMeta;
  readonly spec: unknown;
  readonly status?: unknown;
}

/** An InferenceObjective. */
export interface ObjectiveObject {
  readonly meta: ObjectMeta;
  /** The API group that it was read from: the kind stands in two. */
  readonly group: string;
  readonly spec: unknown;
}

/** An InferenceModelRewrite. */
export interface RewriteObject {
  readonly meta: ObjectMeta;
  /** The API group that it was read from: the kind stands in two. */
  readonly group: string;
  readonly spec: unknown;
}

/** An InferenceModel. */
export interface ModelObject {
  readonly meta: ObjectMeta;
  readonly spec: unknown;
}

export interface PodObject {
  readonly meta: ObjectMeta;
  /** `status.podIP`: the first address of a dual-stack Pod; absent until it has one. */
  readonly ip?: string;
  /** `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`. */
  readonly phase: string;
  /** The condition `Ready` is `True`. */
  readonly ready: boolean;
  /** Being deleted: its containers may still answer for the grace period. */
  readonly terminating: boolean;
}

export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  /** The container's port, by number or by name; absent: the same as `port`. */
  readonly targetPort?: number | string;
}

export interface ServiceObject {
  readonly meta: ObjectMeta;
  /** Empty for a Service whose endpoints are written by hand, and for an ExternalName. */
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePort[];
  /** `None` for a headless Service. */
  readonly clusterIP?: string;
}

export interface SecretObject {
  readonly meta: ObjectMeta;
  /** Decoded; values over 16 KiB are left out, since no key or token is that long. */
  readonly data: Readonly<Record<string, Uint8Array>>;
}

/** All that a source reads, in every namespace that is watched; in no order that means anything. */
export interface KubernetesObjects {
  readonly pools: readonly PoolObject[];
  readonly objectives: readonly ObjectiveObject[];
  readonly rewrites: readonly RewriteObject[];
  readonly models: readonly ModelObject[];
  readonly pods: readonly PodObject[];
  readonly services: readonly ServiceObject[];
  readonly secrets: readonly SecretObject[];
}
