import type {
  ModelObject,
  ObjectiveObject,
  ObjectMeta,
  PodObject,
  PoolObject,
  RewriteObject,
  SecretObject,
  ServiceObject,
  ServicePort,
} from "./objects.ts";

/** A namespaced kind of the API server, and what of its objects is kept in memory. */
export interface Kind<T> {
  /** As in manifests: `InferencePool`. */
  readonly name: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** As in paths: `inferencepools`. */
  readonly plural: string;
  readonly namespaced: true;
  /** Keeps the fields that are read. Never throws; undefined for what is no object of the kind. */
  readonly trim: (raw: unknown) => T | undefined;
}

export const GATEWAY_GROUP = "inference.networking.k8s.io";
export const EXPERIMENTAL_GROUP = "inference.networking.x-k8s.io";
export const LLMD_GROUP = "llm-d.ai";

/** Annotations that are read, and so kept: one has up to 256 KiB, and Pods are many. Of other kinds none is. */
const POOL_ANNOTATIONS: ReadonlySet<string> = new Set([
  "inference-picker.io/config",
  "inference-picker.io/service",
]);
const POD_ANNOTATIONS: ReadonlySet<string> = new Set([
  "inference.networking.k8s.io/active-ports",
  "llm-d.ai/active-ports",
]);
const NO_ANNOTATIONS: ReadonlySet<string> = new Set();

/** Bytes of one value of a Secret; Helm keeps whole releases in Secrets, of up to 1 MiB. */
const MAX_SECRET_VALUE_BYTES = 16 * 1024;

