import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { credentials, status } from "@grpc/grpc-js";
import { type RpcServer, startRpcServer } from "../push/rpc-server.ts";
import { TestPeer } from "../push/test-peer.ts";
import { processTimer } from "../timer.ts";
import { ADS_SERVICE, AdsServer } from "./ads-server.ts";
import type { Nack } from "./ads-stream.ts";
import { testPool } from "./fixtures.ts";
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from "./generated/envoy/service/discovery/v3/discovery_pb.ts";
import { TYPE_CLUSTER, TYPE_ENDPOINTS } from "./names.ts";
import { buildSnapshot } from "./resources.ts";

const SNAPSHOT = buildSnapshot({ pools: [testPool("chat")], routes: [] }, [], { systemCaFile: "/ca" }, 1);

type Peer = TestPeer<DiscoveryRequest, DiscoveryResponse>;

describe("the ADS server", () => {
  let ads: AdsServer;
  let server: RpcServer;
  let nacks: Nack[];
  let peers: Peer[];

  beforeEach(async () => {
    nacks = [];
    peers = [];
    ads = new AdsServer({ onNack: (nack) => nacks.push(nack), setTimer: processTimer });
    server = await startRpcServer({
      host: "127.0.0.1",
      port: 0,
      setTimer: processTimer,
      onCertificateError: () => {},
      services: [ads.service],
    });
  });

  afterEach(async () => {
    for (const peer of peers) peer.close();
    ads.close();
    await server.close(0);
  });

  const dial = (node: string): Peer => {
    const peer: Peer = new TestPeer(
      server.port,
      credentials.createInsecure(),
      ADS_SERVICE,
      "StreamAggregatedResources",
    );
    peers.push(peer);
    peer.send(create(DiscoveryRequestSchema, { typeUrl: TYPE_CLUSTER, node: { id: node } }));
    return peer;
  };
  const reply = (peer: Peer, error?: string): void => {
    const { nonce, versionInfo, typeUrl } = peer.received.at(-1)!;
    peer.send(
      create(DiscoveryRequestSchema, {
        typeUrl,
        versionInfo,
        responseNonce: nonce,
        ...(error === undefined ? {} : { errorDetail: { code: 3, message: error } }),
      }),
    );
  };
  const settled = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  };

  it("holds its answers until the first snapshot, for every Envoy", async () => {
    const dialled = [dial("one"), dial("two"), dial("three")];
    await settled(() => ads.states().length === 3);
    ads.publish(SNAPSHOT);
    await Promise.all(dialled.map((peer) => peer.until(() => peer.received.length === 1)));
    assert.deepEqual(new Set(dialled.map((peer) => peer.received[0]!.versionInfo)).size, 1);
    for (const peer of dialled) reply(peer);
    await settled(() => ads.states().every(({ acked }) => acked.get(TYPE_CLUSTER) !== ""));
    assert.deepEqual(new Set(ads.states().map(({ node }) => node)), new Set(["one", "two", "three"]));
  });

  it("reports the same rejection by many Envoys once, and counts them all", async () => {
    ads.publish(SNAPSHOT);
    const dialled = [dial("one"), dial("two")];
    await Promise.all(dialled.map((peer) => peer.until(() => peer.received.length === 1)));
    for (const peer of dialled) reply(peer, "Proto constraint validation failed");
    await settled(() => ads.nacks === 2);
    assert.deepEqual(
      nacks.map(({ message, typeUrl }) => [message, typeUrl]),
      [["Proto constraint validation failed", TYPE_CLUSTER]],
    );
  });

  it("forgets a stream that ends, and serves it anew", async () => {
    ads.publish(SNAPSHOT);
    dial("one").close();
    await settled(() => ads.states().length === 0);
    const again = dial("one");
    await again.until(() => again.received.length === 1);
  });

  it("ends a stream that asks for an absurd number of names", async () => {
    const peer = dial("one");
    const resourceNames = Array.from({ length: 20_000 }, (_, index) => `n${index}`);
    peer.send(create(DiscoveryRequestSchema, { typeUrl: TYPE_ENDPOINTS, resourceNames }));
    await peer.until(() => peer.ended !== undefined);
    assert.equal(peer.ended?.code, status.INVALID_ARGUMENT);
  });

  it("ends a stream that does not speak the protocol, and no other", async () => {
    const good = dial("good");
    const path = ADS_SERVICE.StreamAggregatedResources!;
    const garbage = new TestPeer<Uint8Array, unknown>(
      server.port,
      credentials.createInsecure(),
      { Raw: { ...path, requestSerialize: (bytes: Uint8Array) => Buffer.from(bytes) } },
      "Raw",
    );
    garbage.send(new Uint8Array(50).fill(0xff));
    await garbage.until(() => garbage.ended !== undefined);
    garbage.close();
    ads.publish(SNAPSHOT);
    await good.until(() => good.received.length === 1);
  });
});
