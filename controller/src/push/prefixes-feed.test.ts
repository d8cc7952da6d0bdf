import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { credentials } from "@grpc/grpc-js";
import * as L from "../../../assembly/wire/layout.ts";
import { messageKind } from "../table/accounts.ts";
import { buildTable } from "../table/build.ts";
import { encodeTable } from "../table/encode.ts";
import { fnv1a64 } from "../table/hash.ts";
import { decodePrefixes, encodePrefixes, prefixRecord, secretTag } from "../table/prefixes.ts";
import { encodeReport, type LearnedPool } from "../table/report.ts";
import { processTimer } from "../timer.ts";
import { testEndpoint, testPool } from "../xds/fixtures.ts";
import { FEED_SERVICE, FeedServer, type FeedTrouble } from "./feed-server.ts";
import { PrefixSecret } from "./prefix-secret.ts";
import { type RpcServer, startRpcServer } from "./rpc-server.ts";
import { TestPeer } from "./test-peer.ts";

const EPOCH = 7n;
const SECRET = 0x5ec2e7n;
const A = fnv1a64("10.0.0.1:80");

type Peer = TestPeer<Uint8Array, Uint8Array>;

const LEARNED: LearnedPool = {
  id: 5n,
  stepMs: 8,
  contextTokenMs: 0.5,
  sequenceMs: 0.25,
  promptTokenMs: 0.125,
  outputTokens: 100,
  tokensPerByte: 0.25,
  observations: 10,
};

function reportOf(node: string, over: object = {}): Uint8Array {
  return encodeReport({
    ...{ missingTerms: new Map(), epoch: EPOCH, sequence: 1n, node, generation: 1n, holder: 1n },
    ...{ tablesRefused: 0, lastRefusal: 0, liveSlots: 2, endpoints: [], secret: SECRET },
    ...over,
  });
}

function prompts(keys: readonly bigint[], endpoint = A, tag = secretTag(SECRET)): Uint8Array {
  return encodePrefixes(
    tag,
    1n,
    keys.map((key) => prefixRecord(endpoint, [key])),
  );
}

describe("prompts over the feed", () => {
  let feed: FeedServer;
  let server: RpcServer;
  let troubles: FeedTrouble[];
  let timers: Map<object, () => void>;
  let peers: Peer[];

  beforeEach(async () => {
    troubles = [];
    timers = new Map();
    peers = [];
    const secret = new PrefixSecret({ nowMs: () => 0, wallMs: () => 0, draw: () => 0n, epoch: EPOCH });
    secret.heard({ epoch: 1n, secret: SECRET });
    feed = new FeedServer({
      nowMs: () => 0,
      setTimer: (callback) => {
        const timer = {};
        timers.set(timer, callback);
        return () => timers.delete(timer);
      },
      onAccounts: () => {},
      onTrouble: (trouble) => troubles.push(trouble),
      secret,
    });
    feed.publish(
      encodeTable(
        buildTable({
          pools: [testPool("chat")],
          routes: [],
          endpoints: [testEndpoint("chat", "10.0.0.1", 80)],
          samples: new Map(),
          nowMs: 0,
          epoch: EPOCH,
          sequence: 1n,
        }),
      ),
    );
    server = await startRpcServer({
      host: "127.0.0.1",
      port: 0,
      setTimer: processTimer,
      onCertificateError: () => {},
      services: [feed.service],
    });
  });

  afterEach(async () => {
    for (const peer of peers) peer.close();
    feed.close();
    await server.close(0);
  });

  /** An Envoy that has reported. */
  async function envoy(node: string, over: object = {}): Promise<Peer> {
    const peer: Peer = new TestPeer(server.port, credentials.createInsecure(), FEED_SERVICE, "Stream");
    peers.push(peer);
    const before = feed.counters().reportsAccepted;
    peer.send(reportOf(node, over));
    await until(() => feed.counters().reportsAccepted > before);
    return peer;
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets the relay's turn come. */
  function turn(): void {
    for (const [timer, callback] of [...timers]) {
      timers.delete(timer);
      callback();
    }
  }

  function heard(peer: Peer): readonly bigint[] {
    return peer.received
      .filter((bytes) => messageKind(bytes) === L.KIND_PREFIXES)
      .flatMap((bytes) => {
        const { tag, records } = decodePrefixes(bytes);
        assert.equal(tag, secretTag(SECRET));
        return records.map(({ bytes: record }) => Buffer.from(record).readBigUInt64LE(16));
      });
  }

  it("go from one Envoy to all others, and never back", async () => {
    const [one, two, three] = [await envoy("one"), await envoy("two"), await envoy("three")];
    one.send(prompts([1n, 2n]));
    two.send(prompts([3n]));
    await until(() => feed.counters().prefixesAccepted === 3);
    turn();
    await three.until(() => heard(three).length === 3);
    await two.until(() => heard(two).length === 2);
    await one.until(() => heard(one).length === 1);
    assert.deepEqual([heard(one), heard(two)], [[3n], [1n, 2n]]);
    assert.deepEqual([...heard(three)].sort(), [1n, 2n, 3n]);
    assert.equal(feed.counters().prefixesSent, 6);
  });

  it("do not go to an Envoy whose filter does not know them", async () => {
    const [one, old] = [await envoy("one"), await envoy("old", { secret: undefined })];
    one.send(prompts([1n]));
    await until(() => feed.counters().prefixesAccepted === 1);
    turn();
    feed.publish(encodeTable({ epoch: EPOCH, sequence: 2n, pools: [], routes: [] }));
    await old.until(() => old.received.length === 2);
    assert.deepEqual(
      old.received.map((bytes) => messageKind(bytes)),
      [L.KIND_TABLE, L.KIND_TABLE],
    );
  });

  it("are left aside under another secret, and for endpoints that are in no table", async () => {
    const [one, two] = [await envoy("one"), await envoy("two")];
    one.send(prompts([1n], A, secretTag(SECRET + 1n)));
    one.send(prompts([2n], A + 1n));
    one.send(prompts([3n]));
    await until(() => feed.counters().prefixesAccepted === 1);
    turn();
    await two.until(() => heard(two).length > 0);
    assert.deepEqual(heard(two), [3n]);
    assert.equal(feed.counters().prefixesDropped, 2);
    assert.deepEqual(troubles, []);
  });

  it("that cannot be read are refused, and too many of them end the stream", async () => {
    const one = await envoy("one");
    const broken = prompts([1n]).subarray(0, -1);
    for (let sent = 0; sent < 9; sent++) one.send(broken);
    await one.until(() => one.ended !== undefined);
    assert.equal(feed.counters().prefixesRefused, 9);
  });

  it("beside what an Envoy has learned, which is known until its stream ends", async () => {
    const learned = { pools: [LEARNED], slowness: new Map([[A, 2]]) };
    const one = await envoy("one", { learned });
    await envoy("two", {
      learned: { pools: [{ ...LEARNED, stepMs: 4, observations: 30 }], slowness: new Map([[A, 3]]) },
    });
    assert.deepEqual(feed.learned.poolOf(5n), { ...LEARNED, stepMs: 5, observations: 40 });
    assert.equal(feed.learned.slownessOf(A), 2.5);
    assert.equal(feed.learned.poolOf(6n), undefined);
    one.close();
    await until(() => feed.counters().streams === 1);
    assert.equal(feed.learned.poolOf(5n)?.stepMs, 4);
    assert.equal(feed.learned.slownessOf(A), 3);
  });
});
