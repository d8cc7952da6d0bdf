import type { SetTimer } from "../timer.ts";
import type { KubernetesClient } from "./client.ts";
import { LineDecoder } from "./json-lines.ts";
import { KubernetesError } from "./kubernetes-error.ts";

/** Of one event: etcd takes objects of 1.5 MiB, which JSON may write longer. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

export interface WatchOptions {
  readonly client: Pick<KubernetesClient, "stream">;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** How long the server has to agree to the watch. */
  readonly agreeWithinMs: number;
  /** Silence after which the watch is taken for dead. */
  readonly silenceMs: number;
  /** The server agreed. */
  readonly onOpen: () => void;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
}

/**
 * The whole lines of a watch, chunk by chunk, until the server ends it.
 * @throws KubernetesError for every other end: refused, cut, silent, or a line that is too long
 */
export async function* watchLines(options: WatchOptions): AsyncGenerator<readonly string[]> {
  const { client, path, query, signal, agreeWithinMs, onOpen } = options;
  const ending = new AbortController();
  const end = (): void => ending.abort();
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  const silence = new Silence(options, agreeWithinMs, end);
  try {
    const chunks = await client.stream({ path, query, signal: ending.signal });
    silence.allow(options.silenceMs);
    onOpen();
    const decoder = new LineDecoder(MAX_EVENT_BYTES);
    for await (const chunk of chunks) {
      silence.broken();
      yield decoder.push(chunk);
    }
  } catch (cause) {
    if (silence.isTooLong)
      throw new KubernetesError(0, "Timeout", `watch ${path}: silent for ${silence.limitMs} ms`, { cause });
    if (cause instanceof RangeError)
      throw new KubernetesError(0, "Malformed", `watch ${path}: ${cause.message}`, { cause });
    throw cause;
  } finally {
    silence.close();
    signal.removeEventListener("abort", end);
    // Also where the reader has enough.
    end();
  }
}

/** Calls once when nothing was heard for too long; hearing something costs no timer. */
class Silence {
  readonly #clock: Pick<WatchOptions, "nowMs" | "setTimer">;
  readonly #onTooLong: () => void;
  #limitMs: number;
  #heardMs: number;
  #cancel: () => void;
  #isTooLong = false;

  constructor(clock: Pick<WatchOptions, "nowMs" | "setTimer">, limitMs: number, onTooLong: () => void) {
    this.#clock = clock;
    this.#onTooLong = onTooLong;
    this.#limitMs = limitMs;
    this.#heardMs = clock.nowMs();
    this.#cancel = this.#clock.setTimer(() => this.#check(), limitMs);
  }

  get limitMs(): number {
    return this.#limitMs;
  }

  get isTooLong(): boolean {
    return this.#isTooLong;
  }

  broken(): void {
    this.#heardMs = this.#clock.nowMs();
  }

  /** From now on, another limit. */
  allow(limitMs: number): void {
    this.broken();
    this.#limitMs = limitMs;
    this.#cancel();
    this.#cancel = this.#clock.setTimer(() => this.#check(), limitMs);
  }

  close(): void {
    this.#cancel();
  }

  #check(): void {
    const leftMs = this.#heardMs + this.#limitMs - this.#clock.nowMs();
    if (leftMs > 0) {
      this.#cancel = this.#clock.setTimer(() => this.#check(), leftMs);
    } else {
      this.#isTooLong = true;
      this.#onTooLong();
    }
  }
}
