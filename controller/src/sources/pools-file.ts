import { watch as fsWatch, readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { PickerError } from "../errors.ts";
import type { Inventory } from "../model.ts";
import { type ParseContext, parsePools } from "./pools-parse.ts";
import type { ParsedRoute } from "./pools-schema.ts";
import { parseRoutes } from "./routes-parse.ts";

const DEFAULT_POLL_MS = 1000;
/** A file counts as written when its stat has stayed the same for this long. */
const DEFAULT_SETTLE_MS = 50;
/** A thousand pools with eight endpoints each take less than 1 MiB. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;

interface FileOptions {
  /** Called once for each distinct bad edit; the last valid state stays in force. */
  readonly onError: (error: PickerError) => void;
  /** Where `apiKeyEnv` and `tokenEnv` look. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Runs `callback` once after `delayMs`; returns its cancellation. */
  readonly setTimer: (callback: () => void, delayMs: number) => () => void;
  readonly pollMs?: number;
  readonly settleMs?: number;
}

export interface PoolsFileOptions extends FileOptions {
  /** Called with each new valid state, the first one included, and when a bad edit was taken back. */
  readonly onInventory: (inventory: Inventory) => void;
}

export interface RoutesFileOptions extends FileOptions {
  /** As `onInventory`; what the routes name is not looked for. */
  readonly onRoutes: (routes: readonly ParsedRoute[]) => void;
}

type Parse<Value> = (source: string, context: ParseContext) => Value;

export interface PoolsFileWatch {
  close(): void;
}

/**
 * Reads a pools file once.
 * @throws PickerError POOLS_FILE_UNREADABLE, POOLS_FILE_SYNTAX or POOLS_FILE_INVALID
 */
export function readPoolsFile(path: string, env: Readonly<Record<string, string | undefined>>): Inventory {
  return new Reading(resolve(path), parsePools).read(env);
}

/** One attempt to read the file and the secret files that it names. */
class Reading<Value> {
  readonly #path: string;
  readonly #parseText: Parse<Value>;
  /** What was read, with the state that it had just before. */
  readonly stamps = new Map<string, string>();
  source = "";

  constructor(path: string, parse: Parse<Value>) {
    this.#path = path;
    this.#parseText = parse;
  }

  /** @throws PickerError, and no other. */
  read(env: Readonly<Record<string, string | undefined>>): Value {
    const outcome = this.attempt(env);
    if (outcome instanceof PickerError) throw outcome;
    return outcome;
  }

  /** What cannot be parsed for a reason that the parser did not foresee is still the file's fault. */
  attempt(env: Readonly<Record<string, string | undefined>>): Value | PickerError {
    try {
      return this.#parse(env);
    } catch (cause) {
      if (cause instanceof PickerError) return cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      return new PickerError("POOLS_FILE_SYNTAX", `cannot be parsed: ${message}`, {
        path: this.#path,
        cause,
      });
    }
  }

  #parse(env: Readonly<Record<string, string | undefined>>): Value {
    this.stamps.set(this.#path, statStamp(this.#path));
    this.source = readSource(this.#path);
    return this.#parseText(this.source, {
      path: this.#path,
      env,
      readText: (file) => {
        this.stamps.set(file, statStamp(file));
        return readFileSync(file, "utf8");
      },
    });
  }
}

/**
 * Reads a pools file and keeps reading it: at events of its folder, and by polling its inode, size
 * and times, which also sees a replaced link (the way Kubernetes swaps a mounted ConfigMap), a network
 * file system without events, and the secret files that it names. A bad edit is reported once, and
 * what ran before runs on.
 *
 * @throws PickerError if the file is bad at the start; nothing is watched then.
 */
export function watchPoolsFile(path: string, options: PoolsFileOptions): PoolsFileWatch {
  return new WatchedFile(resolve(path), parsePools, options.onInventory, options);
}

/**
 * Reads and watches a pools file with routes alone, whose pools come from elsewhere.
 * @throws PickerError if the file is bad at the start; nothing is watched then.
 */
