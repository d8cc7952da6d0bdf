import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { type ChannelCredentials, credentials, status } from "@grpc/grpc-js";
import { encodeTable } from "../table/encode.ts";
import type { ServerTls } from "./certificate-files.ts";
import { FEED_SERVICE, FeedServer } from "./feed-server.ts";
import { type RpcServer, startRpcServer } from "./rpc-server.ts";
import { TestAuthority, type TestCertificate } from "./test-certificates.ts";
import { TestPeer } from "./test-peer.ts";
import { processTimer } from "../timer.ts";

type Peer = TestPeer<Uint8Array, Uint8Array>;

describe("the gRPC port", () => {
  let authority: TestAuthority;
  let stranger: TestAuthority;
  let own: TestCertificate;
  const opened: { close: () => void | Promise<void> }[] = [];

  before(() => {
    authority = new TestAuthority();
    stranger = new TestAuthority();
    own = authority.issue("DNS:localhost,IP:127.0.0.1");
  });
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  });
  after(() => {
    authority.remove();
    stranger.remove();
  });

  async function serve(tls: ServerTls | undefined): Promise<RpcServer> {
    const feed = new FeedServer({
      nowMs: () => 0,
      setTimer: processTimer,
      onAccounts: () => {},
      onTrouble: () => {},
    });
    feed.publish(encodeTable({ epoch: 1n, sequence: 1n, pools: [], routes: [] }));
    const server = await startRpcServer({
      host: "127.0.0.1",
      port: 0,
      tls,
      setTimer: processTimer,
      onCertificateError: () => {},
      services: [feed.service],
    });
    opened.push({ close: () => server.close(0) });
    return server;
  }

  function dial(server: RpcServer, channel: ChannelCredentials): Peer {
    const peer: Peer = new TestPeer(server.port, channel, FEED_SERVICE, "Stream", "localhost");
    opened.push(peer);
    return peer;
  }

  const tlsClient = (trust: TestAuthority, shown?: TestCertificate): ChannelCredentials =>
    credentials.createSsl(
      readFileSync(trust.caFile),
      shown === undefined ? null : readFileSync(shown.keyFile),
      shown === undefined ? null : readFileSync(shown.certFile),
    );
  const served = (peer: Peer) => peer.until(() => peer.received.length === 1);
  const refused = async (peer: Peer): Promise<void> => {
    await peer.until(() => peer.ended !== undefined);
    assert.equal(peer.ended?.code, status.UNAVAILABLE);
    assert.equal(peer.received.length, 0);
  };

  it("with TLS serves who trusts its certificate, and nobody in plain text", async () => {
    const server = await serve(own);
    await served(dial(server, tlsClient(authority)));
    await refused(dial(server, tlsClient(stranger)));
    await refused(dial(server, credentials.createInsecure()));
  });

  it("with mutual TLS serves only who shows a certificate of its clients' authority", async () => {
    const server = await serve({ ...own, clientCaFile: authority.caFile });
    await served(dial(server, tlsClient(authority, authority.issue("DNS:envoy"))));
    await refused(dial(server, tlsClient(authority, stranger.issue("DNS:envoy"))));
    await refused(dial(server, tlsClient(authority)));
  });

  it("refuses to start with a certificate that it cannot read", async () => {
    await assert.rejects(serve({ certFile: join(authority.folder, "none"), keyFile: own.keyFile }), /ENOENT/);
  });

  it("refuses to start on a port that is taken", async () => {
    const server = await serve(undefined);
    await assert.rejects(
      startRpcServer({
        host: "127.0.0.1",
        port: server.port,
        setTimer: processTimer,
        onCertificateError: () => {},
        services: [],
      }),
      /EADDRINUSE|No address added/,
    );
  });

  it("cuts streams that outlive the grace", async () => {
    const server = await serve(undefined);
    const peer = dial(server, credentials.createInsecure());
    await served(peer);
    await server.close(10);
    await peer.until(() => peer.ended !== undefined);
  });
});
