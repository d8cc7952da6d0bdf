import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { identityOf, isAlive, type ProcessIdentity } from "./process-identity.ts";

const PIDS_FILE = "pids.json";
const OWNER_FILE = "owner.json";
const POLL_MS = 10;
const GONE_WITHIN_MS = 5000;

interface Owner {
  readonly run: ProcessIdentity;
  /** Who started the run and ends it; when it is gone the run is a leftover too. */
  readonly launcher?: ProcessIdentity;
}

/** The children that the run in `folder` has now, for the next run to end should this one be killed hard. */
export function writeChildren(folder: string, pids: readonly number[]): void {
  const known = pids.map(identityOf).filter((identity) => identity !== undefined);
  replaceFile(join(folder, PIDS_FILE), known);
}

/**
 * Makes this process the run of `folder`, after ending what a run that was killed hard has left there, and
 * nothing else. Returns how many processes were ended.
 *
 * @param launcherPid the process whose end makes this run a leftover; undefined: none
 * @throws Error if another run goes on in the folder
 */
export async function claimFolder(
  folder: string,
  ownPid: number,
  launcherPid: number | undefined,
): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const owner = readJson<Owner>(join(folder, OWNER_FILE));
  const left = [...(readJson<readonly ProcessIdentity[]>(join(folder, PIDS_FILE)) ?? [])];
  if (owner !== undefined && isAlive(owner.run)) {
    const orphaned = owner.launcher !== undefined && !isAlive(owner.launcher);
    if (!orphaned) {
      throw new Error(
        `another run goes on in ${folder} (process ${owner.run.pid}): end it, or set RUN_DIR to another folder`,
      );
    }
    // First, so that it starts nothing more.
    left.unshift(owner.run);
  }
  const alive = left.filter(isAlive);
  for (const { pid } of alive) kill(pid);
  const deadline = performance.now() + GONE_WITHIN_MS;
  for (const identity of alive) {
    while (isAlive(identity)) {
      if (performance.now() > deadline)
        throw new Error(`process ${identity.pid} of an earlier run won't end`);
      await delay(POLL_MS);
    }
  }
  replaceFile(join(folder, PIDS_FILE), []);
  const run = identityOf(ownPid);
  const launcher = launcherPid === undefined ? undefined : identityOf(launcherPid);
  if (run !== undefined) {
    replaceFile(join(folder, OWNER_FILE), { run, ...(launcher === undefined ? {} : { launcher }) });
  }
  return alive.length;
}

/** The run of `folder` has ended and left nothing. */
export function releaseFolder(folder: string): void {
  rmSync(join(folder, OWNER_FILE), { force: true });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended by itself in between.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Undefined where the file is missing or was cut short by a full disk. */
function readJson<Value>(path: string): Value | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Value;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: a run may be killed at any instant. */
function replaceFile(path: string, content: unknown): void {
  writeFileSync(`${path}.part`, JSON.stringify(content));
  renameSync(`${path}.part`, path);
}
