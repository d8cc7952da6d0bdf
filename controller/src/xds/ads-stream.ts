import { create } from "@bufbuild/protobuf";
import type { SetTimer } from "../timer.ts";
import { contentVersion, MAX_NAMES, Subscription } from "./ads-subscription.ts";
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from "./generated/envoy/service/discovery/v3/discovery_pb.ts";
import { TYPE_CLUSTER, TYPE_ENDPOINTS, TYPE_EXTENSION, TYPE_ROUTES } from "./names.ts";
import type { ResourceMap, Snapshot } from "./resources.ts";

/** A rejected response: the resources of that version stay out of this Envoy, the last good ones stay in it. */
export interface Nack {
  readonly node: string;
  readonly typeUrl: string;
  readonly version: string;
  readonly message: string;
}

export interface AdsStreamEvents {
  /** Tells this stream from all others. */
  readonly id: string;
  readonly send: (response: DiscoveryResponse) => void;
  readonly onNack: (nack: Nack) => void;
  readonly setTimer: SetTimer;
}

/**
 * How long routes wait for their clusters' endpoints to be accepted. A bound, since an Envoy that
 * rejected a cluster may never ask for its endpoints.
 */
const ROUTE_HOLD_MS = 2000;

const EMPTY: ResourceMap = new Map();

/**
 * One Envoy's state-of-the-world ADS stream, without its transport.
 *
 * Order is make before break: clusters, then their endpoints, the filter, then routes; a cluster that
 * the routes of this Envoy may still name stays until the routes that do not are accepted. Per type at
 * most one response is out; the next one is of the newest snapshot, so a slow Envoy queues nothing.
 */
export class AdsStream {
  readonly id: string;
  node = "";
  private snapshot: Snapshot | undefined;
  private readonly events: AdsStreamEvents;
  private readonly types = new Map<string, Subscription>();
  private nonces = 0;
  private cancelHold: (() => void) | undefined;
  private holdExpired = false;
  private closed = false;

  constructor(events: AdsStreamEvents) {
    this.events = events;
    this.id = events.id;
  }

  /** Type URL → version that this Envoy accepted last. */
  acked(): ReadonlyMap<string, string> {
    return new Map([...this.types].map(([type, subscription]) => [type, subscription.acked]));
  }

  publish(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.pump();
  }

  /** Has this Envoy answered the snapshot's clusters, endpoints and routes, as far as it asked for them? */
  settled(): boolean {
    const { snapshot } = this;
    if (snapshot === undefined) return true;
    const endpoints = this.types.get(TYPE_ENDPOINTS);
    const endpointsOut =
      endpoints !== undefined &&
      (endpoints.outstanding ||
        contentVersion(endpoints.select(this.withRetained(snapshot.endpoints, TYPE_ENDPOINTS))) !==
          endpoints.version);
    return this.clustersSettled(snapshot) && !endpointsOut && this.routesSettled(snapshot);
  }

  close(): void {
    this.closed = true;
    this.releaseHold();
  }

  /** @returns why the request is refused and the stream has to end, or undefined. */
  receive(request: DiscoveryRequest): string | undefined {
    if (request.node !== undefined && request.node.id !== "") this.node = request.node.id.slice(0, 256);
    if (request.resourceNames.length > MAX_NAMES) return `more than ${MAX_NAMES} resource names`;
    const { typeUrl } = request;
    if (!SERVED.has(typeUrl)) return undefined;
    let subscription = this.types.get(typeUrl);
    if (subscription === undefined) {
      subscription = new Subscription();
      subscription.subscribe(request.resourceNames, WILDCARD.has(typeUrl));
      this.types.set(typeUrl, subscription);
    } else {
      // An answer to a response that a later one has overtaken says nothing about what is out now.
      if (request.responseNonce !== subscription.nonce) return undefined;
      this.settle(subscription, request);
      if (subscription.subscribe(request.resourceNames, WILDCARD.has(typeUrl))) subscription.force = true;
    }
    this.pump();
    return undefined;
  }

  private settle(subscription: Subscription, request: DiscoveryRequest): void {
    if (!subscription.outstanding) {
      // Envoy asks again with the nonce it has already answered: it waits for the same resources once more
      // (a cluster that was replaced warms anew), or its names changed.
      subscription.force = true;
      return;
    }
    subscription.outstanding = false;
    if (request.errorDetail === undefined) {
      subscription.acked = subscription.version;
      return;
    }
    this.events.onNack({
      node: this.node,
      typeUrl: request.typeUrl,
      version: subscription.version,
      message: request.errorDetail.message,
    });
  }

