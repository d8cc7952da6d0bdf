import { poolMetadata } from "./cluster-patches.ts";
import { type ConfigPatch, GATEWAY } from "./patches.ts";
import type { SetUp } from "./set-up.ts";

/**
 * The room that a body needs while it waits for its pick, beyond which Envoy answers 413: on the routes that are known
 * by name, else on all routes of the gateway. A WasmPlugin holds no body.
 */
export function roomPatches(setUp: SetUp): readonly ConfigPatch[] {
  if (setUp.kind === "wasmplugin") return [];
  const room = { request_body_buffer_limit: setUp.bodyLimitBytes };
  if (setUp.routes.length === 0) return [merged({ action: "ROUTE" }, room)];
  return setUp.routes.map(({ name }) => merged({ name }, room));
}

/** Names to the filter the pool of a route whose cluster its table does not know. */
export function routePoolPatches(setUp: SetUp): readonly ConfigPatch[] {
  const pools = new Map(setUp.pools.map((pool) => [`${pool.namespace}/${pool.name}`, pool]));
  return setUp.routes.map(({ name, pool }) => merged({ name }, { metadata: poolMetadata(pools.get(pool)!) }));
}

function merged(
  route: Readonly<Record<string, string>>,
  value: Readonly<Record<string, unknown>>,
): ConfigPatch {
  return {
    applyTo: "HTTP_ROUTE",
    match: { ...GATEWAY, routeConfiguration: { vhost: { route } } },
    patch: { operation: "MERGE", value },
  };
}
