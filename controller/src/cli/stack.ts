import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { Processes } from "./processes.ts";

const READY_WITHIN_MS = 30_000;
const POLL_MS = 20;

export interface StackPorts {
  readonly gateway: number;
  readonly admin: number;
  /** ADS and feed. */
  readonly controller: number;
  /** Health, readiness, metrics, table. */
  readonly status: number;
}

export interface SimulatedServers {
  readonly count: number;
  /** The first one's; 0: each on any free port. */
  readonly basePort: number;
  /** Times as fast as the hardware that is modelled. */
  readonly speed: number;
}

export interface StackOptions {
  /** Logs, the access log and generated files; kept after the end. */
  readonly folder: string;
  readonly ports: StackPorts;
  readonly envoy: string;
  readonly wasmFile: string;
  /** Envoy's worker threads. */
  readonly workers: number;
  /** A pools file of the user's, or servers that are simulated and a pool made of them. */
  /** Runs when what an earlier run left is gone and before anything is started. */
  readonly beforeStart?: () => Promise<void>;
  readonly backends: { readonly poolsFile: string } | { readonly simulated: SimulatedServers };
}

export interface Stack {
  readonly gatewayUrl: string;
  readonly adminUrl: string;
  readonly statusUrl: string;
  readonly accessLog: string;
  readonly poolsFile: string;
  /** `ip:port` of the simulated servers; empty with a pools file of the user's. */
  readonly servers: readonly string[];
  /** Model to ask for with a request; absent with a pools file of the user's. */
  readonly model: string | undefined;
  stop(): Promise<void>;
}

/**
 * Brings up model servers (unless the user has some), the controller and Envoy, in that order, each as
 * soon as it can be; resolves when the gateway routes.
 *
 * @throws Error that names what ended or did not become ready, and its log.
 */
export async function startStack(options: StackOptions, onExit: (why: string) => void): Promise<Stack> {
  mkdirSync(options.folder, { recursive: true });
  const processes = new Processes(options.folder);
  const killed = await processes.endLeftovers();
  if (killed > 0) process.stderr.write(`ended ${killed} processes that an earlier run had left\n`);
  await options.beforeStart?.();
  let failure: string | undefined;
  const ended = (why: string) => {
    failure ??= why;
    onExit(why);
  };
  const until = (what: string, holds: () => Promise<boolean> | boolean) =>
    waitFor(what, holds, () => failure);
  try {
    const backends = await startBackends(options, processes, ended, until);
    const bootstrap = join(options.folder, "envoy.yaml");
    const accessLog = join(options.folder, "access.log");
    for (const stale of [bootstrap, accessLog]) rmSync(stale, { force: true });
    const { ports } = options;
    const statusUrl = `http://127.0.0.1:${ports.status}`;
    const adminUrl = `http://127.0.0.1:${ports.admin}`;
    processes.start(
      "controller",
      process.execPath,
      [
        ...["--import", "tsx", "controller/src/main.ts"],
        ...["--pools-file", backends.poolsFile],
        ...["--listen", `127.0.0.1:${ports.controller}`],
        ...["--web-listen", `127.0.0.1:${ports.status}`],
        ...["--wasm-file", options.wasmFile],
        ...["--bootstrap-out", bootstrap],
        ...["--gateway-listen", `127.0.0.1:${ports.gateway}`],
        ...["--admin-listen", `127.0.0.1:${ports.admin}`],
        ...["--access-log", accessLog],
      ],
      ended,
    );
    await until("the controller's bootstrap for Envoy", () => existsSync(bootstrap));
    processes.start(
      "envoy",
      options.envoy,
      [
        ...["-c", bootstrap, "--concurrency", String(options.workers)],
        ...["--disable-hot-restart", "-l", "warning", "--file-flush-interval-msec", "250"],
      ],
      ended,
    );
    await until("the controller", () => answers(`${statusUrl}/readyz`));
    await until("Envoy", () => answers(`${adminUrl}/ready`));
    await until("the filter's first table", async () => {
      const stats = await text(`${adminUrl}/stats?filter=tables_accepted`);
      return /tables_accepted: [1-9]/.test(stats);
    });
    return {
      gatewayUrl: `http://127.0.0.1:${ports.gateway}`,
      adminUrl,
      statusUrl,
      accessLog,
      ...backends,
      stop: () => processes.stop(),
    };
  } catch (error) {
    await processes.stop();
    throw error;
  }
}

type Until = (what: string, holds: () => Promise<boolean> | boolean) => Promise<void>;

async function startBackends(
  options: StackOptions,
  processes: Processes,
  ended: (why: string) => void,
  until: Until,
): Promise<Pick<Stack, "poolsFile" | "servers" | "model">> {
  if ("poolsFile" in options.backends) {
    return { poolsFile: options.backends.poolsFile, servers: [], model: undefined };
  }
  const { count, basePort, speed } = options.backends.simulated;
  const fleet = processes.start(
    "servers",
    process.execPath,
    [
      ...["--import", "tsx", "controller/src/simulation/serve.ts"],
      ...["--count", String(count), "--port", String(basePort), "--speed", String(speed)],
      ...["--models", "llama-3.1-8b", "--adapters", "sql-adapter,support-adapter"],
    ],
    ended,
  );
  let ready: FleetLine | undefined;
  readFirstLine(fleet, (line) => {
    ready = JSON.parse(line) as FleetLine;
  });
  await until("the simulated model servers", () => ready !== undefined);
  const servers = ready!.servers;
  const poolsFile = join(options.folder, "pools.yaml");
  writeFileSync(poolsFile, stringify(poolsOf(servers)));
  return { poolsFile, servers: servers.map(({ address }) => address), model: servers[0]!.models[0]! };
}

interface FleetLine {
  readonly servers: readonly {
    readonly name: string;
    readonly address: string;
    readonly models: readonly string[];
    readonly adapters: readonly string[];
  }[];
}

/** The embedded default: one pool of all simulated servers, read by body because they hold adapters. */
function poolsOf(servers: FleetLine["servers"]): unknown {
  const [first] = servers;
  return {
    pools: [
      {
        name: "simulated",
        models: [
          ...(first?.models ?? []).map((name) => ({ name })),
          ...(first?.adapters ?? []).map((name) => ({ name, adapter: true })),
        ],
        body: { read: "always" },
        endpoints: servers.map(({ name, address }) => ({ name, address })),
      },
    ],
  };
}

function readFirstLine(child: ChildProcess, take: (line: string) => void): void {
  let output = "";
  const onData = (chunk: Buffer) => {
    output += chunk.toString();
    const end = output.indexOf("\n");
    if (end < 0) return;
    child.stdout?.off("data", onData);
    take(output.slice(0, end));
  };
  child.stdout?.on("data", onData);
}

async function waitFor(
  what: string,
  holds: () => Promise<boolean> | boolean,
  failed: () => string | undefined,
): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await holds())) {
    const failure = failed();
    if (failure !== undefined) throw new Error(failure);
    if (performance.now() > deadline)
      throw new Error(`${what} did not become ready in ${READY_WITHIN_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function text(url: string): Promise<string> {
  try {
    return await (await fetch(url)).text();
  } catch {
    return "";
  }
}
