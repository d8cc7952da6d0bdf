/** Carries out runs: from a folder of finished ones, in threads, or in this thread where one run is at a time. */
import { executeRun, type RunResult } from "./run.ts";
import type { RunSpec } from "./run-spec.ts";
import type { RunStore } from "./run-store.ts";
import { RunThreads } from "./run-threads.ts";

export interface RunnerOptions {
  /** Of core.wasm. */
  readonly module: WebAssembly.Module;
  /** Runs at a time, ≥ 1; 1: in this thread. */
  readonly jobs: number;
  /** Absent: nothing is kept. */
  readonly store?: RunStore | undefined;
  /** Told when a run begins, of its arrivals, and when it is over. */
  readonly watch?: RunWatch | undefined;
}

export interface RunWatch {
  begin(spec: RunSpec): void;
  progress(spec: RunSpec, arrived: number): void;
  end(spec: RunSpec): void;
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #threads: RunThreads | undefined;
  /** In this thread, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#threads = options.jobs === 1 ? undefined : new RunThreads(options.module, options.jobs);
  }

  /** @throws PickerError, SimulationError or RunUsageError for a trace that cannot be read */
  async run(spec: RunSpec): Promise<RunResult> {
    const { store, watch } = this.#options;
    const kept = store?.load(spec);
    if (kept !== undefined) {
      watch?.end(spec);
      return kept;
    }
    let hasBegun = false;
    const onProgress = (arrived: number): void => {
      if (!hasBegun) watch?.begin(spec);
      hasBegun = true;
      watch?.progress(spec, arrived);
    };
    try {
      const result = await this.#carryOut(spec, onProgress);
      store?.save(spec, result);
      return result;
    } finally {
      watch?.end(spec);
    }
  }

  /** Ends what is under way, and begins nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#threads?.close();
  }

  #carryOut(spec: RunSpec, onProgress: (arrived: number) => void): Promise<RunResult> {
    if (this.#threads !== undefined) return this.#threads.run(spec, onProgress);
    const run = this.#last.then(() => {
      if (this.#isClosed) throw new Error("closed before the run began");
      return executeRun(spec, this.#options.module, onProgress);
    });
    // The next one comes after it however it ends; who asked for it hears of its failure.
    this.#last = run.catch(() => undefined);
    return run;
  }
}
