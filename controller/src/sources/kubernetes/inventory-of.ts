import type { KubernetesObjects } from "../../kubernetes/objects.ts";
import type { ParsedRoute } from "../pools-schema.ts";
import { type Built, InventoryBuilder } from "./inventory-builder.ts";
import type { ObjectKind } from "./namespace-pools.ts";
import type { PoolTemplate } from "./pool-reading.ts";
import type { KubernetesSourceSettings } from "./settings.ts";

export interface InventoryContext extends KubernetesSourceSettings {
  /** What was good before, by the pools' `namespace/name`: a pool whose object is wrong now keeps it. */
  readonly previous: ReadonlyMap<string, PoolTemplate>;
  /** Absent: one route for every path. */
  readonly routes?: readonly ParsedRoute[] | undefined;
}

export interface InventoryOutcome extends Built {
  /** For the next call's `previous`. */
  readonly templates: ReadonlyMap<string, PoolTemplate>;
}

/**
 * The inventory that the API server's objects come to, and what their owners must know. The order of the objects means
 * nothing, and one that is wrong changes nothing of what the others give.
 */
export function inventoryOf(objects: KubernetesObjects, context: InventoryContext): InventoryOutcome {
  const builder = new InventoryBuilder({ settings: context, previous: context.previous });
  builder.setRoutes(context.routes);
  for (const kind of KINDS) {
    for (const object of objects[kind]) {
      const { namespace, name } = object.meta;
      builder.set(kind, namespace, "group" in object ? `${object.group}/${name}` : name, object);
    }
  }
  return { ...builder.build(), templates: builder.templates() };
}

/** Secrets go before the pools that name them. */
const KINDS: readonly ObjectKind[] = [
  "secrets",
  "services",
  "pods",
  "objectives",
  "rewrites",
  "models",
  "pools",
];
