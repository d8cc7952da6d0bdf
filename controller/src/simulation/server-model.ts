/**
 * One model server with continuous batching, in whatever time its caller keeps.
 *
 * The model has no timers and no clock: it says when its next step ends (`nextEventMs`) and runs up to
 * the time it is told (`advanceTo`). Times are milliseconds on one axis of the caller's choice and never
 * go back. The same model serves a simulation in virtual time and a server in real time.
 */
import { DecodeRun } from "./decode-run.ts";
import type { Hardware } from "./hardware.ts";
import { ModelRequest, type RequestSpec } from "./model-request.ts";
import { Scheduler } from "./scheduler.ts";
import { ServerMetrics } from "./server-metrics.ts";
import { SimulationError } from "./simulation-error.ts";
import { LinearStepTimes, type StepTimes } from "./step-times.ts";

/** Told of what happens, at the end of the step in which it happens; may submit and cancel. */
export interface ServerListener {
  /** A token was sampled (the first and the last one too). A server without this call runs many times as fast. */
  onToken?(request: ModelRequest, atMs: number): void;
  /** At least `request.notifyAt` tokens have been sampled, and more will be. */
  onProgress?(request: ModelRequest, atMs: number): void;
  onFirstToken?(request: ModelRequest, atMs: number): void;
  onFinish?(request: ModelRequest, atMs: number): void;
}

/** What a scrape would find: the state published at the end of the last step. */
export interface ServerSnapshot {
  readonly running: number;
  readonly waiting: number;
  readonly kvUsedRatio: number;
  readonly preemptions: number;
  /** Tokens looked up in the prefix cache, and found. */
  readonly prefixQueries: number;
  readonly prefixHits: number;
  readonly promptTokens: number;
  readonly generationTokens: number;
  readonly finished: number;
  readonly aborted: number;
  /** Names of the adapters with requests in batch or queue, sorted. */
  readonly adapters: readonly string[];
}

/** More than what adding up the times of a run's steps can round away. */
const ROUNDING = 1e-9;

export class ServerModel {
  readonly hw: Hardware;
  readonly metrics: ServerMetrics;
  /** Multiplies the duration of the steps that begin from now on; a fault switch. */
  slowdown = 1;
  /** When the running step ends; `Infinity` when idle. */
  nextEventMs = Number.POSITIVE_INFINITY;
  /**
   * Adapter sets seen at the ends of steps, as sorted names joined by commas, with the time last seen.
   * Empty until the first step, and always for a server that takes no adapters.
   */
  readonly adapterSets = new Map<string, number>();

  readonly #scheduler: Scheduler;
  readonly #listener: ServerListener;
  readonly #times: StepTimes;
  readonly #run: DecodeRun;
  readonly #tellsEach: boolean;
  #nowMs = 0;
  /** When the last step ended. */
  #lastEndMs = 0;
  /** Blocks that the steps of the run have taken and that its sequences do not hold yet. */
  #runBlocks = 0;
  #publishedRunning = 0;
  #publishedWaiting = 0;
  #publishedKvUsed = 0;
  /** Requests that finish in the step being ended; reused. */
  readonly #finishing: ModelRequest[] = [];
  /** Of the step being ended, in the batch's order, whom the listener is told of; reused. */
  readonly #told: ModelRequest[] = [];

  constructor(hw: Hardware, listener: ServerListener = {}, times: StepTimes = new LinearStepTimes(hw)) {
    this.hw = hw;
    this.metrics = new ServerMetrics(hw.maxModelTokens);
    this.#scheduler = new Scheduler(hw);
    this.#listener = listener;
    this.#times = times;
    this.#run = new DecodeRun(hw.blockTokens);
    this.#tellsEach = listener.onToken !== undefined;
  }

  /**
   * The listener hears of nothing before this time, as long as nothing is submitted, cancelled or slowed
   * down; `Infinity` when idle. At this time there may be nothing to hear of yet: then it is later.
   */
  get quietUntilMs(): number {
    const run = this.#run;
    const quietEnds = run.ends - run.steps - 1;
    if (quietEnds <= 0) return this.nextEventMs;
    const { stepTokens, stepContextTokens, stepSequences } = this.#scheduler;
    const leastMs = this.#times.leastStepMs(stepTokens, stepContextTokens, stepSequences) * this.slowdown;
    return this.nextEventMs + quietEnds * leastMs * (1 - ROUNDING);
  }

  /** The batch at this moment, in order of admission. */
  get batch(): readonly ModelRequest[] {
    return this.#scheduler.running;
  }

  /** Requests in the batch at this moment. */
  get running(): number {
    return this.#scheduler.running.length;
  }

  /** Requests in the queue at this moment. */
  get waiting(): number {
    return this.#scheduler.waiting.length;
  }

  get preemptions(): number {
    return this.#scheduler.preemptions;
  }

  get prefixQueries(): number {
    return this.#scheduler.prefixQueries;
  }