export function watchRoutesFile(path: string, options: RoutesFileOptions): PoolsFileWatch {
  return new WatchedFile(resolve(path), parseRoutes, options.onRoutes, options);
}

class WatchedFile<Value> implements PoolsFileWatch {
  readonly #path: string;
  readonly #parse: Parse<Value>;
  readonly #onValue: (value: Value) => void;
  readonly #options: FileOptions;
  /** The files of the last attempt, good or bad, as they were then. */
  #stamps: ReadonlyMap<string, string>;
  /** What runs, secrets and all. */
  #applied: string;
  #reported: string | undefined;
  #cancelPoll: () => void = () => {};
  #cancelSettle: (() => void) | undefined;
  #stopEvents: () => void = () => {};
  #closed = false;

  constructor(path: string, parse: Parse<Value>, onValue: (value: Value) => void, options: FileOptions) {
    this.#path = path;
    this.#parse = parse;
    this.#onValue = onValue;
    this.#options = options;
    const reading = new Reading(path, parse);
    const value = reading.read(options.env);
    this.#stamps = reading.stamps;
    this.#applied = JSON.stringify(value);
    this.#watchEvents();
    this.#poll();
    onValue(value);
  }

  close(): void {
    this.#closed = true;
    this.#cancelPoll();
    this.#cancelSettle?.();
    this.#stopEvents();
  }

  #watchEvents(): void {
    try {
      const watcher = fsWatch(dirname(this.#path), { persistent: false }, () => this.#check());
      // Events are a short cut; without them polling still sees every change.
      watcher.on("error", () => watcher.close());
      this.#stopEvents = () => watcher.close();
    } catch {
      this.#stopEvents = () => {};
    }
  }

  #poll(): void {
    this.#cancelPoll = this.#options.setTimer(() => {
      this.#check();
      this.#poll();
    }, this.#options.pollMs ?? DEFAULT_POLL_MS);
  }

  /** The files' present state where it differs from the last attempt's, else undefined. */
  #difference(): string | undefined {
    const present = [...this.#stamps.keys()].map((file) => statStamp(file));
    const last = [...this.#stamps.values()];
    return present.every((stamp, index) => stamp === last[index]) ? undefined : present.join("\n");
  }

  /** Loads once the files have stopped changing: half a file can be a valid one with fewer endpoints. */
  #check(): void {
    if (this.#closed || this.#cancelSettle !== undefined) return;
    const seen = this.#difference();
    if (seen === undefined) return;
    this.#cancelSettle = this.#options.setTimer(() => {
      this.#cancelSettle = undefined;
      if (this.#difference() === seen) this.#load();
      else this.#check();
    }, this.#options.settleMs ?? DEFAULT_SETTLE_MS);
  }

  #load(): void {
    const reading = new Reading(this.#path, this.#parse);
    const outcome = reading.attempt(this.#options.env);
    this.#stamps = reading.stamps;
    if (outcome instanceof PickerError) {
      const report = `${reading.source}\n${outcome.message}`;
      if (report === this.#reported) return;
      this.#reported = report;
      this.#options.onError(outcome);
      return;
    }
    const takesBack = this.#reported !== undefined;
    this.#reported = undefined;
    const applied = JSON.stringify(outcome);
    if (applied === this.#applied && !takesBack) return;
    this.#applied = applied;
    // What the receiver throws is its own fault, not the file's: it is not caught here.
    this.#onValue(outcome);
  }
}

/** Changes whenever the file is written, replaced or linked anew; links are followed. */
function statStamp(path: string): string {
  try {
    const stat = statSync(path, { bigint: true });
    return `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
  } catch (cause) {
    return `absent ${cause instanceof Error && "code" in cause ? String(cause.code) : ""}`;
  }
}

function readSource(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) {
      throw new PickerError("POOLS_FILE_UNREADABLE", `${size} bytes is above ${MAX_FILE_BYTES}`, {
        path,
        value: size,
        bound: MAX_FILE_BYTES,
      });
    }
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof PickerError) throw cause;
    throw new PickerError("POOLS_FILE_UNREADABLE", cause instanceof Error ? cause.message : String(cause), {
      path,
      value: path,
      cause,
    });
  }
}
