import { marshalPairs } from "./header-map.ts";

/** A property: text, bytes, an integer (8 bytes, little-endian), a flag (1 byte), a list or a map of properties. */
export type Property = string | Uint8Array | number | bigint | boolean | PropertyList | PropertyMap;
export type PropertyList = readonly Property[];
export interface PropertyMap {
  readonly [name: string]: Property;
}

/**
 * First parts that Envoy 1.40 knows at a request. `cluster_name` and `route_name` exist but are not
 * readable there: the same facts are under `xds`.
 */
export const KNOWN_PROPERTIES: ReadonlySet<string> = new Set([
  "metadata",
  "request",
  "response",
  "connection",
  "upstream",
  "node",
  "source",
  "destination",
  "listener_direction",
  "listener_metadata",
  "cluster_name",
  "cluster_metadata",
  "route_name",
  "route_metadata",
  "plugin_name",
  "upstream_host_metadata",
  "plugin_root_id",
  "plugin_vm_id",
  "connection_id",
  "filter_state",
  "xds",
]);

/** Parts are separated by NUL; one trailing NUL is tolerated, as in Envoy. */
export function splitPath(path: string): string[] {
  const parts = path.split("\0");
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  return parts;
}

export function lookUp(root: PropertyMap, parts: readonly string[]): Property | undefined {
  let at: Property = root;
  for (const part of parts) {
    if (typeof at !== "object" || at instanceof Uint8Array || isList(at)) return undefined;
    const next: Property | undefined = Object.hasOwn(at, part) ? at[part] : undefined;
    if (next === undefined) return undefined;
    at = next;
  }
  return at;
}

/** Bytes as Envoy serialises a value of the expression language for a guest. */
export function serializeProperty(value: Property): Uint8Array {
  if (typeof value === "string") return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  if (typeof value === "boolean") return Uint8Array.of(value ? 1 : 0);
  // A list is a map whose values are empty (`serializeValue` in Envoy's context.cc).
  if (isList(value)) {
    return marshalPairs(value.map((item) => [Buffer.from(serializeProperty(item)).toString("latin1"), ""]));
  }
  if (typeof value === "object") {
    return marshalPairs(
      Object.entries(value).map(([name, inner]) => [
        name,
        Buffer.from(serializeProperty(inner)).toString("latin1"),
      ]),
    );
  }
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

function isList(value: Property): value is PropertyList {
  return Array.isArray(value);
}
