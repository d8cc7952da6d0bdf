import { createHash } from "node:crypto";
import type { TlsClient } from "../model.ts";

/**
 * How the picker comes into Istio's gateway:
 *
 *   wasmplugin      a WasmPlugin: picks by headers and load, bodies pass unread
 *   envoyfilter     an ECDS resource by EnvoyFilter: reads bodies, rewrites, everything
 *   inferencepool   the same in the place of the ext_proc that Istio gives a Gateway with InferencePools
 */
export const SET_UPS = ["wasmplugin", "envoyfilter", "inferencepool"] as const;
export type SetUpKind = (typeof SET_UPS)[number];

export const FAILURE_MODES = ["FailClose", "FailOpen"] as const;
export type FailureMode = (typeof FAILURE_MODES)[number];

/** A pool, and the Istio cluster that its requests go to. */
export interface IstioPool {
  readonly namespace: string;
  readonly name: string;
  /** Of the pool's namespace. */
  readonly service: string;
  readonly port: number;
  /** As the pool's own: what the cluster does without a pick. */
  readonly failureMode: FailureMode;
}

/** A route of the gateway, by its name in Envoy, that leads to one pool. */
export interface IstioRoute {
  readonly name: string;
  /** `namespace/name` of one of the pools. */
  readonly pool: string;
}

export interface ControllerAddress {
  readonly host: string;
  readonly port: number;
}

/** What `generate` makes objects of. */
export interface SetUp {
  readonly kind: SetUpKind;
  /** Prefix of the objects' names. */
  readonly name: string;
  /** Of the objects, which must be the gateway's or Istio's root namespace. */
  readonly namespace: string;
  /** Labels of the gateway's pods; not empty, since no labels would mean every proxy of the namespace. */
  readonly gatewayLabels: Readonly<Record<string, string>>;
  /** One to eight, each a feed of its own. */
  readonly controllers: readonly ControllerAddress[];
  /** `:authority` towards all of them; absent: each one's host:port. */
  readonly authority?: string | undefined;
  readonly controllerTls?: TlsClient | undefined;
  /** `file://`, `oci://`, `http://` or `https://`. */
  readonly wasmUrl: string;
  readonly wasmSha256?: string | undefined;
  readonly pools: readonly IstioPool[];
  /** Empty: no route is known by name. */
  readonly routes: readonly IstioRoute[];
  readonly clusterDomain: string;
  /** What a route may hold back while a body waits for its pick, in bytes. */
  readonly bodyLimitBytes: number;
  readonly tickMs: number;
  /** Of the filter's configuration: of two that overlap in one Envoy the higher one holds the feed. */
  readonly generation: number;
}

/** Name of the Envoy cluster that Istio makes of a pool's Service. */
export function istioCluster(pool: IstioPool, clusterDomain: string): string {
  return `outbound|${pool.port}||${pool.service}.${pool.namespace}.svc.${clusterDomain}`;
}

/** First port of the Service that Istio makes of an InferencePool, whatever the pool's own ports are. */
export const INFERENCE_POOL_PORT = 54_321;

const SERVICE_NAME_CHARACTERS = 63;

/**
 * Name of the Service that Istio makes of an InferencePool (`InferencePoolServiceName` in istio/istio,
 * pilot/pkg/config/kube/gateway/inferencepool_collection.go): eight digits of a hash behind the pool's name, which
 * is cut where both do not fit.
 */
export function inferencePoolService(pool: string): string {
  const ending = `-ip-${createHash("sha256").update(pool).digest("hex").slice(0, 8)}`;
  return pool.slice(0, SERVICE_NAME_CHARACTERS - ending.length) + ending;
}

/** Clusters of the feed and their controllers, in the order of the filter's `feeds`. */
export function feeds(setUp: SetUp): readonly Feed[] {
  return setUp.controllers.map((controller, index) => ({
    cluster: index === 0 ? `${setUp.name}-feed` : `${setUp.name}-feed-${index + 1}`,
    authority: setUp.authority ?? hostPort(controller),
    controller,
  }));
}

export interface Feed {
  readonly cluster: string;
  readonly authority: string;
  readonly controller: ControllerAddress;
}

function hostPort({ host, port }: ControllerAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
