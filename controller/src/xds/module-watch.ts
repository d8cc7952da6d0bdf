import { createHash } from "node:crypto";
import { watch as fsWatch, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { SetTimer } from "../timer.ts";

const POLL_MS = 1000;
/** The module counts as written when it has stayed the same for this long. */
const SETTLE_MS = 100;

export interface ModuleWatchOptions {
  readonly setTimer: SetTimer;
  /** The module's content changed; `hash` names it. */
  readonly onChange: (hash: string) => void;
  /** It could not be read; what was read before stays. Called once for each distinct reason. */
  readonly onError: (error: Error) => void;
}

export interface ModuleWatch {
  /** Hash of the module read last. */
  readonly hash: () => string;
  readonly close: () => void;
}

/**
 * Watches the filter's module by its folder's events and by polling, and reports a new content once it has
 * settled: Envoy reads the file itself and must not meet half of it.
 * @throws the system's error if it cannot be read at the start.
 */
export function watchModule(file: string, options: ModuleWatchOptions): ModuleWatch {
  let hash = hashOf(file);
  let stamp = stampOf(file);
  let reported = "";
  let cancelPoll = () => {};
  let cancelSettle: (() => void) | undefined;
  const check = (): void => {
    if (cancelSettle !== undefined || stampOf(file) === stamp) return;
    const seen = stampOf(file);
    cancelSettle = options.setTimer(() => {
      cancelSettle = undefined;
      if (stampOf(file) === seen) load(seen);
      else check();
    }, SETTLE_MS);
  };
  const load = (seen: string): void => {
    stamp = seen;
    try {
      const present = hashOf(file);
      reported = "";
      if (present === hash) return;
      hash = present;
      options.onChange(present);
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      if (error.message !== reported) options.onError(error);
      reported = error.message;
    }
  };
  const poll = (): void => {
    cancelPoll = options.setTimer(() => {
      check();
      poll();
    }, POLL_MS);
  };
  const stopEvents = watchFolder(dirname(file), check);
  poll();
  return {
    hash: () => hash,
    close: () => {
      cancelPoll();
      cancelSettle?.();
      stopEvents();
    },
  };
}

/** The next generation: now, but always above the one before. */
export function nextGeneration(previous: number, nowMs: number): number {
  return Math.max(Math.floor(nowMs), previous + 1);
}

function watchFolder(folder: string, onEvent: () => void): () => void {
  try {
    const watcher = fsWatch(folder, { persistent: false }, onEvent);
    // Polling goes on without events.
    watcher.on("error", () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => {};
  }
}

function hashOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch {
    return "absent";
  }
}
