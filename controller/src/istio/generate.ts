import { stringify } from "yaml";
import { feedPatches, poolPatches } from "./cluster-patches.ts";
import { filterConfiguration } from "./filter-config.ts";
import { listenerPatches } from "./listener-patches.ts";
import type { ConfigPatch } from "./patches.ts";
import { roomPatches, routePoolPatches } from "./route-patches.ts";
import type { SetUp } from "./set-up.ts";

/** A Kubernetes object as it is applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

/**
 * The objects of a set-up, in the order in which they are applied: the pools' clusters come last, since one that
 * refuses requests without a pick must not come before what picks. Equal set-ups give equal objects.
 */
export function generate(setUp: SetUp): readonly Manifest[] {
  const { name } = setUp;
  const pools = [...poolPatches(setUp), ...routePoolPatches(setUp)];
  return [
    envoyFilter(setUp, name, [...feedPatches(setUp), ...listenerPatches(setUp), ...roomPatches(setUp)]),
    ...(setUp.kind === "wasmplugin" ? [wasmPlugin(setUp)] : []),
    ...(pools.length === 0 ? [] : [envoyFilter(setUp, `${name}-pools`, pools)]),
  ];
}

/** YAML documents, as `kubectl apply -f -` takes them. */
export function manifestsYaml(manifests: readonly Manifest[]): string {
  return manifests
    .map((manifest) => `---\n${stringify(manifest, { aliasDuplicateObjects: false, lineWidth: 0 })}`)
    .join("");
}

function envoyFilter(setUp: SetUp, name: string, configPatches: readonly ConfigPatch[]): Manifest {
  return {
    apiVersion: "networking.istio.io/v1alpha3",
    kind: "EnvoyFilter",
    metadata: metadata(setUp, name),
    spec: { workloadSelector: { labels: setUp.gatewayLabels }, configPatches },
  };
}

function wasmPlugin(setUp: SetUp): Manifest {
  return {
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: metadata(setUp, setUp.name),
    spec: {
      selector: { matchLabels: setUp.gatewayLabels },
      url: setUp.wasmUrl,
      ...(setUp.wasmSha256 === undefined ? {} : { sha256: setUp.wasmSha256 }),
      failStrategy: "FAIL_RELOAD",
      pluginConfig: filterConfiguration(setUp),
    },
  };
}

function metadata({ namespace }: SetUp, name: string): Manifest["metadata"] {
  return { name, namespace, labels: { "app.kubernetes.io/name": "inference-picker" } };
}
