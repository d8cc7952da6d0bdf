/**
 * Which tokens a step computes: continuous batching with chunked prefill, as vLLM's V1 scheduler does it.
 *
 * Running sequences come first, in order of admission; then waiting ones, first come first served, while
 * budget remains. When no block is free for a running sequence the newest running one is pre-empted: its
 * blocks are freed, it goes to the head of the queue to be recomputed, and nothing is admitted that step.
 */
import { BlockCache } from "./block-cache.ts";
import type { Hardware } from "./hardware.ts";
import type { ModelRequest } from "./model-request.ts";
import { WaitingQueue } from "./waiting-queue.ts";

export class Scheduler {
  readonly hw: Hardware;
  readonly cache: BlockCache;
  /** In order of admission. */
  readonly running: ModelRequest[] = [];
  readonly waiting = new WaitingQueue();
  /** Requests per adapter in the batch, and in batch or queue. */
  readonly runningAdapters = new Map<string, number>();
  readonly activeAdapters = new Map<string, number>();

  /** Of the step scheduled last. */
  stepTokens = 0;
  stepSequences = 0;
  stepContextTokens = 0;
  stepAdapterLoads = 0;
  /** The head of the queue did not fit, and fits into no later step either until a running sequence leaves. */
  isHeadStuck = false;

  preemptions = 0;
  /** Tokens looked up in, and found by, the prefix cache (first admissions only, as the engine counts). */
  prefixQueries = 0;
  prefixHits = 0;

  /** Adapters in slots, least recently used first. */
  readonly #slots = new Set<string>();
  readonly #skipped: ModelRequest[] = [];

  constructor(hw: Hardware) {
    this.hw = hw;
    this.cache = new BlockCache(hw.kvBlocks);
  }

  enqueue(request: ModelRequest): void {
    request.state = "waiting";
    this.waiting.push(request);
    if (request.adapter !== undefined) add(this.activeAdapters, request.adapter, 1);
  }

  /** Plans the next step. Returns false when there is nothing to compute. */
  schedule(nowMs: number): boolean {
    this.stepTokens = 0;
    this.stepSequences = 0;
    this.stepContextTokens = 0;
    this.stepAdapterLoads = 0;
    this.isHeadStuck = false;
    const preempted = this.#scheduleRunning();
    if (!preempted) this.#admit(nowMs);
    return this.stepSequences > 0;
  }

  /** Takes a request out for good, wherever it is, and frees its blocks. */
  remove(request: ModelRequest): void {
    if (request.state === "waiting") {
      this.waiting.remove(request);
    } else if (request.state === "running") {
      const index = this.running.indexOf(request);
      if (index >= 0) this.running.splice(index, 1);
      this.leave(request);
    }
    if (request.adapter !== undefined) add(this.activeAdapters, request.adapter, -1);
  }

  /** Frees what a request holds in the batch; the caller takes it off `running`. */
  leave(request: ModelRequest): void {
    this.cache.releaseAll(request.blocks);
    request.blocks.length = 0;
    request.registered = 0;
    request.scheduled = 0;
    if (request.adapter !== undefined) add(this.runningAdapters, request.adapter, -1);
  }

