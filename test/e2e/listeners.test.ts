import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { freePorts, Processes } from "../../controller/src/cli/processes.ts";
import { endpointRow, poolRow } from "../emulator/filter-rig.ts";
import { Backend } from "./backend.ts";
import { request } from "./client.ts";
import { FakeController } from "./fake-controller.ts";
import { until } from "./harness.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(ROOT, "build/e2e/listeners");
const ENVOY = process.env.ENVOY ?? join(ROOT, "build/envoy/envoy");
const WASM = process.env.FILTER_WASM ?? join(ROOT, "build/inference-picker.wasm");
const BODY = JSON.stringify({ model: "llama", prompt: "hello" });

/**
 * Two listeners whose filters share a VM, as Istio and hand-written configurations have them: of different
 * generations, fed by different controllers, with picks that leave in different ways.
 */
interface Listener {
  readonly name: string;
  readonly port: number;
  readonly pick: string;
  readonly generation: number;
}

const ended: string[] = [];
const processes = new Processes(FOLDER);
let backend: Backend;
let higher: Listener;
let lower: Listener;
let feeds: { readonly higher: FakeController; readonly lower: FakeController };

before(async () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  backend = await Backend.start();
  const pools = [
    poolRow({
      name: "default/test",
      clusters: ["models"],
      readBody: true,
      staleAfterMs: 3_600_000,
      endpoints: [endpointRow(backend.address)],
    }),
  ];
  feeds = { higher: await FakeController.start(2n, pools), lower: await FakeController.start(1n, pools) };
  const [higherPort, lowerPort] = await freePorts(2);
  higher = { name: "higher", port: higherPort!, pick: "property", generation: 5 };
  lower = { name: "lower", port: lowerPort!, pick: "header", generation: 3 };
  listen([higher, lower]);
  const bootstrap = join(FOLDER, "envoy.yaml");
  writeFileSync(
    bootstrap,
    stringify({
      node: { id: "listeners", cluster: "test" },
      dynamic_resources: { lds_config: { path_config_source: { path: lds() } } },
      static_resources: {
        clusters: [
          cluster("models", Number(backend.address.split(":")[1])),
          cluster("higher", feeds.higher.port, true),
          cluster("lower", feeds.lower.port, true),
        ],
      },
    }),
  );
  const flags = ["--disable-hot-restart", "--drain-time-s", "1", "--file-flush-interval-msec", "50"];
  const args = ["-c", bootstrap, "--concurrency", "2", "-l", "warning", ...flags];
  processes.start("envoy", ENVOY, args, (why) => ended.push(why));
});

after(async () => {
  await processes.stop();
  for (const feed of Object.values(feeds)) feed.stop();
  await backend.stop();
});

function lds(): string {
  return join(FOLDER, "listeners.json");
}

function listen(listeners: readonly Listener[]): void {
  const type = "type.googleapis.com/envoy.config.listener.v3.Listener";
  const resources = listeners.map((listener) => ({ "@type": type, ...resourceOf(listener) }));
  writeFileSync(`${lds()}.part`, JSON.stringify({ version_info: String(listeners.length), resources }));
  renameSync(`${lds()}.part`, lds());
}

function address(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}

function cluster(name: string, port: number, http2 = false): object {
  const type = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
  return {
    name,
    connect_timeout: "1s",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
    ...(http2
      ? {
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": type,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }
      : {}),
  };
}

function resourceOf({ name, port, pick, generation }: Listener): object {
  const google = "type.googleapis.com";
  const configuration = { generation, feeds: [{ cluster: name }], node: name, pick };
  const wasm = {
    "@type": `${google}/envoy.extensions.filters.http.wasm.v3.Wasm`,
    config: {
      name: "inference-picker",
      root_id: "inference-picker",
      vm_config: {
        vm_id: "listeners",
        runtime: "envoy.wasm.runtime.v8",
        code: { local: { filename: WASM } },
      },
      configuration: {
        "@type": `${google}/google.protobuf.StringValue`,
        value: JSON.stringify(configuration),
      },
      allow_on_headers_stop_iteration: true,
    },
  };
  const manager = {
    "@type": `${google}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    route_config: {
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "models" } }] },
      ],
    },
    http_filters: [
      { name: "inference-picker", typed_config: wasm },
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": `${google}/envoy.extensions.filters.http.router.v3.Router` },
      },
    ],
    access_log: [
      {
        name: "envoy.access_loggers.file",
        typed_config: {
          "@type": `${google}/envoy.extensions.access_loggers.file.v3.FileAccessLog`,
          path: join(FOLDER, "access.log"),
          log_format: {
            text_format_source: {
              inline_string: `${name} header=%REQ(X-GATEWAY-DESTINATION-ENDPOINT)% property=%FILTER_STATE(wasm.pick:PLAIN)%\n`,
            },
          },
        },
      },
    ],
  };
  return {
    name,
    address: address(port),
    filter_chains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] },
    ],
  };
}

async function ask({ port }: Listener): Promise<number | undefined> {
  assert.deepEqual(ended, []);
  return request(port, { body: BODY }).then(
    ({ status }) => status,
    () => undefined,
  );
}

function logged(): readonly string[] {
  return readFileSync(join(FOLDER, "access.log"), "utf8").trim().split("\n");
}

test("each listener gets its picks in its own way; when one goes, the other's settings rule", async () => {
  await until("both listeners answer", async () => (await ask(higher)) === 200 && (await ask(lower)) === 200);
  await until("a table is there", () => feeds.higher.reports.some((report) => report.sequence > 0n));
  const before = await until("what was asked so far is logged", async () => {
    await ask(lower);
    return logged().some((line) => line.includes(backend.address)) ? logged().length : undefined;
  });
  for (let i = 0; i < 20; i++) {
    assert.equal(await ask(higher), 200);
    assert.equal(await ask(lower), 200);
  }
  const expected = (listener: Listener) =>
    listener.pick === "header"
      ? `${listener.name} header=${backend.address} property=-`
      : `${listener.name} header=- property=${backend.address}`;
  const lines = await until("the access log is complete", () => {
    const found = logged().slice(before);
    return found.length >= 40 ? found : undefined;
  });
  assert.deepEqual([...new Set(lines.slice(-40))].sort(), [expected(higher), expected(lower)]);
  assert.equal(feeds.lower.opened, 0, "the higher generation's controller alone is dialled");

  listen([lower]);
  const reported = await until("the lower one's controller is reported to", () => feeds.lower.reports.at(-1));
  assert.deepEqual([reported.node, reported.generation], ["lower", 3n]);
  const after = logged().length;
  for (let i = 0; i < 20; i++) assert.equal(await ask(lower), 200);
  const late = await until("the access log is complete", () => {
    const found = logged().slice(after);
    return found.length >= 20 ? found : undefined;
  });
  assert.deepEqual([...new Set(late.slice(-20))], [expected(lower)]);
  assert.deepEqual(ended, []);
});
