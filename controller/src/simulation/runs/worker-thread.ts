/** Threads that run a module of this program, from its sources as well as from the bundle. */
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * tsx reads TypeScript in the main thread alone: a thread of the sources has to bring it along.
 * `process.argv[2]` is the module.
 */
const WITH_TSX = (tsx: string) =>
  `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(process.argv[2]); })`;

/** @param url of the module that the thread runs */
export function startThread(url: string, options: WorkerOptions): Worker {
  if (!url.endsWith(".ts")) return new Worker(new URL(url), options);
  const tsx = import.meta.resolve("tsx/esm/api");
  return new Worker(WITH_TSX(tsx), { ...options, eval: true, argv: [url] });
}
