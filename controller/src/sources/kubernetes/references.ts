import {
  apiVersionOf,
  INFERENCE_MODEL,
  INFERENCE_MODEL_REWRITE,
  INFERENCE_OBJECTIVE,
  INFERENCE_POOL,
  type Kind,
  POD,
} from "../../kubernetes/kinds.ts";
import type {
  ModelObject,
  ObjectiveObject,
  ObjectMeta,
  PodObject,
  PoolObject,
  RewriteObject,
} from "../../kubernetes/objects.ts";
import type { ObjectReference } from "./findings.ts";

export function poolReference({ meta }: PoolObject): ObjectReference {
  return reference(INFERENCE_POOL, meta);
}

/** The kind stands in two groups, as do rewrites. */
export function objectiveReference({ meta, group }: ObjectiveObject): ObjectReference {
  return reference({ ...INFERENCE_OBJECTIVE, group }, meta);
}

export function rewriteReference({ meta, group }: RewriteObject): ObjectReference {
  return reference({ ...INFERENCE_MODEL_REWRITE, group }, meta);
}

export function modelReference({ meta }: ModelObject): ObjectReference {
  return reference(INFERENCE_MODEL, meta);
}

export function podReference({ meta }: PodObject): ObjectReference {
  return reference(POD, meta);
}

function reference(
  kind: Pick<Kind<unknown>, "name" | "group" | "version">,
  { namespace, name, uid }: ObjectMeta,
): ObjectReference {
  return { kind: kind.name, apiVersion: apiVersionOf(kind), namespace, name, uid };
}

/** By the bytes of a name, the same on every machine. */
export function byText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** The order of precedence in the Gateway API: the oldest first, then by namespace and name. */
export function byAge(left: { readonly meta: ObjectMeta }, right: { readonly meta: ObjectMeta }): number {
  return (
    byText(left.meta.creationTimestamp, right.meta.creationTimestamp) ||
    byText(left.meta.namespace, right.meta.namespace) ||
    byText(left.meta.name, right.meta.name)
  );
}
