import { readFileSync } from "node:fs";

/** A process as `/proc` identifies it: a pid alone may since be another's. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of `/proc/<pid>/stat`, in clock ticks since boot. */
  readonly startTicks: string;
}

/** Undefined where no such process runs, or where the system has no `/proc`. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTicks = statOf(pid)?.[19];
  return startTicks === undefined ? undefined : { pid, startTicks };
}

/** Does this very process still run? */
export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  return identityOf(pid)?.startTicks === startTicks;
}

/** Is the process in its terminal's foreground? What is not would be stopped for touching the terminal. */
export function isInForeground(pid: number): boolean {
  const stat = statOf(pid);
  return stat === undefined || stat[2] === stat[5];
}

/**
 * The fields from the third on; undefined for a zombie, which is gone but for its parent's notice. One that still has
 * threads is not: until the last of them has ended it keeps its ports.
 */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in field 2 may hold spaces and parentheses: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" && Number(fields[17]) <= 1 ? undefined : fields;
  } catch {
    return undefined;
  }
}