  private pump(): void {
    const snapshot = this.snapshot;
    if (snapshot === undefined || this.closed) return;
    const clusters = this.withRetained(snapshot.clusters, TYPE_CLUSTER);
    const previousClusters = this.types.get(TYPE_CLUSTER)?.sent ?? EMPTY;
    if (this.offer(TYPE_CLUSTER, clusters)) this.reviveEndpoints(previousClusters, clusters);
    this.offer(TYPE_ENDPOINTS, this.withRetained(snapshot.endpoints, TYPE_ENDPOINTS));
    this.offer(TYPE_EXTENSION, snapshot.extensions);
    if (this.clustersSettled(snapshot)) {
      this.releaseHold();
      this.offer(TYPE_ROUTES, snapshot.routes);
    } else if (this.cancelHold === undefined && this.routesDiffer(snapshot)) {
      this.cancelHold = this.events.setTimer(() => {
        this.holdExpired = true;
        this.cancelHold = undefined;
        this.pump();
      }, ROUTE_HOLD_MS);
    }
  }

  /** Sends if the content differs from what this Envoy was sent, or if it must be sent anyway. */
  private offer(typeUrl: string, all: ResourceMap): boolean {
    const subscription = this.types.get(typeUrl);
    if (subscription === undefined || subscription.outstanding) return false;
    const resources = subscription.select(all);
    const version = contentVersion(resources);
    if (version === subscription.version && !subscription.force) return false;
    // Nothing asked for, or nothing known of it: an answer without resources would say nothing either,
    // except for clusters, where it says that there are none.
    if (resources.size === 0 && !WILDCARD.has(typeUrl)) return false;
    subscription.force = false;
    subscription.sent = resources;
    subscription.version = version;
    this.nonces += 1;
    subscription.nonce = String(this.nonces);
    subscription.outstanding = true;
    this.events.send(
      create(DiscoveryResponseSchema, {
        typeUrl,
        versionInfo: version,
        nonce: subscription.nonce,
        resources: [...resources.values()].map((resource) => resource.any),
      }),
    );
    return true;
  }

  /** A cluster that Envoy replaces warms until it is given its endpoints again, changed or not. */
  private reviveEndpoints(before: ResourceMap, after: ResourceMap): void {
    const endpoints = this.types.get(TYPE_ENDPOINTS);
    if (endpoints === undefined) return;
    for (const [name, { hash }] of after) {
      const old = before.get(name);
      if (old !== undefined && old.hash !== hash) endpoints.force = true;
    }
  }

  /** `current`, and what this Envoy was sent of the same type and its accepted routes may still name. */
  private withRetained(current: ResourceMap, typeUrl: string): ResourceMap {
    const routes = this.types.get(TYPE_ROUTES);
    const sent = this.types.get(typeUrl)?.sent;
    if (routes === undefined || sent === undefined || this.snapshot === undefined) return current;
    const accepted = routes.acked === contentVersion(routes.select(this.snapshot.routes));
    return accepted ? current : new Map([...sent, ...current]);
  }

  private routesSettled(snapshot: Snapshot): boolean {
    const routes = this.types.get(TYPE_ROUTES);
    if (routes === undefined || snapshot.routes.size === 0) return true;
    return !routes.outstanding && !this.routesDiffer(snapshot);
  }

  private routesDiffer(snapshot: Snapshot): boolean {
    const routes = this.types.get(TYPE_ROUTES);
    return routes !== undefined && contentVersion(routes.select(snapshot.routes)) !== routes.version;
  }

  /** Every cluster of the snapshot has been answered, and so have its endpoints. */
  private clustersSettled(snapshot: Snapshot): boolean {
    if (this.holdExpired) return true;
    const clusters = this.types.get(TYPE_CLUSTER);
    if (clusters === undefined) return true;
    if (clusters.outstanding || clusters.version === "") return false;
    // Rejected: its endpoints may never be asked for, and the routes to the clusters that stand are due.
    if (clusters.acked !== clusters.version) return true;
    const endpoints = this.types.get(TYPE_ENDPOINTS);
    if (endpoints === undefined) return snapshot.endpoints.size === 0;
    if (endpoints.outstanding) return false;
    return [...snapshot.endpoints.keys()].every((name) => endpoints.sent.has(name));
  }

  private releaseHold(): void {
    this.cancelHold?.();
    this.cancelHold = undefined;
    this.holdExpired = false;
  }
}

const SERVED: ReadonlySet<string> = new Set([TYPE_CLUSTER, TYPE_ENDPOINTS, TYPE_EXTENSION, TYPE_ROUTES]);
const WILDCARD: ReadonlySet<string> = new Set([TYPE_CLUSTER]);
