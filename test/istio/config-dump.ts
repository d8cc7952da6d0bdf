import type { Manifest } from "../../controller/src/istio/generate.ts";
import type { ConfigPatch } from "../../controller/src/istio/patches.ts";

type Json = Readonly<Record<string, unknown>>;

/** Envoy's `/config_dump`. */
export interface ConfigDump {
  readonly configs: readonly Json[];
}

interface Named extends Json {
  readonly name: string;
}

/** Every value of that key, at any depth. */
function valuesOf(key: string, value: unknown): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...valuesOf(key, inner),
  ]);
}

function section(dump: ConfigDump, type: string): unknown {
  return dump.configs.find((config) => config["@type"] === `type.googleapis.com/envoy.admin.v3.${type}`);
}

function clusters(dump: ConfigDump): readonly Named[] {
  return valuesOf("cluster", section(dump, "ClustersConfigDump")).filter(isNamed);
}

/** Configurations of filters that came over ECDS. */
export function extensions(dump: ConfigDump): readonly Named[] {
  return valuesOf("ecds_filter", section(dump, "EcdsConfigDump")).filter(isNamed);
}

/** The HTTP filters of each connection manager, but not those of listeners that drain. */
export function filterChains(dump: ConfigDump): readonly (readonly Named[])[] {
  const active = valuesOf("active_state", section(dump, "ListenersConfigDump"));
  return active.flatMap((state) => valuesOf("http_filters", state)) as readonly (readonly Named[])[];
}

export function routes(dump: ConfigDump): readonly Json[] {
  return (valuesOf("routes", section(dump, "RoutesConfigDump")) as readonly (readonly Json[])[]).flat();
}

function isNamed(value: unknown): value is Named {
  return typeof value === "object" && value !== null && "name" in value;
}

/**
 * Is all of `wanted` in `found`? Lists are as long as wanted; protobuf's JSON writes 64-bit integers as strings and
 * no defaults, of which the patches have one.
 */
function holds(found: unknown, wanted: unknown): boolean {
  if (wanted === "NO_FALLBACK" && found === undefined) return true;
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(found) &&
      found.length === wanted.length &&
      wanted.every((inner, index) => holds(found[index], inner))
    );
  }
  if (typeof wanted !== "object" || wanted === null) return String(found) === String(wanted);
  return (
    typeof found === "object" &&
    found !== null &&
    Object.entries(wanted).every(([key, inner]) => holds((found as Json)[key], inner))
  );
}

/** What of the objects' patches is not in force, in words; empty when all is. */
export function missingPatches(dump: ConfigDump, manifests: readonly Manifest[]): readonly string[] {
  return manifests.flatMap((manifest) =>
    manifest.kind === "WasmPlugin"
      ? missingPlugin(dump, manifest)
      : (manifest.spec.configPatches as readonly ConfigPatch[])
          .filter((patch) => !isInForce(dump, patch))
          .map(({ applyTo, patch }) => `${applyTo} ${patch.operation} ${JSON.stringify(patch.value)}`),
  );
}

function isInForce(dump: ConfigDump, { applyTo, match, patch }: ConfigPatch): boolean {
  const { value } = patch;
  switch (applyTo) {
    case "CLUSTER": {
      const name = patch.operation === "ADD" ? value!.name : (match.cluster as Named).name;
      return clusters(dump).some((cluster) => cluster.name === name && holds(cluster, value));
    }
    case "EXTENSION_CONFIG":
      return extensions(dump).some((extension) => holds(extension, value));
    case "HTTP_FILTER": {
      const chains = filterChains(dump);
      if (patch.operation !== "REMOVE") {
        return chains.length > 0 && chains.every((chain) => chain.some((filter) => holds(filter, value)));
      }
      const gone = valuesOf("subFilter", match)[0] as Named;
      return chains.every((chain) => chain.every(({ name }) => name !== gone.name));
    }
    case "HTTP_ROUTE": {
      const wanted = valuesOf("route", match)[0] as { readonly name?: string };
      const found = routes(dump).filter((route) =>
        wanted.name === undefined ? route.route !== undefined : route.name === wanted.name,
      );
      return found.length > 0 && found.every((route) => holds(route, value));
    }
  }
}

function missingPlugin(dump: ConfigDump, { metadata, spec }: Manifest): readonly string[] {
  // In the midst of a longer one, since Istio makes another kind of object of it.
  const name = `${metadata.namespace}.${metadata.name}`;
  const texts = extensions(dump)
    .filter((extension) => extension.name.includes(name))
    .flatMap((extension) => valuesOf("configuration", extension))
    .flatMap((configuration) => valuesOf("value", configuration));
  const isThere = texts.some((text) => holds(JSON.parse(String(text)), spec.pluginConfig));
  return isThere ? [] : [`WasmPlugin ${name} with ${JSON.stringify(spec.pluginConfig)}`];
}
