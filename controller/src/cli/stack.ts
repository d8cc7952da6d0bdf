import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { Processes } from "./processes.ts";
import { claimFolder, releaseFolder } from "./run-folder.ts";
import { type FleetServer, simulatedPool } from "./simulated-pool.ts";

const READY_WITHIN_MS = 30_000;
const POLL_MS = 20;
const ANSWER_WITHIN_MS = 2000;

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
  /** Runs when what an earlier run left is gone and before anything is started. */
  readonly beforeStart?: () => Promise<void>;
  /** Ends the start: what was started is stopped, and the promise rejects. */
  readonly abort?: AbortSignal;
  /** The process whose end makes this run a leftover for the next one to end; absent: none. */
  readonly launcherPid?: number;
  /** A pools file of the user's, or servers that are simulated and a pool made of them. */
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
  /** Model to ask for with a request: the first that a pool names; absent where none does. */
  readonly model: string | undefined;
  stop(): Promise<void>;
}

/**
 * Brings up model servers (unless the user has some), the controller and Envoy, in that order, each as
 * soon as it can be; resolves when the gateway routes.
 *
 * @param onExit hears of a process that ended though nobody asked, during the start too
 * @throws Error that names what ended or did not become ready, and its log; also when aborted, and when
 * another run goes on in the folder.
 */
export async function startStack(options: StackOptions, onExit: (why: string) => void): Promise<Stack> {
  const { folder, abort } = options;
  const killed = await claimFolder(folder, process.pid, options.launcherPid);
  if (killed > 0) {
    process.stderr.write(`ended ${killed} process${killed === 1 ? "" : "es"} that an earlier run had left\n`);
  }
  const processes = new Processes(folder);
  // Whatever ends this process, it leaves nothing: the last resort after an error that nobody caught.
  const kill = () => processes.kill();
  process.once("exit", kill);
  const stop = async () => {
    await processes.stop();
    process.off("exit", kill);
    releaseFolder(folder);
  };
  let failure: string | undefined;
  const ended = (why: string) => {
    failure ??= why;
    onExit(why);
  };
  const until = (what: string, holds: () => Promise<boolean> | boolean) =>
    waitFor(what, holds, () => {
      abort?.throwIfAborted();
      if (failure !== undefined) throw new Error(failure);
    });
  try {
    await options.beforeStart?.();
    abort?.throwIfAborted();
    const backends = await startBackends(options, processes, ended, until);
    const bootstrap = join(folder, "envoy.yaml");
    const accessLog = join(folder, "access.log");
    for (const stale of [bootstrap, accessLog]) rmSync(stale, { force: true });
    const { ports } = options;
    const statusUrl = `http://127.0.0.1:${ports.status}`;
    const adminUrl = `http://127.0.0.1:${ports.admin}`;
    processes.start(
      "controller",
      process.execPath,
      [
        "build/js/inference-picker.js",
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
    processes.start("envoy", options.envoy, ["-c", bootstrap, ...envoyFlags(options.workers)], ended);
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
      model: await firstModel(statusUrl),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Command-line flags of every Envoy that is started here, but for its configuration. */
export function envoyFlags(workers: number): readonly string[] {
  return [
    ...["--concurrency", String(workers), "--disable-hot-restart", "-l", "warning"],
    // The live table reads the access log; Envoy's default writes it every ten seconds.
    ...["--file-flush-interval-msec", "250"],
  ];
}

type Until = (what: string, holds: () => Promise<boolean> | boolean) => Promise<void>;

async function startBackends(
  options: StackOptions,
  processes: Processes,
  ended: (why: string) => void,
  until: Until,
): Promise<Pick<Stack, "poolsFile" | "servers">> {
  if ("poolsFile" in options.backends) return { poolsFile: options.backends.poolsFile, servers: [] };
  const { count, basePort, speed } = options.backends.simulated;
  processes.start(
    "servers",
    process.execPath,
    [
      "build/js/model-servers.js",
      ...["--count", String(count), "--port", String(basePort), "--speed", String(speed)],
      ...["--models", "llama-3.1-8b", "--adapters", "sql-adapter,support-adapter"],
    ],
    ended,
  );
  let servers: readonly FleetServer[] | undefined;
  await until("the simulated model servers", () => {
    servers = fleetIn(readFileSync(processes.logFile("servers"), "utf8"));
    return servers !== undefined;
  });
  const poolsFile = join(options.folder, "pools.yaml");
  writeFileSync(poolsFile, stringify(simulatedPool(servers!)));
  return { poolsFile, servers: servers!.map(({ address }) => address) };
}

/** The servers of the line that says that all listen; undefined until it is there. */
function fleetIn(log: string): readonly FleetServer[] | undefined {
  const line = /^\{"ready":true,.*\}$/m.exec(log)?.[0];
  return line === undefined
    ? undefined
    : (JSON.parse(line) as { readonly servers: readonly FleetServer[] }).servers;
}

/** The first model that a pool of the controller's table names. */
async function firstModel(statusUrl: string): Promise<string | undefined> {
  const response = await fetch(`${statusUrl}/table`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  const view = (await response.json()) as {
    readonly pools: readonly { readonly models: readonly string[] }[];
  };
  return view.pools.flatMap(({ models }) => models)[0];
}

/** @param check throws what ends the waiting early */
async function waitFor(
  what: string,
  holds: () => Promise<boolean> | boolean,
  check: () => void,
): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await holds())) {
    check();
    if (performance.now() > deadline)
      throw new Error(`${what} did not become ready in ${READY_WITHIN_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  check();
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function text(url: string): Promise<string> {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })).text();
  } catch {
    return "";
  }
}
