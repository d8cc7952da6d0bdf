import type { ChildProcess } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { type AccessLogEntry, AccessLogReader } from "../../controller/src/cli/access-log.ts";
import { freePorts, Processes } from "../../controller/src/cli/processes.ts";
import type { TableView } from "../../controller/src/web/table-view.ts";
import type { Backend } from "./backend.ts";
import { type Answer, request } from "./client.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENVOY = process.env.ENVOY ?? join(ROOT, "build/envoy/envoy");
const WASM = process.env.FILTER_WASM ?? join(ROOT, "build/inference-picker.wasm");
const POLL_MS = 10;
/** For what takes a moment on an idle machine: a deadline that only a fault reaches. */
const DEADLINE_MS = 20_000;

/** Children of this process that live: they are in groups of their own, and would outlive an interrupted run. */
const running = new Set<ChildProcess>();

function endRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

process.once("exit", endRunning);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    endRunning();
    process.exit(1);
  });
}

/** Waits until `holds` gives something other than undefined, null or false. @throws Error that says what did not happen. */
export async function until<Value>(
  what: string,
  holds: () => Promise<Value | undefined | null | false> | Value | undefined | null | false,
  withinMs = DEADLINE_MS,
): Promise<Value> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await holds();
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export interface GatewayOptions {
  /** Names the folder of logs and generated files, `build/e2e/<name>`. */
  readonly name: string;
  /** Of the pools file; see `pool`. Absent: none is written, and flags name another source. */
  readonly pools?: PoolsFile;
  /** Default 2. */
  readonly workers?: number;
  /** Further flags of every controller. */
  readonly controllerFlags?: readonly string[];
  /** Changes Envoy's configuration before Envoy reads it. */
  readonly editBootstrap?: (text: string) => string;
}

/** A pools file as it will be written; what the schema refuses is the controller's to refuse. */
export interface PoolsFile {
  readonly pools: readonly object[];
  readonly routes?: readonly object[];
}

/** One line of Envoy's access log. */
export interface LoggedRequest extends AccessLogEntry {
  readonly method: string;
  readonly path: string;
  readonly protocol: string;
  readonly flags: string;
  readonly details: string;
  /** Times that Envoy sent the request to an endpoint. */
  readonly attempts: number;
}

/** One pool named `test` of the given backends, scraped every 200 ms, with what `more` says beyond. */
export function pool(backends: readonly Backend[], more: object = {}): PoolsFile {
  return {
    pools: [
      {
        name: "test",
        scrape: { interval: "200ms" },
        endpoints: backends.map(({ address }) => address),
        ...more,
      },
    ],
  };
}

/** A controller beside the first. */
export interface Replica {
  readonly child: ChildProcess;
  /** Its metrics page; undefined while it does not answer. */
  readonly metrics: () => Promise<string | undefined>;
}

/** Controller and Envoy with the built filter, each of which a test can start, kill and start again. */
export class Gateway {
  readonly folder: string;
  readonly poolsFile: string;
  readonly accessLog: string;
  readonly wasmFile: string;
  readonly bootstrap: string;
  controller: ChildProcess | undefined;
  envoy: ChildProcess | undefined;
  /** The gateway's port, for clients of the tests' own. */
  readonly port: number;
  readonly rpcPort: number;
  readonly adminPort: number;
  private readonly options: GatewayOptions;
  private readonly processes: Processes;
  private readonly webPort: number;
  private readonly log: AccessLogReader;
  private readonly entries: LoggedRequest[] = [];
  private starts = 0;
  /** Ends that no test asked for. */
  private readonly ends: string[] = [];

