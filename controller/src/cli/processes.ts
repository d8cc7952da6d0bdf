import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { writeChildren } from "./run-folder.ts";

/** After SIGTERM; with what comes before and after it a run ends within six seconds. */
const GRACE_MS = 4000;
const REASON_CHARACTERS = 300;

/** The child processes of one run: their logs and their end. */
export class Processes {
  private readonly folder: string;
  private readonly children = new Map<string, ChildProcess>();
  private stopping = false;

  /** `folder` holds logs and the list of processes; it is made if missing. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /**
   * Starts `command`; what it prints goes to `<name>.log`. `onExit` hears, in one line, of an end that nobody
   * asked for.
   * @throws Error after `stop`
   */
  start(name: string, command: string, args: readonly string[], onExit: (why: string) => void): ChildProcess {
    if (this.stopping) throw new Error(`${name} is not started: the run ends`);
    // The file itself, not a pipe through this process: a child outlives a killed run without SIGPIPE.
    const log = openSync(this.logFile(name), "w");
    // A process group of its own: a terminal's Ctrl-C reaches the run alone, which then ends its children.
    const child = spawn(command, args, { stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    child.once("error", (error) => {
      this.children.delete(name);
      if (!this.stopping) onExit(`${name} could not be started: ${error.message}`);
    });
    child.once("exit", (code, signal) => {
      this.children.delete(name);
      this.writePids();
      if (!this.stopping) onExit(this.whyEnded(name, code, signal));
    });
    this.children.set(name, child);
    this.writePids();
    return child;
  }

  logFile(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  /** Asks every child to end, insists after four seconds, and waits for all. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all([...this.children.values()].map(endChild));
    this.writePids();
  }

  /** Ends every child at once, without waiting: the last thing that a process which is about to exit can do. */
  kill(): void {
    this.stopping = true;
    for (const child of this.children.values()) child.kill("SIGKILL");
  }

  private whyEnded(name: string, code: number | null, signal: NodeJS.Signals | null): string {
    const said = signal === null ? lastLineOf(this.logFile(name)) : "";
    return `${name} ended (${signal ?? `exit code ${code}`})${said === "" ? "" : `: ${said}`}; see ${this.logFile(name)}`;
  }

  private writePids(): void {
    const pids = [...this.children.values()].map(({ pid }) => pid).filter((pid) => pid !== undefined);
    writeChildren(this.folder, pids);
  }
}

function endChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return resolve();
    const insist = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    child.once("exit", () => {
      clearTimeout(insist);
      resolve();
    });
    child.kill("SIGTERM");
  });
}

/** What a process said last, without control characters: of an uncaught error its message, of a JSON line its. */
function lastLineOf(path: string): string {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  // Node prints the error, then its stack, then its own version.
  const thrown =
    /^Node\.js v\d/.test(lines.at(-1)!) && lines.findLast((line) => /^\w*Error\b.*: /.test(line));
  return messageOf(thrown || lines.at(-1)!)
    .replaceAll(/\p{Cc}+/gu, " ")
    .slice(0, REASON_CHARACTERS);
}

function messageOf(line: string): string {
  if (!line.startsWith("{")) return line;
  try {
    const { msg } = JSON.parse(line) as { readonly msg?: unknown };
    return typeof msg === "string" ? msg : line;
  } catch {
    return line;
  }
}

/** May a server of ours listen on the TCP port: free, in use, or not for this user? */
export function portState(port: number): Promise<"free" | "in use" | "forbidden"> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", ({ code }: NodeJS.ErrnoException) =>
      resolve(code === "EACCES" ? "forbidden" : "in use"),
    );
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve("free")));
  });
}

/** Below what systems hand out to outgoing connections, which else may take a port between the look and the use. */
const FIRST_FREE_PORT = 10_000;
const LAST_FREE_PORT = 32_000;

/** `count` ports that are free now, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(FIRST_FREE_PORT, LAST_FREE_PORT);
    if ((await portState(port)) === "free") ports.add(port);
  }
  return [...ports];
}
