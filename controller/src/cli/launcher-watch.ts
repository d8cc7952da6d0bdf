import { readFileSync } from "node:fs";
import type { Ending } from "./ending.ts";

const SIGINT_BIT = 1n << 1n;
const POLL_MS = 200;

/**
 * Ends a command that make started when make ends. Returns make's pid; undefined where it was not make.
 */
export function endWithLauncher(ending: Ending, host: NodeJS.Process, exitCode: number): number | undefined {
  if (host.env.MAKELEVEL === undefined) return undefined;
  const { ppid } = host;
  const watch = new LauncherWatch(() => (host.ppid === ppid ? processStatus(ppid) : undefined));
  setInterval(() => {
    if (watch.ends()) ending.end(exitCode);
  }, POLL_MS).unref();
  return ppid;
}

/** `/proc/<pid>/status` as text; undefined where there is no such process. */
function processStatus(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Notices that the `make` which started this run wants to end, or has. Killed hard, make takes nobody along;
 * interrupted alone (`kill -INT`, no terminal), it waits for its recipe without a word to it, but GNU make
 * gives up its handler of SIGINT before it waits (`fatal_error_signal`), and that shows.
 */
export class LauncherWatch {
  private readonly status: () => string | undefined;
  private handled: boolean;

  /** `status` gives the launcher's `/proc/<pid>/status`. */
  constructor(status: () => string | undefined) {
    this.status = status;
    this.handled = handlesInterrupt(status());
  }

  /** Has the launcher ended, or been told to? */
  ends(): boolean {
    const text = this.status();
    if (text === undefined || /^State:\s+[ZX]/m.test(text)) return true;
    const handles = handlesInterrupt(text);
    if (this.handled && !handles) return true;
    // A launcher that has only just started may set its handlers later.
    this.handled ||= handles;
    return false;
  }
}

function handlesInterrupt(status: string | undefined): boolean {
  const mask = /^SigCgt:\s+([0-9a-f]+)$/m.exec(status ?? "")?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) & SIGINT_BIT) !== 0n;
}