  private constructor(options: GatewayOptions, ports: readonly number[]) {
    [this.port, this.adminPort, this.rpcPort, this.webPort] = ports as [number, number, number, number];
    this.options = options;
    this.folder = join(ROOT, "build/e2e", options.name);
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true });
    this.processes = new Processes(this.folder);
    this.poolsFile = join(this.folder, "pools.yaml");
    this.accessLog = join(this.folder, "access.log");
    this.bootstrap = join(this.folder, "envoy.yaml");
    // A copy: a module built anew during the test would be swapped in.
    this.wasmFile = join(this.folder, "filter.wasm");
    copyFileSync(WASM, this.wasmFile);
    this.log = new AccessLogReader(this.accessLog);
    if (options.pools !== undefined) this.writePools(options.pools);
  }

  /** Prepares ports and files; nothing runs yet. */
  static async prepare(options: GatewayOptions): Promise<Gateway> {
    return new Gateway(options, await freePorts(4));
  }

  /** Both processes, up to the filter's first table in every worker. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const gateway = await Gateway.prepare(options);
    try {
      await gateway.startController();
      await gateway.startEnvoy();
      await gateway.picking();
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    return gateway;
  }

  /** An Envoy with the first one's configuration under another name, on ports of its own, fed by the first one's controller. */
  static async startBeside(first: Gateway, options: GatewayOptions): Promise<Gateway> {
    const gateway = await Gateway.prepare(options);
    try {
      const text = readFileSync(first.bootstrap, "utf8")
        .replace('id: "gateway"', 'id: "gateway-2"')
        .replaceAll(`port_value: ${first.port} `, `port_value: ${gateway.port} `)
        .replaceAll(`port_value: ${first.adminPort} `, `port_value: ${gateway.adminPort} `)
        .replaceAll(first.accessLog, gateway.accessLog);
      writeFileSync(gateway.bootstrap, text);
      await gateway.startEnvoy();
      await gateway.picking();
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Replaces the pools file at once, as an editor does. */
  writePools(pools: PoolsFile | string): void {
    const text = typeof pools === "string" ? pools : stringify(pools);
    writeFileSync(`${this.poolsFile}.part`, text);
    renameSync(`${this.poolsFile}.part`, this.poolsFile);
  }

  /** Starts a controller on this gateway's ports; resolves when it is ready. `flags` come last. */
  async startController(flags: readonly string[] = []): Promise<ChildProcess> {
    const child = this.spawnController(flags);
    await until("the controller is ready", async () => {
      this.mustRun(child, "controller");
      return (await this.page(this.webPort, "/readyz")) !== undefined;
    });
    return child;
  }

  /** Starts a controller and does not wait. */
  spawnController(flags: readonly string[] = []): ChildProcess {
    const args = this.controllerArgs(this.rpcPort, this.webPort, flags);
    this.controller = this.spawn("controller", process.execPath, args);
    return this.controller;
  }

  /** Starts a second controller with the same flags on other ports; resolves when it is ready. */
  async startReplica(rpcPort: number, webPort: number): Promise<Replica> {
    const child = this.spawn("controller", process.execPath, this.controllerArgs(rpcPort, webPort, []));
    const metrics = () => this.page(webPort, "/metrics");
    await until("the replica is ready", async () => {
      this.mustRun(child, "controller");
      return (await this.page(webPort, "/readyz")) !== undefined;
    });
    return { child, metrics };
  }

  private controllerArgs(rpcPort: number, webPort: number, flags: readonly string[]): readonly string[] {
    return [
      join(ROOT, "build/js/inference-picker.js"),
      ...(existsSync(this.poolsFile) ? ["--pools-file", this.poolsFile] : []),
      ...["--listen", `127.0.0.1:${rpcPort}`, "--web-listen", `127.0.0.1:${webPort}`],
      ...["--wasm-file", this.wasmFile],
      // Only the first controller's is the gateway's.
      ...(rpcPort === this.rpcPort ? ["--bootstrap-out", this.bootstrap] : []),
      ...["--gateway-listen", `127.0.0.1:${this.port}`, "--admin-listen", `127.0.0.1:${this.adminPort}`],
      ...["--access-log", this.accessLog],
      ...["--bootstrap-template", join(ROOT, "envoy/bootstrap.yaml")],
      ...(this.options.controllerFlags ?? []),
      ...flags,
    ];
  }

  /** Starts Envoy with the bootstrap that a controller has written; resolves when it is live. */
  async startEnvoy(): Promise<ChildProcess> {
    const child = await this.spawnEnvoy();
    await until("Envoy is live", async () => {
      this.mustRun(child, "envoy");
      return (await this.page(this.adminPort, "/ready")) !== undefined;
    });
    return child;
  }

  /** Starts Envoy and does not wait until it is live, which it may never be. */
  async spawnEnvoy(): Promise<ChildProcess> {
    await until("Envoy's configuration is written", () => existsSync(this.bootstrap));
    const edit = this.options.editBootstrap;
    if (edit !== undefined) writeFileSync(this.bootstrap, edit(readFileSync(this.bootstrap, "utf8")));
    const args = [
      ...["-c", this.bootstrap, "--concurrency", String(this.options.workers ?? 2)],
      ...["--disable-hot-restart", "-l", "warning", "--file-flush-interval-msec", "50"],
    ];
    this.envoy = this.spawn("envoy", ENVOY, args);
    return this.envoy;
  }

  /** Resolves when a table is in every VM and the endpoints are in Envoy's cluster. */
  async picking(): Promise<void> {
    await until("the filter has a table", async () => (await this.stat("tables_accepted")) > 0);
    // A worker without a table, or a cluster without hosts, answers 503: both have caught up after a run without one.
    let inARow = 0;
    await until("requests are picked", async () => {
      const { status } = await request(this.port, { method: "GET", path: "/warm-up" });
      inARow = status === 503 ? 0 : inARow + 1;
      return inARow >= 2 * (this.options.workers ?? 2);
    });
  }

  /** Ends a process that this gateway started, by SIGKILL unless told otherwise, and waits for its end. */
  async end(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** Ends everything; the folder with the logs stays. */
  async stop(): Promise<void> {
    await this.processes.stop();
  }

  /** The controller's view of its table; undefined while it does not answer. */
  async table(): Promise<TableView | undefined> {
    const text = await this.page(this.webPort, "/table");
    return text === undefined ? undefined : (JSON.parse(text) as TableView);
  }

  /** The controller's metrics page; undefined while it does not answer. */
  metrics(): Promise<string | undefined> {
    return this.page(this.webPort, "/metrics");
  }

  /** Envoy's statistics whose name matches the regular expression `filter`, by name. */
  async stats(filter: string): Promise<ReadonlyMap<string, number>> {
    const text = (await this.page(this.adminPort, `/stats?filter=${encodeURIComponent(filter)}`)) ?? "";
    return new Map([...text.matchAll(/^(\S+): (\d+)$/gm)].map(([, name, value]) => [name!, Number(value)]));
  }

  /** The sum over Envoy's statistics whose name ends so; 0 where there is none. */
  async stat(ending: string): Promise<number> {
    const pattern = `${ending.replaceAll(".", "\\.")}$`;
    return [...(await this.stats(pattern)).values()].reduce((sum, value) => sum + value, 0);
  }

  /** A page of Envoy's admin interface; undefined while it does not answer. */
  admin(path: string): Promise<string | undefined> {
    return this.page(this.adminPort, path);
  }

  /** Resident memory of a running child, in bytes. */
  residentBytes(child: ChildProcess): number {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
    if (found === null) throw new Error(`process ${child.pid} has no VmRSS`);
    return Number(found[1]) * 1024;
  }

  /** Every access log entry so far. Envoy writes them out every 50 ms: wait with `until` for what must come. */
  logged(): readonly LoggedRequest[] {
    this.entries.push(...(this.log.read() as readonly LoggedRequest[]));
    return this.entries;
  }

  /** Waits for the access log's entry of the one request with this path. */
  entryOf(path: string): Promise<LoggedRequest> {
    return until(`${path} is in the access log`, () => this.logged().find((entry) => entry.path === path));
  }

  /** What a process of this gateway has printed, over all its starts. */
  printed(name: "controller" | "envoy"): string {
    let text = "";
    for (let start = 1; start <= this.starts; start++) {
      const file = this.processes.logFile(`${name}-${start}`);
      if (existsSync(file)) text += readFileSync(file, "utf8");
    }
    return text;
  }

  private spawn(name: string, command: string, args: readonly string[]): ChildProcess {
    this.starts++;
    const child = this.processes.start(`${name}-${this.starts}`, command, args, (why) => this.ends.push(why));
    running.add(child);
    child.once("exit", () => running.delete(child));
    return child;
  }

  private mustRun(child: ChildProcess, name: "controller" | "envoy"): void {
    if (child.exitCode === null && child.signalCode === null) return;
    throw new Error(`${name} ended: ${this.ends.join("; ")}\n${this.printed(name).slice(-2000)}`);
  }

  private async page(port: number, path: string): Promise<string | undefined> {
    try {
      const response: Answer = await request(port, { method: "GET", path });
      return response.status === 200 ? response.body.toString() : undefined;
    } catch {
      return undefined;
    }
  }
}
