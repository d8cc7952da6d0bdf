import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { type BootstrapSettings, renderBootstrap } from "./bootstrap.ts";

const TEMPLATE = readFileSync("envoy/bootstrap.yaml", "utf8");
const SETTINGS: BootstrapSettings = {
  nodeId: "gateway",
  gateway: { host: "0.0.0.0", port: 8080 },
  admin: { host: "127.0.0.1", port: 9901 },
  controller: { host: "127.0.0.1", port: 18000 },
  accessLog: "/dev/stdout",
  maxHeapBytes: 1 << 30,
  maxConnections: 1000,
};

interface Cluster {
  readonly name: string;
  readonly type: string;
  readonly transport_socket: { readonly name: string; readonly typed_config: unknown };
}

function clusters(settings: BootstrapSettings): readonly Cluster[] {
  return parse(renderBootstrap(TEMPLATE, settings)).static_resources.clusters;
}

describe("the bootstrap", () => {
  it("has no placeholder left and reaches the controller over two clusters", () => {
    const text = renderBootstrap(TEMPLATE, SETTINGS);
    assert.doesNotMatch(text.replaceAll(/^#.*$/gm, ""), /\$\{/);
    assert.deepEqual(
      clusters(SETTINGS).map(({ name, type }) => [name, type]),
      [
        ["inference-picker-ads", "STATIC"],
        ["inference-picker-feed", "STATIC"],
      ],
    );
  });

  it("resolves a controller's name", () => {
    const named = { ...SETTINGS, controller: { host: "controller.example", port: 1 } };
    assert.equal(clusters(named)[0]?.type, "STRICT_DNS");
  });

  it("checks the controller's certificate by the name dialled, or the one given", () => {
    const tls = { caFile: "/ca.pem", certFile: "/c.pem", keyFile: "/k.pem", insecureSkipVerify: false };
    const socket = (settings: BootstrapSettings) => clusters(settings)[1]?.transport_socket;
    assert.equal(socket(SETTINGS)?.name, "envoy.transport_sockets.raw_buffer");
    assert.match(
      JSON.stringify(socket({ ...SETTINGS, controllerTls: tls })),
      /"san_type":"IP_ADDRESS","matcher":\{"exact":"127.0.0.1"\}/,
    );
    assert.match(
      JSON.stringify(socket({ ...SETTINGS, controllerTls: { ...tls, serverName: "controller.example" } })),
      /"sni":"controller.example".*"san_type":"DNS","matcher":\{"exact":"controller.example"\}/,
    );
  });

  it("cannot be broken by what a setting holds", () => {
    const nodeId = `a" }, admin: \${X} \n- b: $&`;
    assert.equal(parse(renderBootstrap(TEMPLATE, { ...SETTINGS, nodeId })).node.id, nodeId);
  });

  it("with an unknown placeholder is refused", () => {
    assert.throws(() => renderBootstrap(`a: \${WHAT}`, SETTINGS), /unknown placeholder/);
  });
});
