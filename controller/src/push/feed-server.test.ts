import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { afterEach, beforeEach, describe, it } from "node:test";
import { credentials, status } from "@grpc/grpc-js";
import { type AccountsMessage, encodeAccounts } from "../table/accounts.ts";
import { buildTable } from "../table/build.ts";
import { decodeTable } from "../table/decode.ts";
import { type EncodedTable, encodeTable } from "../table/encode.ts";
import { fnv1a64 } from "../table/hash.ts";
import { encodeReport, type Report } from "../table/report.ts";
import { testEndpoint, testPool } from "../xds/fixtures.ts";
import { FEED_SERVICE, FeedServer, type FeedTrouble } from "./feed-server.ts";
import { type RpcServer, startRpcServer } from "./rpc-server.ts";
import { TestPeer } from "./test-peer.ts";
import { processTimer } from "../timer.ts";

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";

function tableOf(
  sequence: bigint,
  endpoints = [testEndpoint("chat", "10.0.0.1", 80), testEndpoint("chat", "10.0.0.2", 80)],
): EncodedTable {
  return encodeTable(
    buildTable({
      pools: [testPool("chat")],
      routes: [],
      endpoints,
      samples: new Map(),
      nowMs: 0,
      epoch: 7n,
      sequence,
    }),
  );
}

function reportOf(
  node: string,
  tallies: Readonly<Record<string, { requests?: number; picks?: bigint }>>,
  over: Partial<Report> = {},
): Uint8Array {
  return encodeReport({
    missingTerms: new Map(),
    epoch: 7n,
    sequence: 1n,
    node,
    generation: 1n,
    holder: 1n,
    tablesRefused: 0,
    lastRefusal: 0,
    liveSlots: 2,
    endpoints: Object.entries(tallies).map(([address, { requests = 0, picks = 0n }]) => ({
      id: fnv1a64(address),
      requests,
      uncachedTokens: requests * 10,
      residentTokens: BigInt(requests * 100),
      picks,
    })),
    ...over,
  });
}

const message = (vm: bigint, node = "one"): AccountsMessage => ({
  vm,
  sequence: 1n,
  node,
  ageMs: 5,
  rows: [{ pool: "ns/a", model: "m", target: "m", running: 1, counts: new Map([[0, 2]]) }],
});