  #scheduleRunning(): boolean {
    const { running, hw } = this;
    let budget = hw.tokenBudget;
    let preempted = false;
    let i = 0;
    while (i < running.length) {
      const request = running[i]!;
      const missing = request.promptTokens + request.generated - request.computed;
      const tokens = Math.min(missing, budget);
      if (tokens === 0) {
        // The budget is used up: the rest keeps its blocks and waits for the next step.
        request.scheduled = 0;
        i++;
        continue;
      }
      let survives = true;
      while (!this.#fit(request, tokens)) {
        preempted = true;
        const newest = running.pop()!;
        this.#preempt(newest);
        if (newest === request) {
          survives = false;
          break;
        }
      }
      if (!survives) break;
      this.#take(request, tokens);
      budget -= tokens;
      i++;
    }
    return preempted;
  }

  #admit(nowMs: number): void {
    const { waiting, running, hw, cache } = this;
    let budget = hw.tokenBudget - this.stepTokens;
    const skipped = this.#skipped;
    skipped.length = 0;
    while (budget > 0 && running.length < hw.maxSeqs) {
      const request = waiting.peek();
      if (request === undefined) break;
      if (request.adapter !== undefined && !this.#adapterFits(request.adapter)) {
        waiting.shift();
        skipped.push(request);
        continue;
      }
      const total = request.promptTokens + request.generated;
      const hits = this.#cachedPrefix(request, total);
      const cached = hits * hw.blockTokens;
      const missing = total - cached;
      const tokens = Math.min(missing, budget);
      let unreferenced = 0;
      for (let b = 0; b < hits; b++) {
        if (!cache.isReferenced(cache.find(request.blockHashes.at(b)!))) unreferenced++;
      }
      if (Math.ceil((cached + tokens) / hw.blockTokens) - hits + unreferenced > cache.free) {
        // Blocks that it would hit may be taken meanwhile; only what fits into one step never needs fewer by that.
        this.isHeadStuck = hits === 0 || total <= budget;
        break;
      }

      waiting.shift();
      for (let b = 0; b < hits; b++) {
        const block = cache.find(request.blockHashes.at(b)!);
        cache.acquire(block);
        request.blocks.push(block);
      }
      request.computed = cached;
      request.registered = hits;
      if (request.cachedTokens < 0) {
        request.cachedTokens = cached;
        request.admittedMs = nowMs;
        this.prefixQueries += request.promptTokens;
        this.prefixHits += cached;
      }
      request.state = "running";
      running.push(request);
      if (request.adapter !== undefined) this.#useAdapter(request.adapter);
      if (!this.#fit(request, tokens)) throw new Error("admission counted a block that is not free");
      this.#take(request, tokens);
      budget -= tokens;
    }
    if (running.length >= hw.maxSeqs) this.isHeadStuck = true;
    while (skipped.length > 0) waiting.unshift(skipped.pop()!);
  }

  /** Blocks of the longest cached prefix; the last token is never taken from the cache. */
  #cachedPrefix(request: ModelRequest, total: number): number {
    const hashes = request.blockHashes;
    const most = Math.min(Math.floor((total - 1) / this.hw.blockTokens), hashes.length);
    let hits = 0;
    while (hits < most && this.cache.find(hashes.at(hits)!) >= 0) hits++;
    return hits;
  }

  /** Gives the request the blocks for `tokens` more; false, with nothing taken, when too few are free. */
  #fit(request: ModelRequest, tokens: number): boolean {
    const blocks = request.blocks;
    const wanted = Math.ceil((request.computed + tokens) / this.hw.blockTokens) - blocks.length;
    if (wanted > this.cache.free) return false;
    for (let i = 0; i < wanted; i++) blocks.push(this.cache.allocate());
    return true;
  }

  #take(request: ModelRequest, tokens: number): void {
    request.scheduled = tokens;
    const context = request.computed + tokens;
    // Blocks are offered as soon as their computation is planned, so that two equal prompts of one step share.
    const hashes = request.blockHashes;
    if (request.registered < hashes.length) {
      const full = Math.min(Math.floor(context / this.hw.blockTokens), hashes.length);
      for (let b = request.registered; b < full; b++) this.cache.register(request.blocks[b]!, hashes.at(b)!);
      if (full > request.registered) request.registered = full;
    }
    this.stepTokens += tokens;
    this.stepSequences++;
    this.stepContextTokens += context;
  }

  #preempt(request: ModelRequest): void {
    this.leave(request);
    request.computed = 0;
    request.preemptions++;
    request.state = "waiting";
    this.preemptions++;
    this.waiting.unshift(request);
  }

  #adapterFits(adapter: string): boolean {
    return this.runningAdapters.has(adapter) || this.runningAdapters.size < this.hw.maxAdapters;
  }

  #useAdapter(adapter: string): void {
    add(this.runningAdapters, adapter, 1);
    if (this.#slots.delete(adapter)) {
      this.#slots.add(adapter);
      return;
    }
    if (this.#slots.size >= this.hw.maxAdapters) {
      for (const resident of this.#slots) {
        if (this.runningAdapters.has(resident)) continue;
        this.#slots.delete(resident);
        break;
      }
    }
    this.#slots.add(adapter);
    this.stepAdapterLoads++;
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const value = (counts.get(key) ?? 0) + by;
  if (value === 0) counts.delete(key);
  else counts.set(key, value);
}
