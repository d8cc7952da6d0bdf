import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { PoolSpec, RouteSpec } from "../model.ts";
import { AdsStream, type Nack } from "./ads-stream.ts";
import { testEndpoint, testPool } from "./fixtures.ts";
import {
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from "./generated/envoy/service/discovery/v3/discovery_pb.ts";
import { TYPE_CLUSTER, TYPE_ENDPOINTS, TYPE_EXTENSION, TYPE_ROUTES } from "./names.ts";
import { buildSnapshot, type Snapshot } from "./resources.ts";

const SHORT = new Map([
  [TYPE_CLUSTER, "CDS"],
  [TYPE_ENDPOINTS, "EDS"],
  [TYPE_EXTENSION, "ECDS"],
  [TYPE_ROUTES, "RDS"],
]);

/** A snapshot whose one route leads to `pools`; `port` moves their endpoints, `generation` the filter. */
function snapshotOf(
  pools: readonly string[],
  port = 80,
  generation = 1,
  over: Partial<PoolSpec> = {},
): Snapshot {
  const route: RouteSpec = {
    name: "all",
    pathPrefix: "/",
    headers: [],
    pools: pools.map((pool) => ({ pool: `default/${pool}`, weight: 1 })),
    byModel: false,
  };
  return buildSnapshot(
    { pools: pools.map((pool) => testPool(pool, over)), routes: [route] },
    pools.map((pool) => testEndpoint(pool, "10.0.0.1", port)),
    { systemCaFile: "/ca", filter: { wasmFile: "/f.wasm", feeds: [{ cluster: "feed" }], tickMs: 25 } },
    generation,
  );
}

/** Envoy's side of a stream. */
class Peer {
  readonly nacks: Nack[] = [];
  private readonly sent: string[] = [];
  private readonly latest = new Map<string, DiscoveryResponse>();
  private timer: (() => void) | undefined;
  readonly stream = new AdsStream({
    id: "stream",
    send: (response) => {
      this.sent.push(SHORT.get(response.typeUrl) ?? response.typeUrl);
      this.latest.set(response.typeUrl, response);
    },
    onNack: (nack) => this.nacks.push(nack),
    setTimer: (callback) => {
      this.timer = callback;
      return () => {
        this.timer = undefined;
      };
    },
  });

  ask(typeUrl: string, names: readonly string[] = []): void {
    this.request({ typeUrl, resourceNames: [...names], node: { id: "envoy-1" } });
  }

  request(init: MessageInitShape<typeof DiscoveryRequestSchema>): string | undefined {
    return this.stream.receive(create(DiscoveryRequestSchema, init));
  }

  last(typeUrl: string): DiscoveryResponse {
    const response = this.latest.get(typeUrl);
    assert.ok(response, `no response of ${SHORT.get(typeUrl)}`);
    return response;
  }

  /** Accepts the last response; with `error`, rejects it. `names` is what is asked for from now on. */
  answer(typeUrl: string, names: readonly string[] = [], error?: string): void {
    const { nonce, versionInfo } = this.last(typeUrl);
    this.request({
      typeUrl,
      resourceNames: [...names],
      responseNonce: nonce,
      versionInfo,
      ...(error === undefined ? {} : { errorDetail: { code: 3, message: error } }),
    });
  }

  /** Types sent since the last call, in order. */
  drain(): readonly string[] {
    return this.sent.splice(0);
  }

  expire(): void {
    assert.ok(this.timer, "no timer runs");
    this.timer();
  }

  /** Subscribes to everything and accepts it. */
  settle(clusters: readonly string[]): void {
    this.ask(TYPE_CLUSTER);
    this.answer(TYPE_CLUSTER);
    this.ask(TYPE_ENDPOINTS, clusters);
    this.answer(TYPE_ENDPOINTS, clusters);
    this.ask(TYPE_EXTENSION, FILTER);
    this.answer(TYPE_EXTENSION, FILTER);
    this.ask(TYPE_ROUTES, GATEWAY);
    this.answer(TYPE_ROUTES, GATEWAY);
    this.drain();
  }
}

const FILTER = ["inference-picker"];
const GATEWAY = ["gateway"];

/** A peer that has accepted all of `snapshot`. */
function settled(snapshot: Snapshot): Peer {
  const peer = new Peer();
  peer.stream.publish(snapshot);
  peer.settle([...snapshot.clusters.keys()]);
  return peer;
}

describe("an ADS stream", () => {
  it("answers nothing before the first snapshot, then everything asked for", () => {
    const peer = new Peer();
    peer.ask(TYPE_CLUSTER);
    peer.ask(TYPE_EXTENSION, FILTER);
    assert.deepEqual(peer.drain(), []);
    peer.stream.publish(snapshotOf(["chat"]));
    assert.deepEqual(peer.drain(), ["CDS", "ECDS"]);
  });

  it("says that there are no clusters, and answers nothing for unknown names", () => {
    const peer = new Peer();
    peer.stream.publish(snapshotOf([]));
    peer.ask(TYPE_CLUSTER);
    peer.ask(TYPE_ENDPOINTS, ["nobody"]);
    assert.deepEqual(peer.drain(), ["CDS"]);
    assert.equal(peer.last(TYPE_CLUSTER).resources.length, 0);
  });

  it("sends nothing for a snapshot of the same content", () => {
    const peer = settled(snapshotOf(["chat"]));
    peer.stream.publish(snapshotOf(["chat"]));
    assert.deepEqual(peer.drain(), []);
  });

  it("sends only the type that changed", () => {
    const peer = settled(snapshotOf(["chat"]));
    peer.stream.publish(snapshotOf(["chat"], 81));
    assert.deepEqual(peer.drain(), ["EDS"]);
    peer.answer(TYPE_ENDPOINTS, ["default/chat"]);
    peer.stream.publish(snapshotOf(["chat"], 81, 2));
    assert.deepEqual(peer.drain(), ["ECDS"]);
  });

  it("has one response of a type out, and skips to the newest once it is answered", () => {
    const peer = settled(snapshotOf(["chat"]));
    for (const port of [81, 82, 83]) peer.stream.publish(snapshotOf(["chat"], port));
    assert.deepEqual(peer.drain(), ["EDS"]);
    peer.answer(TYPE_ENDPOINTS, ["default/chat"]);
    assert.deepEqual(peer.drain(), ["EDS"]);
    peer.answer(TYPE_ENDPOINTS, ["default/chat"]);
    assert.deepEqual(peer.drain(), []);
  });

  it("adds a cluster and its endpoints before the route to it", () => {
    const peer = settled(snapshotOf(["a"]));
    peer.stream.publish(snapshotOf(["a", "b"]));
    assert.deepEqual(peer.drain(), ["CDS"]);
    peer.answer(TYPE_CLUSTER);
    assert.deepEqual(peer.drain(), []);
    peer.answer(TYPE_ENDPOINTS, ["default/a", "default/b"]);
    assert.deepEqual(peer.drain(), ["EDS"]);
    peer.answer(TYPE_ENDPOINTS, ["default/a", "default/b"]);
    assert.deepEqual(peer.drain(), ["RDS"]);
  });

  it("does not hold routes for ever when endpoints are never asked for", () => {
    const peer = settled(snapshotOf(["a"]));
    peer.stream.publish(snapshotOf(["a", "b"]));
    peer.answer(TYPE_CLUSTER);
    assert.deepEqual(peer.drain(), ["CDS"]);
    peer.expire();
    assert.deepEqual(peer.drain(), ["RDS"]);
  });

  it("keeps a cluster until the routes that do not name it are accepted", () => {
    const peer = settled(snapshotOf(["a", "b"]));
    peer.stream.publish(snapshotOf(["a"]));
    assert.deepEqual(peer.drain(), ["RDS"]);
    peer.answer(TYPE_ROUTES, GATEWAY);
    assert.deepEqual(peer.drain(), ["CDS", "EDS"]);
    assert.equal(peer.last(TYPE_CLUSTER).resources.length, 1);
  });

  it("keeps the cluster while the new routes are rejected", () => {
    const peer = settled(snapshotOf(["a", "b"]));
    peer.stream.publish(snapshotOf(["a"]));
    peer.answer(TYPE_ROUTES, GATEWAY, "bad route");
    assert.deepEqual(peer.drain(), ["RDS"]);
    assert.equal(peer.nacks.length, 1);
  });

  it("sends endpoints again to a cluster that was replaced", () => {
    const peer = settled(snapshotOf(["a"]));
    peer.stream.publish(snapshotOf(["a"], 80, 1, { failureMode: "FailOpen" }));
    // Its route carries the failure mode too, and waits.
    assert.deepEqual(peer.drain(), ["CDS", "EDS"]);
  });

  it("reports a rejection, does not repeat what was rejected, and sends what comes after", () => {
    const peer = settled(snapshotOf(["a"]));
    peer.stream.publish(snapshotOf(["a"], 81));
    peer.answer(TYPE_ENDPOINTS, ["default/a"], "malformed address");
    peer.stream.publish(snapshotOf(["a"], 81));
    assert.deepEqual(peer.drain(), ["EDS"]);
    assert.deepEqual(
      peer.nacks.map(({ node, typeUrl, message }) => [node, typeUrl, message]),
      [["envoy-1", TYPE_ENDPOINTS, "malformed address"]],
    );
    peer.stream.publish(snapshotOf(["a"], 82));
    assert.deepEqual(peer.drain(), ["EDS"]);
  });

  it("ignores an answer to a response that has been overtaken", () => {
    const peer = settled(snapshotOf(["a"]));
    peer.request({ typeUrl: TYPE_ENDPOINTS, resourceNames: ["default/a"], responseNonce: "0" });
    assert.deepEqual(peer.drain(), []);
  });

  it("is settled when clusters, endpoints and routes are answered, as far as they were asked for", () => {
    const peer = new Peer();
    assert.ok(peer.stream.settled());
    peer.stream.publish(snapshotOf(["a"]));
    assert.ok(peer.stream.settled());
    peer.settle(["default/a"]);
    assert.ok(peer.stream.settled());
    peer.stream.publish(snapshotOf(["a", "b"]));
    assert.ok(!peer.stream.settled());
    peer.answer(TYPE_CLUSTER);
    peer.answer(TYPE_ENDPOINTS, ["default/a", "default/b"]);
    assert.ok(!peer.stream.settled());
    peer.answer(TYPE_ENDPOINTS, ["default/a", "default/b"]);
    assert.ok(!peer.stream.settled(), "the routes are out");
    peer.answer(TYPE_ROUTES, GATEWAY);
    assert.ok(peer.stream.settled());
  });

  it("sends no routes while there are none to serve yet", () => {
    const peer = new Peer();
    peer.stream.publish({ ...snapshotOf(["a"]), routes: new Map() });
    peer.ask(TYPE_CLUSTER);
    peer.answer(TYPE_CLUSTER);
    peer.ask(TYPE_ENDPOINTS, ["default/a"]);
    peer.answer(TYPE_ENDPOINTS, ["default/a"]);
    peer.ask(TYPE_ROUTES, GATEWAY);
    assert.deepEqual(peer.drain(), ["CDS", "EDS"]);
    assert.ok(peer.stream.settled());
    peer.stream.publish(snapshotOf(["a"]));
    assert.deepEqual(peer.drain(), ["RDS"]);
  });

  it("ignores types that it does not serve and refuses absurd numbers of names", () => {
    const peer = settled(snapshotOf(["a"]));
    assert.equal(peer.request({ typeUrl: "type.googleapis.com/nothing" }), undefined);
    const names = Array.from({ length: 20_000 }, (_, index) => `n${index}`);
    assert.match(String(peer.request({ typeUrl: TYPE_ENDPOINTS, resourceNames: names })), /more than/);
    assert.deepEqual(peer.drain(), []);
  });
});
