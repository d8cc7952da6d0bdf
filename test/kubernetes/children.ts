import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

const TAIL_LINES = 15;

export interface Child {
  readonly pid: number;
  readonly logFile: string;
  /** What an end that nobody asked for left to say; undefined while it runs. */
  ended(): string | undefined;
  /** Without asking: SIGTERM makes an API server wait half a minute for its watches. Resolves when it is gone. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

/**
 * Starts a program that does not outlive this process, however that ends (the kernel kills it: `setpriv --pdeathsig`). What it prints is
 * appended to `<folder>/<name>.log`.
 */
export function startChild(
  folder: string,
  name: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Child {
  const logFile = join(folder, `${name}.log`);
  const log = openSync(logFile, "a");
  const child: ChildProcess = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], {
    stdio: ["ignore", log, log],
    env: { ...process.env, ...env },
  });
  closeSync(log);
  let failure: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      failure = `${name} cannot be started: ${error.message}`;
      resolve();
    });
    child.once("exit", (code, signal) => {
      failure = `${name} ended (${signal ?? `exit code ${code}`}):\n${lastLinesOf(logFile)}`;
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    logFile,
    ended: () => failure,
    kill: async () => {
      child.kill("SIGKILL");
      await gone;
    },
    signal: (signal) => {
      child.kill(signal);
    },
  };
}

function lastLinesOf(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
}
