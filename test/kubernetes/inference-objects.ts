import { stringify } from "yaml";
import type { ApiObject } from "./api-client.ts";
import { SERVER_ANNOTATION, type ServerSettings } from "./simulated-pod.ts";

/** Of every object here; the tests that use them have a cluster each. */
export const NAMESPACE = "models";

const POOL_GROUP = "inference.networking.k8s.io";
const RULES_VERSION = "inference.networking.x-k8s.io/v1alpha2";
const CONFIG_ANNOTATION = "inference-picker.io/config";
export const ACTIVE_PORTS_ANNOTATION = "inference.networking.k8s.io/active-ports";

type Labels = Readonly<Record<string, string>>;

/** Pods labelled `app: <name>` are the pool's. */
export function pool(name: string, config: object = {}, ports: readonly number[] = [8000]): ApiObject {
  return poolOf(
    name,
    { selector: { matchLabels: { app: name } }, targetPorts: ports.map((number) => ({ number })) },
    config,
  );
}

/** A pool of any spec, good or not. */
export function poolOf(name: string, spec: unknown, config: object = {}): ApiObject {
  const annotations = { [CONFIG_ANNOTATION]: stringify(config) };
  return {
    apiVersion: `${POOL_GROUP}/v1`,
    kind: "InferencePool",
    metadata: { namespace: NAMESPACE, name, annotations },
    spec,
  };
}

/** A patch of a pool's configuration. */
export function configPatch(config: object | string): object {
  const text = typeof config === "string" ? config : stringify(config);
  return { metadata: { annotations: { [CONFIG_ANNOTATION]: text } } };
}

/** Without `server` the Pod runs nothing, and is ready at once. */
export function pod(
  name: string,
  labels: Labels,
  server?: ServerSettings,
  annotations: Labels = {},
): ApiObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: NAMESPACE,
      name,
      labels,
      annotations: {
        ...annotations,
        ...(server === undefined ? {} : { [SERVER_ANNOTATION]: JSON.stringify(server) }),
      },
    },
    spec: { containers: [{ name: "server", image: "vllm" }] },
  };
}

export function objective(name: string, poolName: string, priority: number): ApiObject {
  return ruleOf("InferenceObjective", name, { priority, poolRef: poolRef(poolName) });
}

export interface RewriteRule {
  /** Absent: for any model. */
  readonly model?: string;
  readonly targets: readonly { readonly modelRewrite: string; readonly weight?: number }[];
}

export function rewrite(name: string, poolName: string, rules: readonly RewriteRule[]): ApiObject {
  return ruleOf("InferenceModelRewrite", name, {
    poolRef: poolRef(poolName),
    rules: rules.map(({ model, targets }) => ({
      ...(model === undefined ? {} : { matches: [{ model: { type: "Exact", value: model } }] }),
      targets,
    })),
  });
}

export function model(name: string, poolName: string, spec: object): ApiObject {
  return ruleOf("InferenceModel", name, { poolRef: poolRef(poolName), ...spec });
}

/** An object beside the pools, of any spec, good or not. */
export function ruleOf(kind: string, name: string, spec: object): ApiObject {
  return { apiVersion: RULES_VERSION, kind, metadata: { namespace: NAMESPACE, name }, spec };
}

function poolRef(name: string): object {
  return { group: POOL_GROUP, kind: "InferencePool", name };
}
