/** The Envoys that the benchmark compares: the product's own gateway, and the same gateway without the picker. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { freePorts, Processes } from "../../controller/src/cli/processes.ts";
import { envoyFlags, startStack } from "../../controller/src/cli/stack.ts";
import { renderBootstrap } from "../../controller/src/xds/bootstrap.ts";

export interface BenchEnvoy {
  readonly port: number;
  /** CPU time of all its threads so far, ns. */
  cpuNs(): number;
  stop(): Promise<void>;
}

const FOLDER = "build/bench";
/** One worker: the second core is for client and endpoints. */
const WORKERS = 1;

/** The whole product: controller, feed, ADS, filter, strip, access log. `pools` is a pools file's content. */
export async function startPicker(name: string, pools: unknown): Promise<BenchEnvoy> {
  const folder = join(FOLDER, name);
  mkdirSync(folder, { recursive: true });
  const poolsFile = join(folder, "pools.yaml");
  writeFileSync(poolsFile, stringify(pools));
  const [gateway, admin, controller, status] = await freePorts(4);
  const stack = await startStack(
    {
      folder,
      ports: { gateway: gateway!, admin: admin!, controller: controller!, status: status! },
      envoy: envoyPath(),
      wasmFile: process.env.FILTER_WASM ?? "build/inference-picker.wasm",
      workers: WORKERS,
      backends: { poolsFile },
    },
    (why) => console.error(why),
  );
  killOnExit(folder);
  const pid = envoyOf(folder);
  return { port: gateway!, cpuNs: () => cpuNsOf(pid), stop: () => stack.stop() };
}

export type PlainPolicy = "round_robin" | "override_host";

/**
 * The bootstrap of the product with its own listener, access log and limits, but a static cluster of
 * `addresses`, no picker and no strip. `override_host` follows the request's own pick header.
 */
export async function startPlain(
  name: string,
  addresses: readonly string[],
  policy: PlainPolicy,
): Promise<BenchEnvoy> {
  const folder = join(FOLDER, name);
  mkdirSync(folder, { recursive: true });
  const [gateway, admin] = await freePorts(2);
  const rendered = renderBootstrap(readFileSync("envoy/bootstrap.yaml", "utf8"), {
    nodeId: name,
    gateway: { host: "127.0.0.1", port: gateway! },
    admin: { host: "127.0.0.1", port: admin! },
    controller: { host: "127.0.0.1", port: 1 },
    accessLog: join(folder, "access.log"),
    maxHeapBytes: 2 ** 31,
    maxConnections: 20_000,
  });
  const config = join(folder, "envoy.yaml");
  writeFileSync(
    config,
    stringify(withoutPicker(parse(rendered, { merge: true }), addresses, policy), {
      aliasDuplicateObjects: false,
    }),
  );
  const processes = new Processes(folder);
  const child = processes.start("envoy", envoyPath(), ["-c", config, ...envoyFlags(WORKERS)], (why) =>
    console.error(why),
  );
  killOnExit(folder);
  await listening(child, `http://127.0.0.1:${admin}/ready`);
  const pid = child.pid!;
  return { port: gateway!, cpuNs: () => cpuNsOf(pid), stop: () => processes.stop() };
}

