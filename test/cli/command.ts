import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isAlive, type ProcessIdentity } from "../../controller/src/cli/process-identity.ts";
import { freePorts } from "../../controller/src/cli/processes.ts";
import { until } from "../e2e/harness.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const RUN = [process.execPath, "--import", "tsx", "controller/src/cli/run.ts"] as const;
export const SMOKE = [process.execPath, "--import", "tsx", "controller/src/cli/smoke.ts"] as const;

const PORTS = ["GATEWAY_PORT", "ADMIN_PORT", "CONTROLLER_PORT", "STATUS_PORT"] as const;
const SERVERS = 4;
/** First port of a row of servers; below the range that the system hands out. */
const LOWEST_SERVERS_PORT = 20_000;

export type Variables = Readonly<Record<string, string>>;

/** A folder of its own and free ports for a command. */
export async function variables(): Promise<Variables> {
  const ports = await freePorts(PORTS.length);
  return {
    RUN_DIR: mkdtempSync(join(tmpdir(), "inference-picker-")),
    SERVERS_PORT: String(await freeRow(SERVERS)),
    ...Object.fromEntries(PORTS.map((name, i) => [name, String(ports[i])])),
  };
}

export function removeFolder(variables: Variables): void {
  rmSync(variables.RUN_DIR!, { recursive: true, force: true });
}

/** One command in a process group of its own, as a shell starts it. */
export class Command {
  readonly folder: string;
  readonly variables: Variables;
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  /** Settles when it has ended and its output is whole. */
  readonly ended: Promise<number | NodeJS.Signals>;
  private hasEnded = false;

  /** The environment holds `variables` and none of the commands' own from outside. */
  constructor(command: readonly string[], variables: Variables) {
    this.variables = variables;
    this.folder = variables.RUN_DIR!;
    const { POOLS, TRACE, SPEED, TRAFFIC, QUICK, MAKELEVEL, MAKEFLAGS, ...outside } = process.env;
    this.child = spawn(command[0]!, command.slice(1), {
      cwd: ROOT,
      env: { ...outside, ...variables },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.child.stdout!.on("data", (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.child.stderr!.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code, signal) => {
        this.hasEnded = true;
        resolve(signal ?? code!);
      });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.variables.GATEWAY_PORT}`;
  }

  get statusUrl(): string {
    return `http://127.0.0.1:${this.variables.STATUS_PORT}`;
  }

  /** Waits for `holds`. @throws Error with all that was printed if the command ends before */
  async until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 40_000): Promise<void> {
    await until(
      what,
      async () => {
        if (await holds()) return true;
        if (this.hasEnded) throw new Error(`${what}: the command ended\n${this.stdout}\n${this.stderr}`);
        return false;
      },
      withinMs,
    );
  }

  /** Waits until the stack runs and its table is on the screen. */
  running(): Promise<void> {
    return this.until("the table is shown", () => this.stdout.includes("not picked by the filter"));
  }

  /** What the command has started and not ended, as it would be found by the next one. */
  children(): readonly ProcessIdentity[] {
    const path = join(this.folder, "pids.json");
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as readonly ProcessIdentity[]) : [];
  }

  /** The child whose executable is named so. */
  childNamed(name: string): number {
    const comm = (pid: number) => readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    const found = this.children().find(({ pid }) => comm(pid) === name);
    if (found === undefined) throw new Error(`no ${name} among the children`);
    return found.pid;
  }

  /** To the whole group, as a terminal does. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.child.pid!, signal);
  }

  /** Ends what is left after a test, whether it passed or not. */
  async clean(): Promise<void> {
    if (!this.hasEnded) {
      this.signalGroup("SIGKILL");
      await this.ended;
    }
    for (const child of this.children()) if (isAlive(child)) process.kill(child.pid, "SIGKILL");
    removeFolder(this.variables);
  }
}

/** Waits for the end of each process and of the whole group of `leader`, zombies not counted. */
export async function gone(processes: readonly ProcessIdentity[], withinMs: number): Promise<void> {
  await until("every process has ended", () => !processes.some(isAlive), withinMs);
}

async function freeRow(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = LOWEST_SERVERS_PORT + Math.floor(Math.random() * 10_000);
    const row = Array.from({ length: count }, (_, i) => first + i);
    if (!(await Promise.all(row.map(answers))).includes(true)) return first;
  }
  throw new Error(`no ${count} free ports in a row`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
