import { createHash } from "node:crypto";
import { watch as fsWatch, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { SetTimer } from "../timer.ts";

const POLL_MS = 1000;
/** Each raise makes every Envoy load the filter anew; an Envoy that reports nonsense must not set the pace. */
const POLLS_BETWEEN_RAISES = 60;
/** The module counts as written when it has stayed the same for this long. */
const SETTLE_MS = 100;

export interface ModuleWatchOptions {
  readonly setTimer: SetTimer;
  /** Generations that Envoys run, as they report them. */
  readonly reported: () => readonly bigint[];
  /** No reported generation above this is believed: the wall clock at the start, in ms since the Unix epoch. */
  readonly believedUpToMs: number;
  /** The module's content changed, or its generation was raised. */
  readonly onChange: (module: ModuleState) => void;
  /** It could not be read; what was read before stays. Called once for each distinct reason. */
  readonly onError: (error: Error) => void;
}

/** The module read last. */
export interface ModuleState {
  /** SHA-256 of its content, in hexadecimal. */
  readonly sha256: string;
  /** See `nextGeneration`. */
  readonly generation: number;
}

export interface ModuleWatch {
  readonly state: () => ModuleState;
  readonly close: () => void;
}

/**
 * Watches the filter's module by its folder's events and by polling, and reports a new content once it has
 * settled: Envoy reads the file itself and must not meet half of it. A generation below one that an Envoy runs
 * would leave lease and counts with the configuration that it replaces, so it is raised to the reported one.
 * @throws the system's error if it cannot be read at the start.
 */
export function watchModule(file: string, options: ModuleWatchOptions): ModuleWatch {
  let stamp = stampOf(file);
  let generation = nextGeneration(0, mtimeMsOf(file));
  let sha256 = hashOf(file);
  let pollsUntilRaise = 0;
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
      const mtimeMs = mtimeMsOf(file);
      const present = hashOf(file);
      reported = "";
      if (present === sha256) return;
      sha256 = present;
      generation = nextGeneration(generation, mtimeMs);
      options.onChange({ sha256, generation });
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      if (error.message !== reported) options.onError(error);
      reported = error.message;
    }
  };
  const raise = (): void => {
    if (--pollsUntilRaise > 0) return;
    const highest = highestReported(options.reported(), options.believedUpToMs);
    if (highest <= generation) return;
    pollsUntilRaise = POLLS_BETWEEN_RAISES;
    generation = highest;
    options.onChange({ sha256, generation });
  };
  const poll = (): void => {
    cancelPoll = options.setTimer(() => {
      check();
      raise();
      poll();
    }, POLL_MS);
  };
  const stopEvents = watchFolder(dirname(file), check);
  poll();
  return {
    state: () => ({ sha256, generation }),
    close: () => {
      cancelPoll();
      cancelSettle?.();
      stopEvents();
    },
  };
}

/**
 * The generation of a module: the time of its file in whole ms since the Unix epoch, but always above the
 * generation before, which is 0 at the start. It names the module, not the moment at which it is served:
 * a controller that starts again, or another replica with a copy of the same time, serves the same
 * one, and Envoys have nothing to load anew. Hence no clock in it. Where a newer build brings an older
 * time (a restored file), it grows by one while this controller runs; one that starts later serves the older
 * time first, and is corrected by what the Envoys report.
 */
export function nextGeneration(previous: number, mtimeMs: number): number {
  return Math.max(Math.floor(mtimeMs), previous + 1);
}

/** The highest generation that is not above the bound; 0 if there is none. */
function highestReported(reported: readonly bigint[], boundMs: number): number {
  const bound = BigInt(Math.floor(boundMs));
  return Number(reported.reduce((highest, one) => (one > highest && one <= bound ? one : highest), 0n));
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

function mtimeMsOf(file: string): number {
  return statSync(file).mtimeMs;
}

function stampOf(file: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch {
    return "absent";
  }
}
