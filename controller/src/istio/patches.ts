/** One `configPatches` entry of an EnvoyFilter, for gateways. */
export interface ConfigPatch {
  readonly applyTo: "CLUSTER" | "EXTENSION_CONFIG" | "HTTP_FILTER" | "HTTP_ROUTE";
  readonly match: Readonly<Record<string, unknown>>;
  readonly patch: {
    readonly operation: "ADD" | "INSERT_BEFORE" | "INSERT_FIRST" | "MERGE" | "REMOVE";
    /** JSON of the Envoy message, by the names of its .proto: Istio drops a patch whose value does not parse. */
    readonly value?: Readonly<Record<string, unknown>>;
  };
}

/** JSON of a message within `google.protobuf.Any`. */
export function typed(type: string, value: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { "@type": `type.googleapis.com/${type}`, ...value };
}

export const GATEWAY = { context: "GATEWAY" } as const;
