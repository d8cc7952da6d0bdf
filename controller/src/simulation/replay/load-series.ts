/** Requests in flight on each server over the time of a run, in a bounded number of samples. */
import type { ServerModel } from "../server-model.ts";

/** Samples beyond which every second one goes and the distance between them doubles; even. */
export const MOST_SAMPLES = 240;
/** Distance of samples at the beginning, ms of virtual time. */
const FIRST_INTERVAL_MS = 100;

/** What is kept of a series, for a report. */
export interface LoadSamples {
  /** Between two samples, ms; the first was taken at 0. */
  readonly intervalMs: number;
  /** By endpoint, its samples in order: requests in batch and queue. */
  readonly inFlight: readonly (readonly number[])[];
}

export class LoadSeries {
  #intervalMs = FIRST_INTERVAL_MS;
  #count = 0;
  readonly #columns: Uint32Array[] = [];

  /** Takes a sample if one is due. Times must not go back. */
  sample(nowMs: number, servers: readonly Pick<ServerModel, "running" | "waiting">[]): void {
    while (nowMs >= this.#count * this.#intervalMs) {
      if (this.#count === MOST_SAMPLES) this.#halve();
      else this.#take(servers);
    }
  }

  samples(): LoadSamples {
    return {
      intervalMs: this.#intervalMs,
      inFlight: this.#columns.map((column) => [...column.subarray(0, this.#count)]),
    };
  }

  #take(servers: readonly Pick<ServerModel, "running" | "waiting">[]): void {
    for (let index = this.#columns.length; index < servers.length; index++) {
      this.#columns.push(new Uint32Array(MOST_SAMPLES));
    }
    for (let index = 0; index < servers.length; index++) {
      const { running, waiting } = servers[index]!;
      this.#columns[index]![this.#count] = running + waiting;
    }
    this.#count++;
  }

  #halve(): void {
    for (const column of this.#columns) {
      for (let at = 0; at < MOST_SAMPLES / 2; at++) column[at] = column[2 * at]!;
    }
    this.#count = MOST_SAMPLES / 2;
    this.#intervalMs *= 2;
  }
}