  get prefixHits(): number {
    return this.#scheduler.prefixHits;
  }

  /** Share of KV blocks referenced at this moment, 0 to 1. */
  get kvUsedRatio(): number {
    const cache = this.#scheduler.cache;
    return (cache.capacity - cache.free + this.#runBlocks) / cache.capacity;
  }

  /** Published at the end of the last step; see {@link ServerSnapshot}. */
  get publishedRunning(): number {
    return this.#publishedRunning;
  }

  get publishedWaiting(): number {
    return this.#publishedWaiting;
  }

  get publishedKvUsedRatio(): number {
    return this.#publishedKvUsed;
  }

  /** The most tokens of prompt and answer that this server can ever hold for one request. */
  get maxRequestTokens(): number {
    return Math.min(this.hw.maxModelTokens, this.hw.kvBlocks * this.hw.blockTokens);
  }

  /**
   * Takes a request at `nowMs`; an idle server begins a step at once.
   * @throws SimulationError `request-too-long`, `bad-length`, `adapters-not-served`, `time-went-back`
   */
  submit(spec: RequestSpec, nowMs: number): ModelRequest {
    checkLength("promptTokens", spec.promptTokens);
    checkLength("outputTokens", spec.outputTokens);
    const total = spec.promptTokens + spec.outputTokens;
    if (total > this.maxRequestTokens) {
      throw new SimulationError("request-too-long", "prompt and answer tokens", total, this.maxRequestTokens);
    }
    if (spec.adapter !== undefined && this.hw.maxAdapters === 0) {
      throw new SimulationError("adapters-not-served", "adapter", spec.adapter, 0);
    }
    this.advanceTo(nowMs);
    const request = new ModelRequest(spec);
    request.arrivalMs = nowMs;
    this.#scheduler.enqueue(request);
    // Whoever queues behind a head that is stuck is not admitted either.
    if (!this.#scheduler.isHeadStuck) this.#run.stop();
    if (this.nextEventMs === Number.POSITIVE_INFINITY) this.#beginStep(nowMs);
    return request;
  }

  /**
   * Ends a request early and frees what it holds; the step that runs keeps its length.
   * Returns false when the request was over already.
   */
  cancel(request: ModelRequest, nowMs: number): boolean {
    this.advanceTo(nowMs);
    if (request.state !== "running" && request.state !== "waiting") return false;
    this.#run.stop();
    this.#scheduler.remove(request);
    request.state = "cancelled";
    request.finishedMs = nowMs;
    this.metrics.finishedAbort++;
    return true;
  }

  /**
   * Ends every step that is over at `nowMs`.
   * @throws SimulationError `time-went-back`
   */
  advanceTo(nowMs: number): void {
    if (nowMs < this.#nowMs) throw new SimulationError("time-went-back", "nowMs", nowMs, this.#nowMs);
    while (this.nextEventMs <= nowMs) {
      if (this.#run.endsQuietly) this.#endQuietStep(this.nextEventMs);
      else this.#endStep(this.nextEventMs);
    }
    this.#settle();
    this.#nowMs = nowMs;
  }

  snapshot(): ServerSnapshot {
    const { metrics } = this;
    return {
      running: this.#publishedRunning,
      waiting: this.#publishedWaiting,
      kvUsedRatio: this.#publishedKvUsed,
      preemptions: this.preemptions,
      prefixQueries: this.prefixQueries,
      prefixHits: this.prefixHits,
      promptTokens: metrics.promptTokens,
      generationTokens: metrics.generationTokens,
      finished: metrics.finishedStop + metrics.finishedLength,
      aborted: metrics.finishedAbort,
      adapters: [...this.#scheduler.activeAdapters.keys()].sort(),
    };
  }

  #beginStep(nowMs: number): void {
    const s = this.#scheduler;
    if (!s.schedule(nowMs)) {
      this.nextEventMs = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.#tellsEach) this.#run.stop();
    else this.#run.plan(s, nowMs);
    const loadsMs = s.stepAdapterLoads * this.hw.adapterLoadMs;
    this.nextEventMs = nowMs + (this.#computeMs() + loadsMs) * this.slowdown;
    this.metrics.iterationTokens.observe(s.stepTokens);
  }

  #computeMs(): number {
    const { stepTokens, stepContextTokens, stepSequences } = this.#scheduler;
    return this.#times.stepMs(stepTokens, stepContextTokens, stepSequences);
  }

  /** Ends a step of the run, and begins the next one. */
  #endQuietStep(atMs: number): void {
    const s = this.#scheduler;
    const { metrics } = this;
    metrics.interTokenLatency.observe((atMs - this.#lastEndMs) / 1000, s.stepSequences);
    metrics.generationTokens += s.stepSequences;
    metrics.steps++;
    this.#lastEndMs = atMs;
    this.#publish(atMs);
    this.#runBlocks += this.#run.next();
    s.stepContextTokens += s.stepSequences;
    this.nextEventMs = atMs + this.#computeMs() * this.slowdown;
    metrics.iterationTokens.observe(s.stepTokens);
  }

  /** Makes the run's sequences and the cache what its steps have made of them. */
  #settle(): void {
    this.#run.settle(this.#scheduler, this.#lastEndMs);
    this.#runBlocks = 0;
  }

  #endStep(atMs: number): void {
    this.#settle();
    this.#nowMs = atMs;
    this.#lastEndMs = atMs;
    // Until the next step has begun, a submit from a listener must only queue.
    this.nextEventMs = Number.MAX_VALUE;
    const { running } = this.#scheduler;
    const told = this.#told;
    const finishing = this.#finishing;
    const tellsEach = this.#tellsEach;
    told.length = 0;
    finishing.length = 0;
    let kept = 0;
    let sampled = 0;
    let commonGapMs = -1;
    let commonGaps = 0;
    for (let i = 0; i < running.length; i++) {
      const request = running[i]!;
      if (request.scheduled > 0) {
        request.computed += request.scheduled;
        request.scheduled = 0;
        if (request.computed === request.promptTokens + request.generated) {
          request.generated++;
          sampled++;
          const isFirst = request.generated === 1;
          const isLast = request.generated === request.outputTokens;
          if (tellsEach || isFirst || isLast || request.generated >= request.notifyAt) told.push(request);
          if (isFirst) {
            request.firstTokenMs = atMs;
            this.#observeFirstToken(request);
          } else {
            const gapMs = atMs - request.lastTokenMs;
            if (gapMs === commonGapMs) {
              commonGaps++;
            } else {
              if (commonGaps > 0) this.metrics.interTokenLatency.observe(commonGapMs / 1000, commonGaps);
              commonGapMs = gapMs;
              commonGaps = 1;
            }
          }
          request.lastTokenMs = atMs;
          if (isLast) {
            finishing.push(request);
            continue;
          }
        }
      }
      if (kept !== i) running[kept] = request;
      kept++;
    }
    if (kept !== running.length) running.length = kept;
    if (commonGaps > 0) this.metrics.interTokenLatency.observe(commonGapMs / 1000, commonGaps);
    this.metrics.generationTokens += sampled;
    this.metrics.steps++;
    for (const request of finishing) this.#finish(request, atMs);
    this.#publish(atMs);
    if (told.length > 0) this.#tell(told, atMs);
    this.#beginStep(atMs);
  }

  #finish(request: ModelRequest, atMs: number): void {
    this.#scheduler.leave(request);
    request.state = "finished";
    this.#scheduler.remove(request);
    request.finishedMs = atMs;
    const m = this.metrics;
    const decodeS = (atMs - request.firstTokenMs) / 1000;
    const others = request.outputTokens - 1;
    if (request.stops) m.finishedStop++;
    else m.finishedLength++;
    m.e2eLatency.observe((atMs - request.arrivalMs) / 1000);
    m.queueTime.observe((request.admittedMs - request.arrivalMs) / 1000);
    m.inferenceTime.observe((atMs - request.admittedMs) / 1000);
    m.prefillTime.observe((request.firstTokenMs - request.admittedMs) / 1000);
    m.decodeTime.observe(decodeS);
    m.timePerOutputToken.observe(others > 0 ? decodeS / others : 0);
    m.requestPromptTokens.observe(request.promptTokens);
    m.requestGenerationTokens.observe(request.outputTokens);
    m.requestComputedTokens.observe(request.promptTokens - request.cachedTokens);
    m.requestPreemptions.observe(request.preemptions);
  }

  #observeFirstToken(request: ModelRequest): void {
    const m = this.metrics;
    m.timeToFirstToken.observe((request.firstTokenMs - request.arrivalMs) / 1000);
    m.promptTokens += request.promptTokens;
    m.promptTokensCached += request.cachedTokens;
  }

  #publish(atMs: number): void {
    const s = this.#scheduler;
    this.#publishedRunning = s.running.length;
    this.#publishedWaiting = s.waiting.length;
    this.#publishedKvUsed = this.kvUsedRatio;
    if (this.hw.maxAdapters > 0) {
      const active = s.activeAdapters;
      this.adapterSets.set(active.size === 0 ? "" : [...active.keys()].sort().join(","), atMs);
    }
  }

  #tell(told: readonly ModelRequest[], atMs: number): void {
    const { onToken, onFirstToken, onProgress, onFinish } = this.#listener;
    for (const request of told) {
      // A listener may have cancelled this one while it was told of another.
      if (request.state === "cancelled") continue;
      if (request.generated === 1) onFirstToken?.call(this.#listener, request, atMs);
      onToken?.call(this.#listener, request, atMs);
      const isOver = request.state === "finished";
      if (!isOver && request.generated >= request.notifyAt) onProgress?.call(this.#listener, request, atMs);
      if (isOver) onFinish?.call(this.#listener, request, atMs);
    }
  }
}

function checkLength(field: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new SimulationError("bad-length", field, value, 1);
}