/** `llm-d.ai/v1alpha2` or, for the core group, `v1`. */
export function apiVersionOf({ group, version }: Pick<Kind<unknown>, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The path of a kind's collection, or of one object; without a namespace: of all namespaces. */
export function pathOf(
  kind: Pick<Kind<unknown>, "group" | "version" | "plural">,
  namespace?: string,
  name?: string,
): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${kind.plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/** The key under which reflectors keep an object. */
export function keyOf({ namespace, name }: Pick<ObjectMeta, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}

export const INFERENCE_POOL: Kind<PoolObject> = {
  name: "InferencePool",
  group: GATEWAY_GROUP,
  version: "v1",
  plural: "inferencepools",
  namespaced: true,
  trim: (raw) => {
    const meta = metaOf(raw, POOL_ANNOTATIONS);
    if (meta === undefined) return undefined;
    const { spec, status } = raw as Fields;
    return { meta, spec, ...(status === undefined ? {} : { status }) };
  },
};

export const INFERENCE_OBJECTIVE = objectiveKind(EXPERIMENTAL_GROUP);
export const LLMD_OBJECTIVE = objectiveKind(LLMD_GROUP);
export const INFERENCE_MODEL_REWRITE = rewriteKind(EXPERIMENTAL_GROUP);
export const LLMD_MODEL_REWRITE = rewriteKind(LLMD_GROUP);

export const INFERENCE_MODEL: Kind<ModelObject> = {
  name: "InferenceModel",
  group: EXPERIMENTAL_GROUP,
  version: "v1alpha2",
  plural: "inferencemodels",
  namespaced: true,
  trim: (raw) => {
    const meta = metaOf(raw);
    return meta === undefined ? undefined : { meta, spec: (raw as Fields).spec };
  },
};

export const POD: Kind<PodObject> = {
  name: "Pod",
  group: "",
  version: "v1",
  plural: "pods",
  namespaced: true,
  trim: (raw) => {
    const meta = metaOf(raw, POD_ANNOTATIONS);
    if (meta === undefined) return undefined;
    const status = fields((raw as Fields).status) ?? {};
    const ip = text(status.podIP);
    const isReady = list(status.conditions).some((condition) => {
      const { type, status: value } = fields(condition) ?? {};
      return type === "Ready" && value === "True";
    });
    return {
      meta,
      ...(ip === undefined ? {} : { ip }),
      phase: text(status.phase) ?? "Unknown",
      ready: isReady,
      terminating: meta.deletionTimestamp !== undefined,
    };
  },
};

export const SERVICE: Kind<ServiceObject> = {
  name: "Service",
  group: "",
  version: "v1",
  plural: "services",
  namespaced: true,
  trim: (raw) => {
    const meta = metaOf(raw);
    if (meta === undefined) return undefined;
    const spec = fields((raw as Fields).spec) ?? {};
    const clusterIP = text(spec.clusterIP);
    return {
      meta,
      selector: strings(spec.selector),
      ports: list(spec.ports).flatMap(servicePort),
      ...(clusterIP === undefined ? {} : { clusterIP }),
    };
  },
};

export const SECRET: Kind<SecretObject> = {
  name: "Secret",
  group: "",
  version: "v1",
  plural: "secrets",
  namespaced: true,
  trim: (raw) => {
    const meta = metaOf(raw);
    if (meta === undefined) return undefined;
    const kept = Object.entries(strings((raw as Fields).data)).flatMap(([key, value]) => {
      // Base64 is a third longer than what it encodes, and padded.
      if (value.length > Math.ceil(MAX_SECRET_VALUE_BYTES / 3) * 4) return [];
      const bytes = Buffer.from(value, "base64");
      return bytes.length > MAX_SECRET_VALUE_BYTES ? [] : [[key, new Uint8Array(bytes)] as const];
    });
    return { meta, data: Object.fromEntries(kept) };
  },
};

function objectiveKind(group: string): Kind<ObjectiveObject> {
  return {
    name: "InferenceObjective",
    group,
    version: "v1alpha2",
    plural: "inferenceobjectives",
    namespaced: true,
    trim: (raw) => {
      const meta = metaOf(raw);
      return meta === undefined ? undefined : { meta, group, spec: (raw as Fields).spec };
    },
  };
}

function rewriteKind(group: string): Kind<RewriteObject> {
  return {
    name: "InferenceModelRewrite",
    group,
    version: "v1alpha2",
    plural: "inferencemodelrewrites",
    namespaced: true,
    trim: (raw) => {
      const meta = metaOf(raw);
      return meta === undefined ? undefined : { meta, group, spec: (raw as Fields).spec };
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** Undefined without name, namespace, uid or version: no API server sends such an object. */
function metaOf(raw: unknown, keptAnnotations: ReadonlySet<string> = NO_ANNOTATIONS): ObjectMeta | undefined {
  const meta = fields(fields(raw)?.metadata);
  const name = text(meta?.name);
  const namespace = text(meta?.namespace);
  const uid = text(meta?.uid);
  const resourceVersion = text(meta?.resourceVersion);
  if (meta === undefined || !name || !namespace || !uid || !resourceVersion) return undefined;
  const deletionTimestamp = text(meta.deletionTimestamp);
  return {
    name,
    namespace,
    uid,
    resourceVersion,
    generation: typeof meta.generation === "number" ? meta.generation : 0,
    creationTimestamp: text(meta.creationTimestamp) ?? "",
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    labels: strings(meta.labels),
    annotations: strings(meta.annotations, (key) => keptAnnotations.has(key)),
  };
}

function servicePort(raw: unknown): readonly ServicePort[] {
  const { name, port, targetPort } = fields(raw) ?? {};
  if (typeof port !== "number") return [];
  return [
    {
      ...(typeof name === "string" ? { name } : {}),
      port,
      ...(typeof targetPort === "number" || typeof targetPort === "string" ? { targetPort } : {}),
    },
  ];
}

function fields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The entries whose values are strings and whose keys `isKept`; `__proto__` is an entry like any other. */
function strings(
  value: unknown,
  isKept: (key: string) => boolean = () => true,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields(value) ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string" && isKept(entry[0]),
    ),
  );
}
