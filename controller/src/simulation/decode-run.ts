/**
 * A run of steps in which each sequence of the batch decodes one token and nothing else happens: nobody is
 * admitted, ends, is told of anything, offers a block to the cache or loses one. Such steps differ only in
 * time, context and blocks, which one addition each keeps; the sequences hear of them together, later.
 *
 * A run that was planned at the start of a step holds for a number of step ends. The last of them, and
 * every one after an arrival, must be ended in full.
 */
import type { ModelRequest } from "./model-request.ts";
import type { Scheduler } from "./scheduler.ts";

export class DecodeRun {
  /** Of the steps that the batch has taken in the run and that its sequences were not told of. */
  steps = 0;
  /** Ends of steps from the last plan or settlement up to the one that must be full; 0: there is no run. */
  ends = 0;
  readonly #blockTokens: number;
  /** Sequences by the tokens that fit into their last block behind the step planned, so by when they need one. */
  readonly #byRoom: Int32Array;
  /** Where in `byRoom` the next step begins. */
  #phase = 0;

  constructor(blockTokens: number) {
    this.#blockTokens = blockTokens;
    this.#byRoom = new Int32Array(blockTokens);
  }

  /** The step under way may be ended without its sequences. */
  get endsQuietly(): boolean {
    return this.steps + 1 < this.ends;
  }

  stop(): void {
    this.ends = 0;
  }

  /**
   * Looks for a run that begins with the step that was just scheduled.
   * @param startMs when that step starts
   */
  plan({ running, waiting, isHeadStuck, stepTokens, cache }: Scheduler, startMs: number): void {
    const sequences = running.length;
    this.ends = 0;
    if (stepTokens !== sequences || (waiting.length > 0 && !isHeadStuck)) return;
    const blockTokens = this.#blockTokens;
    const byRoom = this.#byRoom;
    byRoom.fill(0);
    let ends = Number.POSITIVE_INFINITY;
    for (let i = 0; i < sequences; i++) {
      const request = running[i]!;
      // Whoever sampled no token in the step before has its first one, or another gap, ahead of it.
      if (request.scheduled !== 1 || request.lastTokenMs !== startMs) return;
      const context = request.computed + 1;
      ends = Math.min(ends, request.outputTokens - request.generated, request.notifyAt - request.generated);
      if (request.registered < request.blockHashes.length) {
        ends = Math.min(ends, (request.registered + 1) * blockTokens - context);
      }
      if (ends <= 1) return;
      byRoom[request.blocks.length * blockTokens - context]!++;
    }
    this.#phase = 0;
    this.ends = Math.min(ends, this.#endsUntilExhausted(cache.free, sequences));
  }

  /** Takes the step under way as ended; returns the blocks that the one after it takes. */
  next(): number {
    const blocks = this.#byRoom[this.#phase]!;
    this.#phase = this.#phase + 1 === this.#blockTokens ? 0 : this.#phase + 1;
    this.steps++;
    return blocks;
  }

  /** Tells the sequences what the steps since the last settlement made of them. */
  settle({ running, cache }: Scheduler, lastEndMs: number): void {
    const { steps } = this;
    if (steps === 0) return;
    for (let i = 0; i < running.length; i++) {
      const request = running[i]!;
      request.computed += steps;
      request.generated += steps;
      request.lastTokenMs = lastEndMs;
      // Blocks without a hash are all alike: who takes which does not matter, only how many are taken.
      this.#extend(request, cache);
    }
    this.ends -= steps;
    this.steps = 0;
  }

  #extend({ blocks, computed }: ModelRequest, cache: Scheduler["cache"]): void {
    while (blocks.length * this.#blockTokens < computed + 1) blocks.push(cache.allocate());
  }

  /** The step after as many ends finds no block. */
  #endsUntilExhausted(free: number, sequences: number): number {
    const wholeRounds = Math.floor(free / sequences);
    let left = free - wholeRounds * sequences;
    let ends = wholeRounds * this.#blockTokens + 1;
    for (let phase = 0; phase < this.#blockTokens; phase++) {
      left -= this.#byRoom[phase]!;
      if (left < 0) return ends;
      ends++;
    }
    return ends;
  }
}
