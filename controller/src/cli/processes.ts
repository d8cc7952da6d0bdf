import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** A process that a run started, as `/proc` identifies it: a pid alone may since be another's. */
interface Started {
  readonly pid: number;
  /** Field 22 of `/proc/<pid>/stat`, in clock ticks since boot. */
  readonly startTicks: string;
}

const PIDS_FILE = "pids.json";
const GRACE_MS = 5000;

/** The child processes of one run: their logs, their end, and what an earlier run left behind. */
export class Processes {
  private readonly folder: string;
  private readonly children = new Map<string, ChildProcess>();
  private stopping = false;

  /** `folder` holds logs and the list of processes; it is made if missing. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Ends what a run in this folder that was killed hard has left, and nothing else. */
  async endLeftovers(): Promise<number> {
    const path = join(this.folder, PIDS_FILE);
    if (!existsSync(path)) return 0;
    const left = (JSON.parse(readFileSync(path, "utf8")) as readonly Started[]).filter(
      ({ pid, startTicks }) => startTicksOf(pid) === startTicks,
    );
    for (const { pid } of left) process.kill(pid, "SIGKILL");
    for (const { pid, startTicks } of left) {
      while (startTicksOf(pid) === startTicks) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    writeFileSync(path, "[]");
    return left.length;
  }

  /**
   * Starts `command`; what it prints goes to `<name>.log`. `onExit` hears of an end that nobody asked for.
   */
  start(name: string, command: string, args: readonly string[], onExit: (why: string) => void): ChildProcess {
    const log = createWriteStream(this.logFile(name));
    // A process group of its own: a terminal's Ctrl-C reaches the run alone, which then ends its children.
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once("error", (error) => onExit(`${name} could not be started: ${error.message}`));
    child.once("exit", (code, signal) => {
      this.children.delete(name);
      this.writePids();
      if (!this.stopping)
        onExit(`${name} ended (${signal ?? `exit code ${code}`}); see ${this.logFile(name)}`);
    });
    this.children.set(name, child);
    this.writePids();
    return child;
  }

  logFile(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  /** Asks every child to end, insists after five seconds, and waits for all. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all([...this.children.values()].map(endChild));
    writeFileSync(join(this.folder, PIDS_FILE), "[]");
  }

  private writePids(): void {
    const started: Started[] = [];
    for (const { pid } of this.children.values()) {
      const startTicks = pid === undefined ? undefined : startTicksOf(pid);
      if (pid !== undefined && startTicks !== undefined) started.push({ pid, startTicks });
    }
    const path = join(this.folder, PIDS_FILE);
    writeFileSync(`${path}.part`, JSON.stringify(started));
    renameSync(`${path}.part`, path);
  }
}

function endChild(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    const insist = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    child.once("exit", () => {
      clearTimeout(insist);
      resolve();
    });
    child.kill("SIGTERM");
  });
}

function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in field 2 may hold spaces and parentheses: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie is gone but for its parent's notice.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Is the TCP port free on every address that a server of ours may bind? */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** `count` ports that are free now, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const probes = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const probe = createServer();
          probe.once("error", reject);
          probe.listen(0, "127.0.0.1", () => resolve(probe));
        }),
    ),
  );
  const ports = probes.map((probe) => (probe.address() as { port: number }).port);
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}