describe("the feed", () => {
  let feed: FeedServer;
  let server: RpcServer;
  let troubles: FeedTrouble[];
  let accounts: AccountsMessage[];
  let timers: (() => void)[];
  let peers: TestPeer<Uint8Array, Uint8Array>[];

  beforeEach(async () => {
    troubles = [];
    accounts = [];
    timers = [];
    peers = [];
    feed = new FeedServer({
      nowMs: () => performance.now(),
      setTimer: (callback) => {
        timers.push(callback);
        return () => {};
      },
      onAccounts: (message) => {
        if (message.node === "unwelcome") throw new Error("no room");
        accounts.push(message);
      },
      onTrouble: (trouble) => troubles.push(trouble),
    });
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

  const dial = (): TestPeer<Uint8Array, Uint8Array> => {
    const peer = new TestPeer<Uint8Array, Uint8Array>(
      server.port,
      credentials.createInsecure(),
      FEED_SERVICE,
      "Stream",
    );
    peers.push(peer);
    return peer;
  };
  const sequences = (peer: TestPeer<Uint8Array, Uint8Array>) =>
    peer.received.map((bytes) => decodeTable(bytes).sequence);
  const remoteRequests = (bytes: Uint8Array, address: string) =>
    decodeTable(bytes).pools[0]!.endpoints.find((row) => row.address === address)?.remote?.requests;
  /** Waits until the server has what the peers sent. */
  const accepted = async (count: number): Promise<void> => {
    while (feed.counters().reportsAccepted < count) await new Promise((resolve) => setImmediate(resolve));
  };

  it("sends the newest table at once to a stream that opens", async () => {
    feed.publish(tableOf(1n));
    feed.publish(tableOf(2n));
    const peer = dial();
    await peer.until(() => peer.received.length === 1);
    assert.deepEqual(sequences(peer), [2n]);
  });

  it("sends nothing before there is a table", async () => {
    const peer = dial();
    peer.send(reportOf("one", {}));
    await accepted(1);
    assert.equal(feed.counters().tablesSent, 0);
    feed.publish(tableOf(1n));
    await peer.until(() => peer.received.length === 1);
  });

  it("sends the same bytes to an Envoy that is alone", async () => {
    const table = tableOf(1n);
    const peer = dial();
    peer.send(reportOf("one", { [A]: { requests: 3 } }));
    await accepted(1);
    feed.publish(table);
    await peer.until(() => peer.received.length === 1);
    assert.deepEqual(Buffer.from(peer.received[0]!), Buffer.from(table.bytes));
  });

  it("tells each Envoy what the others have in flight, never its own", async () => {
    const [one, two, three] = [dial(), dial(), dial()];
    one.send(reportOf("one", { [A]: { requests: 3 }, [B]: { requests: 1 } }));
    two.send(reportOf("two", { [A]: { requests: 5 } }));
    three.send(reportOf("three", {}));
    await accepted(3);
    feed.publish(tableOf(1n));
    await Promise.all([one, two, three].map((peer) => peer.until(() => peer.received.length === 1)));
    const seen = [one, two, three].map((peer) => [
      remoteRequests(peer.received[0]!, A),
      remoteRequests(peer.received[0]!, B),
    ]);
    assert.deepEqual(seen, [
      [5, 0],
      [3, 1],
      [8, 1],
    ]);
  });

  it("counts two streams of one node once, by its newest report", async () => {
    const [one, again, other] = [dial(), dial(), dial()];
    one.send(reportOf("one", { [A]: { requests: 3 } }));
    await accepted(1);
    again.send(reportOf("one", { [A]: { requests: 4 } }));
    other.send(reportOf("two", {}));
    await accepted(3);
    feed.publish(tableOf(1n));
    await other.until(() => other.received.length === 1);
    assert.equal(remoteRequests(other.received[0]!, A), 4);
  });

  it("forgets an Envoy's load three seconds after its stream ended", async () => {
    const [one, two] = [dial(), dial()];
    one.send(reportOf("one", { [A]: { requests: 3 } }));
    two.send(reportOf("two", {}));
    await accepted(2);
    one.close();
    while (timers.length === 0) await new Promise((resolve) => setImmediate(resolve));
    feed.publish(tableOf(1n));
    await two.until(() => two.received.length === 1);
    assert.equal(remoteRequests(two.received[0]!, A), 3);
    for (const expire of timers.splice(0)) expire();
    feed.publish(tableOf(2n));
    await two.until(() => two.received.length === 2);
    assert.equal(remoteRequests(two.received[1]!, A), undefined);
  });

  it("moves its revision only when what others must know has changed", async () => {
    const [one, two] = [dial(), dial()];
    one.send(reportOf("one", { [A]: { requests: 1 } }));
    two.send(reportOf("two", { [A]: { requests: 1 } }));
    await accepted(2);
    const before = feed.remoteRevision;
    one.send(reportOf("one", { [A]: { requests: 1, picks: 9n } }));
    await accepted(3);
    assert.equal(feed.remoteRevision, before);
    one.send(reportOf("one", { [A]: { requests: 2 } }));
    await accepted(4);
    assert.notEqual(feed.remoteRevision, before);
  });

  it("adds picks over nodes and generations, and only of endpoints that exist", async () => {
    feed.publish(tableOf(1n));
    const peer = dial();
    peer.send(reportOf("one", { [A]: { picks: 5n }, "10.9.9.9:1": { picks: 5n } }));
    peer.send(reportOf("one", { [A]: { picks: 7n } }));
    peer.send(reportOf("one", { [A]: { picks: 2n } }, { generation: 2n }));
    await accepted(3);
    assert.equal(feed.picksOf(fnv1a64(A)), 9n);
    assert.equal(feed.picksOf(fnv1a64("10.9.9.9:1")), 0n);
  });

  it("skips to the newest table for a receiver that does not read", async () => {
    // 8,192 rows: some 1.3 MB, far above HTTP/2's windows.
    const many = Array.from({ length: 8192 }, (_, index) =>
      testEndpoint("chat", `10.1.${index >> 8}.${index & 255}`, 80),
    );
    const peer = dial();
    peer.call.pause();
    while (feed.counters().streams < 1) await new Promise((resolve) => setImmediate(resolve));
    for (let sequence = 1n; sequence <= 20n; sequence++) {
      feed.publish(tableOf(sequence, many));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(feed.counters().tablesSkipped > 10, `${feed.counters().tablesSkipped} skipped`);
    peer.call.resume();
    await peer.until(() => peer.received.length > 0 && sequences(peer).at(-1) === 20n);
    assert.ok(peer.received.length <= 5, `${peer.received.length} received`);
  });

  it("ends a stream that sends nothing but garbage, and no other", async () => {
    const [bad, good] = [dial(), dial()];
    for (let index = 0; index < 9; index++) bad.send(new Uint8Array(100).fill(index));
    await bad.until(() => bad.ended !== undefined);
    assert.equal(bad.ended?.code, status.INVALID_ARGUMENT);
    assert.deepEqual(
      troubles.map((trouble) => trouble.ended),
      [false, true],
    );
    feed.publish(tableOf(1n));
    await good.until(() => good.received.length === 1);
  });

  it("hands on accounts as they come, and refuses what cannot be read", async () => {
    const peer = dial();
    peer.send(encodeAccounts(message(1n)));
    peer.send(encodeAccounts(message(3n)).subarray(0, 100));
    peer.send(reportOf("one", { [A]: { requests: 3 } }));
    await accepted(1);
    assert.deepEqual(accounts, [message(1n)]);
    const { accountsAccepted, accountsRefused, reportsRefused } = feed.counters();
    assert.deepEqual([accountsAccepted, accountsRefused, reportsRefused], [1, 1, 0]);
    assert.deepEqual(
      troubles.map(({ ended }) => ended),
      [false],
    );
    assert.deepEqual(
      feed.reports().map(({ node }) => node),
      ["one"],
    );
  });

  it("goes on where there is no room for accounts, says so once, and forgives nothing for them", async () => {
    const peer = dial();
    const refused = encodeAccounts(message(1n)).subarray(0, 100);
    for (let index = 0; index < 8; index++) peer.send(refused);
    for (let vm = 0n; vm < 20n; vm++) peer.send(encodeAccounts(message(vm, "unwelcome")));
    while (feed.counters().accountsWithoutRoom < 20) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(feed.counters().accountsRefused, 8);
    assert.equal(troubles.filter(({ reason, ended }) => reason === "no room" && !ended).length, 1);
    assert.equal(feed.counters().streams, 1);
    peer.send(refused);
    await peer.until(() => peer.ended !== undefined);
    assert.equal(peer.ended?.code, status.INVALID_ARGUMENT);
  });

  it("bears a report that it cannot read", async () => {
    const peer = dial();
    peer.send(new Uint8Array(3));
    peer.send(reportOf("one", {}));
    await accepted(1);
    assert.equal(feed.counters().reportsRefused, 1);
    feed.publish(tableOf(1n));
    await peer.until(() => peer.received.length === 1);
  });

  it("ends a stream that floods", async () => {
    const peer = dial();
    const report = reportOf("one", {});
    for (let index = 0; index < 5000; index++) peer.send(report);
    await peer.until(() => peer.ended !== undefined);
    assert.equal(peer.ended?.code, status.RESOURCE_EXHAUSTED);
    assert.ok(feed.counters().reportsAccepted < 2000);
  });

  it("ends a stream that sends more than 4 MiB at once", async () => {
    const peer = dial();
    peer.send(new Uint8Array(4 * 1024 * 1024 + 1));
    await peer.until(() => peer.ended !== undefined);
    assert.equal(peer.ended?.code, status.RESOURCE_EXHAUSTED);
    assert.equal(feed.counters().reportsAccepted, 0);
  });
});
