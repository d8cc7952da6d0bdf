/**
 * Runs in threads of their own, as many at a time as there are threads. A thread loads this module too,
 * and then takes one run after the other from whoever started it.
 */
import { isMainThread, parentPort, type Worker, workerData } from "node:worker_threads";
import { PickerError } from "../../errors.ts";
import { SimulationError } from "../simulation-error.ts";
import { executeRun, type RunResult } from "./run.ts";
import type { RunSpec } from "./run-spec.ts";
import { startThread } from "./worker-thread.ts";

/** Tells a thread of this module's from others that load it. */
const ROLE = "simulation-run";

interface ThreadData {
  readonly role: typeof ROLE;
  readonly module: WebAssembly.Module;
}

type Answer =
  | { readonly kind: "progress"; readonly arrived: number }
  | { readonly kind: "result"; readonly result: RunResult }
  /** `isUsage`: flags or trace are wrong; `message` says which. */
  | { readonly kind: "failure"; readonly message: string; readonly isUsage: boolean };

/** What a run in a thread failed of, where flags or the trace are wrong. */
export class RunUsageError extends Error {}

interface Task {
  readonly spec: RunSpec;
  readonly onProgress: (arrived: number) => void;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: Error) => void;
}

export class RunThreads {
  readonly #module: WebAssembly.Module;
  readonly #most: number;
  readonly #waiting: Task[] = [];
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();

  /** @param most threads, ≥ 1; none is started before it has something to do */
  constructor(module: WebAssembly.Module, most: number) {
    this.#module = module;
    this.#most = most;
  }

  run(spec: RunSpec, onProgress: (arrived: number) => void): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ spec, onProgress, resolve, reject });
      this.#next();
    });
  }

  /** Ends the threads, whatever they are at. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all([...this.#all].map((thread) => thread.terminate()));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idle.pop() ?? this.#start();
      if (thread === undefined) return;
      this.#give(thread, this.#waiting.shift()!);
    }
  }

  #start(): Worker | undefined {
    if (this.#all.size === this.#most) return undefined;
    const data: ThreadData = { role: ROLE, module: this.#module };
    const thread = startThread(import.meta.url, { workerData: data });
    this.#all.add(thread);
    return thread;
  }

  #give(thread: Worker, { spec, onProgress, resolve, reject }: Task): void {
    const settle = (): void => {
      thread.off("message", onMessage);
      thread.off("error", onError);
      thread.off("exit", onExit);
    };
    const onMessage = (answer: Answer): void => {
      if (answer.kind === "progress") {
        onProgress(answer.arrived);
        return;
      }
      settle();
      this.#idle.push(thread);
      if (answer.kind === "result") resolve(answer.result);
      else reject(answer.isUsage ? new RunUsageError(answer.message) : new Error(answer.message));
      this.#next();
    };
    const onError = (error: Error): void => {
      settle();
      this.#all.delete(thread);
      reject(error);
      this.#next();
    };
    const onExit = (code: number): void =>
      onError(new Error(`a thread of the simulation ended with ${code}`));
    thread.on("message", onMessage);
    thread.on("error", onError);
    thread.on("exit", onExit);
    thread.postMessage(spec);
  }
}

/** The side of the thread. */
function serve(port: NonNullable<typeof parentPort>, module: WebAssembly.Module): void {
  const answer = (message: Answer): void => port.postMessage(message);
  port.on("message", (spec: RunSpec) => {
    executeRun(spec, module, (arrived) => answer({ kind: "progress", arrived })).then(
      (result) => answer({ kind: "result", result }),
      (error: unknown) => {
        const isUsage = error instanceof PickerError || error instanceof SimulationError;
        const message = error instanceof Error ? (isUsage ? error.message : error.stack) : String(error);
        answer({ kind: "failure", message: message ?? "", isUsage });
      },
    );
  });
}

if (!isMainThread && parentPort !== null) {
  const { role, module } = (workerData ?? {}) as Partial<ThreadData>;
  if (role === ROLE && module !== undefined) serve(parentPort, module);
}