function withoutPicker(bootstrap: Bootstrap, addresses: readonly string[], policy: PlainPolicy): unknown {
  const manager = bootstrap.static_resources.listeners[0]!.filter_chains[0]!.filters[0]!.typed_config;
  const router = manager.http_filters.filter(({ name }) => name === "envoy.filters.http.router");
  const { rds: _, early_header_mutation_extensions: mutations, ...kept } = manager;
  const roundRobin = lbPolicy("round_robin", "round_robin.v3.RoundRobin", {});
  return {
    node: bootstrap.node,
    admin: bootstrap.admin,
    overload_manager: bootstrap.overload_manager,
    static_resources: {
      listeners: [
        {
          ...bootstrap.static_resources.listeners[0],
          filter_chains: [
            {
              filters: [
                {
                  name: "envoy.filters.network.http_connection_manager",
                  typed_config: {
                    ...kept,
                    ...(policy === "round_robin" ? { early_header_mutation_extensions: mutations } : {}),
                    http_filters: router,
                    route_config: {
                      name: "gateway",
                      virtual_hosts: [
                        {
                          name: "gateway",
                          domains: ["*"],
                          routes: [
                            {
                              match: { prefix: "/" },
                              request_body_buffer_limit: 16_777_216,
                              route: { cluster: "endpoints", timeout: "0s", retry_policy: RETRY_POLICY },
                            },
                          ],
                        },
                      ],
                    },
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: "endpoints",
          type: "STATIC",
          connect_timeout: "1s",
          ignore_health_on_host_removal: true,
          circuit_breakers: {
            thresholds: [
              {
                max_connections: 1_000_000,
                max_pending_requests: 1_000_000,
                max_requests: 1_000_000,
                retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 16 },
              },
            ],
          },
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              common_http_protocol_options: { idle_timeout: "4s" },
              explicit_http_config: { http_protocol_options: {} },
            },
          },
          load_balancing_policy: {
            policies: [
              policy === "round_robin"
                ? roundRobin
                : lbPolicy("override_host", "override_host.v3.OverrideHost", {
                    override_host_sources: [{ header: "x-gateway-destination-endpoint" }],
                    fallback_policy: { policies: [roundRobin] },
                  }),
            ],
          },
          load_assignment: {
            cluster_name: "endpoints",
            endpoints: [
              {
                lb_endpoints: addresses.map((address) => ({ endpoint: { address: socketAddress(address) } })),
              },
            ],
          },
        },
      ],
    },
  };
}

/** The retry policy that the product's routes carry, so that both gateways keep a body for a retry. */
const RETRY_POLICY = {
  retry_on: "connect-failure,refused-stream,reset,retriable-status-codes",
  retriable_status_codes: [429, 500, 502, 503],
  num_retries: 2,
};

/** Nothing that was started in `folder` outlives the benchmark, however it ends. */
function killOnExit(folder: string): void {
  process.once("exit", () => {
    for (const { pid } of startedIn(folder)) process.kill(pid, "SIGKILL");
  });
}

function startedIn(folder: string): readonly { readonly pid: number }[] {
  return JSON.parse(readFileSync(join(folder, "pids.json"), "utf8")) as readonly { readonly pid: number }[];
}

interface Bootstrap {
  readonly node: unknown;
  readonly admin: unknown;
  readonly overload_manager: unknown;
  readonly static_resources: {
    readonly listeners: readonly {
      readonly filter_chains: readonly {
        readonly filters: readonly {
          readonly typed_config: {
            readonly rds: unknown;
            readonly early_header_mutation_extensions: unknown;
            readonly http_filters: readonly { readonly name: string }[];
          };
        }[];
      }[];
    }[];
  };
}

function lbPolicy(name: string, type: string, config: object): unknown {
  return {
    typed_extension_config: {
      name: `envoy.load_balancing_policies.${name}`,
      typed_config: {
        "@type": `type.googleapis.com/envoy.extensions.load_balancing_policies.${type}`,
        ...config,
      },
    },
  };
}

function socketAddress(address: string): unknown {
  const colon = address.lastIndexOf(":");
  return {
    socket_address: { address: address.slice(0, colon), port_value: Number(address.slice(colon + 1)) },
  };
}

function envoyPath(): string {
  return process.env.ENVOY ?? "build/envoy/envoy";
}

/** Nanoseconds of CPU over all threads: `/proc/<pid>/task/<tid>/schedstat`, first field. */
function cpuNsOf(pid: number): number {
  let sum = 0;
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, "utf8").split(" ")[0]);
  }
  return sum;
}

/** The Envoy among the processes that were started in `folder`. */
function envoyOf(folder: string): number {
  const found = startedIn(folder).find(({ pid }) =>
    readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("envoy"),
  );
  if (found === undefined) throw new Error(`no Envoy among the processes of ${folder}`);
  return found.pid;
}

async function listening(child: ChildProcess, readyUrl: string): Promise<void> {
  while (child.exitCode === null) {
    try {
      if ((await fetch(readyUrl)).ok) return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`Envoy ended with exit code ${child.exitCode}`);
}
