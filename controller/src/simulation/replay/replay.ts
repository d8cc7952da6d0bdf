/**
 * Replays a trace against simulated servers in virtual time, picked by the core: a table from a scrape at
 * every interval, and word of each request as the filter has it: its pick, its first token, its tokens and
 * its end. A pick, the network and the scrape itself take no time.
 *
 * Servers run up to where they may tell of something, and to each scrape. At equal times steps end first,
 * then servers are scraped, then requests arrive. The same requests, seed and options give the same outcome.
 */
import type { Hardware } from "../hardware.ts";
import { chainHash } from "../hash.ts";
import type { ModelRequest } from "../model-request.ts";
import { type ServerListener, ServerModel } from "../server-model.ts";
import { type EngineName, stepTimes } from "../step-engines.ts";
import type { TraceRequest } from "../traces/trace-request.ts";
import { CorePicker, type CorePickerOptions } from "./core-picker.ts";
import type { Explanation } from "./explanation.ts";
import type { LoadSeries } from "./load-series.ts";
import type { Objectives } from "./objectives.ts";
import { Outcomes } from "./outcomes.ts";
import type { PickerOf, ReplayPicker } from "./replay-picker.ts";
import { StepQueue } from "./step-queue.ts";
import { traceBlocks } from "./trace-blocks.ts";

export interface ReplaySettings {
  /** Of all servers, or of each. */
  readonly hardware: Hardware | readonly Hardware[];
  /** Servers, ≥ 1. */
  readonly endpoints: number;
  /** > 0 */
  readonly scrapeIntervalMs: number;
  /** Arrival times are divided by this, > 0. */
  readonly speed: number;
  readonly objectives: Objectives;
  /** How the servers' step times are made. Absent: by the formula. */
  readonly engine?: EngineName | undefined;
  /** Of what an engine leaves to chance. Absent: 1. */
  readonly engineSeed?: number | undefined;
  /** Number of the request to explain; the first is 1. Absent: none. */
  readonly explain?: number | undefined;
  /** Told of requests that have arrived, now and then. */
  readonly onProgress?: ((arrived: number) => void) | undefined;
  /** Fed with what is in flight on each server, until the last arrival. */
  readonly load?: LoadSeries | undefined;
}

export type CoreReplayOptions = ReplaySettings & CorePickerOptions;
/** Picked by a core, or by what stands in its place. */
export type ReplayOptions = CoreReplayOptions | (ReplaySettings & { readonly picker: PickerOf });

export interface ReplayResult {
  readonly outcomes: Outcomes;
  /** Absent: none was asked for, or the trace ended before it. */
  readonly explanation?: Explanation | undefined;
}

/** Arrivals between two words of progress. */
const PROGRESS_EVERY = 64;

export async function replay(
  requests: Iterable<TraceRequest> | AsyncIterable<TraceRequest>,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const run = new Run(options);
  for await (const request of requests) run.arrive(request);
  run.drain();
  return { outcomes: run.outcomes, explanation: run.explanation };
}

class Run {
  readonly outcomes: Outcomes;
  explanation: Explanation | undefined;
  readonly #options: ReplayOptions;
  readonly #servers: readonly ServerModel[];
  readonly #picker: ReplayPicker;
  readonly #steps: StepQueue;
  #scrapes = 0;

  constructor(options: ReplayOptions) {
    const { endpoints } = options;
    this.#options = options;
    this.outcomes = new Outcomes(options.objectives);
    const { hardware, engine = "linear", engineSeed = 1 } = options;
    const hardwareOf = (index: number) => ("name" in hardware ? hardware : hardware[index]!);
    const listener: ServerListener = {
      onFirstToken: (request, atMs) => this.#picker.firstToken(request.callerId, atMs),
      onFinish: (request, atMs) => this.#finish(request, atMs),
    };
    this.#servers = Array.from(
      { length: endpoints },
      // No request of a trace names an adapter, and servers without any keep no account of them.
      (_, index) => {
        const hw = { ...hardwareOf(index), maxAdapters: 0 };
        return new ServerModel(hw, listener, stepTimes(engine, hw, chainHash(engineSeed, index)));
      },
    );
    this.#picker =
      "picker" in options ? options.picker(this.#servers) : new CorePicker(this.#servers, options);
    this.#steps = new StepQueue(endpoints);
  }

  /** Times of arrival must not go back. */
  arrive(asked: TraceRequest): void {
    const { speed, explain: explained, onProgress } = this.#options;
    const picker = this.#picker;
    const nowMs = asked.arrivalMs / speed;
    this.#runUntil(nowMs);
    this.outcomes.arrive(nowMs);
    const index = picker.pick(asked, nowMs);
    const server = this.#servers[index]!;
    const isServed = asked.promptTokens + asked.outputTokens <= server.maxRequestTokens;
    const isExplained = this.outcomes.arrived === explained;
    if (isExplained) this.explanation = picker.explain?.(asked, nowMs);
    if (isServed) {
      const flight = picker.open(asked, index, nowMs);
      const request = server.submit(
        {
          promptTokens: asked.promptTokens,
          outputTokens: asked.outputTokens,
          blockHashes: traceBlocks(asked, server.hw.blockTokens),
        },
        nowMs,
      );
      request.callerId = flight;
      this.#steps.set(index, server.quietUntilMs);
      if (isExplained && this.explanation !== undefined) this.explanation.request = request;
    } else {
      // The server answers at once that it is too long for it.
      this.outcomes.reject(asked.promptTokens);
    }
    if (this.outcomes.arrived % PROGRESS_EVERY === 0) onProgress?.(this.outcomes.arrived);
  }

  /** Lets the servers finish what they have; the table no longer matters. */
  drain(): void {
    while (this.#steps.nextMs < Number.POSITIVE_INFINITY) this.#endStep();
  }

  #runUntil(nowMs: number): void {
    for (;;) {
      const scrapeMs = this.#scrapes * this.#options.scrapeIntervalMs;
      if (this.#steps.nextMs <= Math.min(scrapeMs, nowMs)) {
        this.#endStep();
      } else if (scrapeMs <= nowMs) {
        for (const server of this.#servers) server.advanceTo(scrapeMs);
        this.#picker.scrape(scrapeMs);
        if (this.#picker.wantsProgress) this.#tellProgress(scrapeMs);
        this.#options.load?.sample(scrapeMs, this.#servers);
        this.#scrapes++;
      } else {
        return;
      }
    }
  }

  #tellProgress(nowMs: number): void {
    for (const { batch } of this.#servers) {
      for (const request of batch) {
        if (request.generated > 1) this.#picker.progress(request.callerId, request.generated, nowMs);
      }
    }
  }

  #endStep(): void {
    const { nextServer, nextMs } = this.#steps;
    const server = this.#servers[nextServer]!;
    server.advanceTo(nextMs);
    this.#steps.set(nextServer, server.quietUntilMs);
  }

  #finish(request: ModelRequest, atMs: number): void {
    const { promptTokens, generated, cachedTokens } = request;
    const usage = { promptTokens, completionTokens: generated, cachedTokens };
    this.#picker.finish(request.callerId, usage, atMs);
    this.outcomes.finish(request);
  }
}
