import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import type { Endpoint, Inventory } from "../model.ts";
import { type ClusterSettings, clusterName, poolCluster, poolEndpoints } from "./clusters.ts";
import { type FilterSettings, filterResource } from "./filter.ts";
import { ClusterSchema } from "./generated/envoy/config/cluster/v3/cluster_pb.ts";
import { TypedExtensionConfigSchema } from "./generated/envoy/config/core/v3/extension_pb.ts";
import { ClusterLoadAssignmentSchema } from "./generated/envoy/config/endpoint/v3/endpoint_pb.ts";
import { RouteConfigurationSchema } from "./generated/envoy/config/route/v3/route_pb.ts";
import { FILTER_NAME, ROUTE_CONFIGURATION_NAME } from "./names.ts";
import { gatewayRoutes } from "./routes.ts";

/** One named resource, packed, with the hash of its content. */
export interface Resource {
  readonly any: Any;
  readonly hash: string;
}

export type ResourceMap = ReadonlyMap<string, Resource>;

/** All that one ADS server serves at one moment. */
export interface Snapshot {
  readonly clusters: ResourceMap;
  /** By cluster name. */
  readonly endpoints: ResourceMap;
  readonly extensions: ResourceMap;
  readonly routes: ResourceMap;
}

export interface ResourceSettings extends ClusterSettings {
  /** Absent: no filter is served (the gateway then holds its requests until one is). */
  readonly filter?: FilterSettings | undefined;
}

export interface Holding {
  /** Pools (`namespace/name`) whose hosts are not all known yet: they are given none. */
  readonly withheld?: ReadonlySet<string>;
  /** The pools and routes that the gateway's routes are made of; null: no routes are served yet. Default: the inventory. */
  readonly routed?: Inventory | null;
}

/**
 * The resources of an inventory. Pure: the same input gives the same bytes. Two pools that claim the
 * same cluster name are the source's to refuse; here the first keeps it.
 */
export function buildSnapshot(
  inventory: Inventory,
  endpoints: readonly Endpoint[],
  settings: ResourceSettings,
  generation: number,
  { withheld, routed = inventory }: Holding = {},
): Snapshot {
  const byPool = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const list = byPool.get(endpoint.pool);
    if (list === undefined) byPool.set(endpoint.pool, [endpoint]);
    else list.push(endpoint);
  }
  const clusters = new Map<string, Resource>();
  const assignments = new Map<string, Resource>();
  for (const pool of inventory.pools) {
    const name = clusterName(pool);
    if (clusters.has(name)) continue;
    const key = `${pool.namespace}/${pool.name}`;
    const own = byPool.get(key) ?? [];
    clusters.set(name, resource(ClusterSchema, poolCluster(pool, own, settings)));
    // Not all of its names have been resolved yet, or none: by the protocol an absent assignment leaves an
    // Envoy with the hosts it has, one with fewer would take them away each time the controller starts.
    if (withheld?.has(key) === true || (own.length === 0 && pool.endpoints.length > 0)) continue;
    assignments.set(name, resource(ClusterLoadAssignmentSchema, poolEndpoints(pool, own)));
  }
  const extensions = new Map<string, Resource>();
  if (settings.filter !== undefined) {
    extensions.set(
      FILTER_NAME,
      resource(TypedExtensionConfigSchema, filterResource(settings.filter, generation)),
    );
  }
  return {
    clusters,
    endpoints: assignments,
    extensions,
    routes:
      routed === null
        ? new Map()
        : new Map([[ROUTE_CONFIGURATION_NAME, resource(RouteConfigurationSchema, gatewayRoutes(routed))]]),
  };
}

function resource<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Resource {
  const hash = createHash("sha256").update(toBinary(schema, message)).digest("base64url");
  return { any: anyPack(schema, message), hash };
}
