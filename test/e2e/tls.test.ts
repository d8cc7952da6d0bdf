import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { type TestCertificate, TestAuthority } from "../../controller/src/push/test-certificates.ts";
import { FEED_CLUSTER } from "../../controller/src/xds/names.ts";
import { Backend } from "./backend.ts";
import { burst, request } from "./client.ts";
import { Gateway, type GatewayOptions, pool, until } from "./harness.ts";

const ADS_CLUSTER = "inference-picker-ads";
/** Refused so often, a dial will not succeed later. */
const DIALS = 3;

describe("TLS between Envoy and the controller", () => {
  let authority: TestAuthority;
  let stranger: TestAuthority;
  let server: TestCertificate;
  let client: TestCertificate;
  let backend: Backend;
  let gateway: Gateway | undefined;

  before(async () => {
    authority = new TestAuthority();
    stranger = new TestAuthority();
    server = authority.issue("IP:127.0.0.1,DNS:controller.test");
    client = authority.issue("DNS:envoy.test");
    backend = await Backend.start();
  });

  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
  });

  after(async () => {
    await backend?.stop();
    authority?.remove();
    stranger?.remove();
  });

  it("carries feed and ADS", async () => {
    gateway = await Gateway.start(options("tls", [...serverFlags(), "--envoy-ca", authority.caFile]));
    await works(gateway);
  });

  it("carries feed and ADS where both sides show a certificate", async () => {
    const flags = [...mutualFlags(), "--envoy-ca", authority.caFile, ...certificateFlags(client)];
    gateway = await Gateway.start(options("mtls", flags));
    await works(gateway);
  });

  it("checks the name that the operator gives", async () => {
    const named = ["--envoy-ca", authority.caFile, "--envoy-server-name", "controller.test"];
    gateway = await Gateway.start(options("tls-name", [...serverFlags(), ...named]));
    await works(gateway);
  });

  const refused: Readonly<Record<string, () => readonly string[]>> = {
    "an Envoy without a certificate": () => [...mutualFlags(), "--envoy-ca", authority.caFile],
    "an Envoy with a stranger's certificate": () => [
      ...[...mutualFlags(), "--envoy-ca", authority.caFile],
      ...certificateFlags(stranger.issue("DNS:envoy.test")),
    ],
    "an Envoy without TLS": () => serverFlags(),
    "a controller of a stranger's authority": () => [...serverFlags(), "--envoy-ca", stranger.caFile],
    "a controller of another name": () => [
      ...[...serverFlags(), "--envoy-ca", authority.caFile],
      ...["--envoy-server-name", "another.test"],
    ],
  };

  for (const [what, flags] of Object.entries(refused)) {
    it(`refuses ADS to ${what}`, async () => {
      gateway = await Gateway.prepare(options("tls-refused", flags()));
      await gateway.startController();
      await gateway.spawnEnvoy();
      await dialled(gateway, ADS_CLUSTER);
      assert.equal(
        (await gateway.stats("^cluster_manager\\.cds\\.update_success$")).values().next().value,
        0,
      );
      assert.match((await gateway.metrics()) ?? "", /^inference_picker_ads_streams 0$/m);
    });
  }

  it("refuses the feed to an Envoy that shows its certificate for ADS only", async () => {
    const flags = [...mutualFlags(), "--envoy-ca", authority.caFile, ...certificateFlags(client)];
    gateway = await Gateway.prepare({
      ...options("tls-feed", flags),
      editBootstrap: (text) => withoutCertificate(text, FEED_CLUSTER),
    });
    await gateway.startController();
    await gateway.startEnvoy();
    await dialled(gateway, FEED_CLUSTER);
    assert.equal(await gateway.stat("tables_accepted"), 0);
    assert.match((await gateway.metrics()) ?? "", /^inference_picker_ads_streams 1$/m);
    assert.match((await gateway.metrics()) ?? "", /^inference_picker_feed_streams 0$/m);
    const answer = await request(gateway.port);
    assert.equal(answer.status, 503);
    assert.equal(answer.headers["x-inference-picker-reason"], "no_table");
  });

  function options(name: string, controllerFlags: readonly string[]): GatewayOptions {
    return { name, pools: pool([backend]), controllerFlags };
  }

  function serverFlags(): readonly string[] {
    return ["--tls-cert", server.certFile, "--tls-key", server.keyFile];
  }

  function mutualFlags(): readonly string[] {
    return [...serverFlags(), "--tls-client-ca", authority.caFile];
  }
});

function certificateFlags(certificate: TestCertificate): readonly string[] {
  return ["--envoy-cert", certificate.certFile, "--envoy-key", certificate.keyFile];
}

async function works(gateway: Gateway): Promise<void> {
  for (const cluster of [ADS_CLUSTER, FEED_CLUSTER]) {
    const name = `cluster.${cluster}.ssl.handshake`;
    assert.ok(((await gateway.stats(name.replaceAll(".", "\\."))).get(name) ?? 0) > 0, name);
  }
  const { problems } = await burst(gateway.port, 20);
  assert.deepEqual(problems, []);
  await until("the feed reports upwards", async () => (await gateway.table())?.envoys.length === 1);
}

/** Waits until the cluster has dialled some times, which works no time. */
async function dialled(gateway: Gateway, cluster: string): Promise<void> {
  const name = `cluster.${cluster}.upstream_cx_total`;
  await until(`${cluster} is dialled`, async () => {
    return ((await gateway.stats(`^${name.replaceAll(".", "\\.")}$`)).get(name) ?? 0) >= DIALS;
  });
}

interface TlsCluster {
  readonly name: string;
  readonly transport_socket: {
    readonly typed_config: { readonly common_tls_context: { tls_certificates?: unknown } };
  };
}

function withoutCertificate(bootstrap: string, name: string): string {
  const parsed = parse(bootstrap) as { readonly static_resources: { readonly clusters: TlsCluster[] } };
  const cluster = parsed.static_resources.clusters.find((candidate) => candidate.name === name);
  assert.ok(cluster?.transport_socket.typed_config.common_tls_context.tls_certificates !== undefined);
  delete cluster.transport_socket.typed_config.common_tls_context.tls_certificates;
  return stringify(parsed);
}
