/**
 * Open-loop load: plays requests at their times against a gateway, whether or not it keeps up, and measures
 * what comes back. What the client itself cannot hold is reported, not hidden: requests that start late
 * (`lateness`) or that find the bound on concurrency reached (`dropped`).
 */
import { setMaxListeners } from "node:events";
import { Pool } from "undici";
import { type Clock, realClock } from "./clock.ts";
import { type LatencyFigures, LatencyWindow } from "./latency-window.ts";
import { type AnswerUsage, SseMeter, usageOf } from "./sse-meter.ts";
import { SimulationError } from "./simulation-error.ts";
import { type BodyOptions, PromptText } from "./traces/prompt-text.ts";
import type { TraceRequest } from "./traces/trace-request.ts";

export interface TrafficOptions {
  /** Base of the gateway, `http://host:port`. */
  readonly url: string;
  /** Read one by one, as their times come. */
  readonly requests: Iterable<TraceRequest> | AsyncIterable<TraceRequest>;
  /** Arrival times are divided by this, > 0. Default 1. */
  readonly speed?: number;
  readonly body: BodyOptions;
  readonly headers?: Readonly<Record<string, string>>;
  /** Seed of the prompts' text. Default 1. */
  readonly seed?: number;
  /** Most requests open at a time; one that finds it reached is dropped and counted. Default 1024. */
  readonly maxConcurrency?: number;
  /** Default 10 s. */
  readonly windowMs?: number;
  /** Without an answer's next byte for so long a request fails. Default 300 s. */
  readonly timeoutMs?: number;
  /** Told of each result, dropped ones too. */
  readonly onResult?: (result: TrafficResult) => void;
  readonly clock?: Clock;
}

export interface TrafficResult {
  /** 0 is the first request of the trace. */
  readonly index: number;
  /** 0 when no answer came. */
  readonly status: number;
  /** `x-served-by` of the answer; empty without one. */
  readonly servedBy: string;
  /** To the first byte of the body of a stream, to the end of any other answer; NaN on failure. */
  readonly ttftMs: number;
  readonly e2eMs: number;
  /** Behind its time when it was sent, ms ≥ 0. */
  readonly lateMs: number;
  readonly usage: AnswerUsage | undefined;
  /** Absent: a whole answer with a status below 400. */
  readonly error?: string;
}

export interface EndpointFigures extends LatencyFigures {
  /** As `x-served-by` names it. */
  readonly endpoint: string;
  /** Answers that ended, from the start. */
  readonly answered: number;
  /** Answers that began in the window: how often the gateway picked it. */
  readonly picksPerSecond: number;
}

export interface TrafficSummary {
  readonly sent: number;
  readonly inFlight: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly dropped: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** How far behind their times requests were sent, ms. */
  readonly lateness: { readonly meanMs: number; readonly maxMs: number };
  /** End-to-end figures over all endpoints. */
  readonly overall: LatencyFigures;
  readonly ttft: LatencyFigures;
  /** By name; `perSecond` is of answers that ended. */
  readonly endpoints: readonly EndpointFigures[];
}

interface EndpointCounts {
  readonly window: LatencyWindow;
  readonly picks: LatencyWindow;
  answered: number;
}

export class Traffic {
  readonly #options: TrafficOptions;
  readonly #clock: Clock;
  readonly #pool: Pool;
  readonly #text: PromptText;
  readonly #path: string;
  readonly #speed: number;
  readonly #maxConcurrency: number;
  readonly #windowMs: number;
  readonly #abort = new AbortController();
  readonly #endpoints = new Map<string, EndpointCounts>();
  readonly #overall: LatencyWindow;
  readonly #ttft: LatencyWindow;
  readonly #inFlight = new Set<Promise<void>>();
  #wake: (() => void) | undefined;
  #pausedAtMs: number | undefined;
  /** Real time of the trace's time zero; pauses move it on. */
  #zeroMs: number;
  #sent = 0;
  #succeeded = 0;
  #failed = 0;
  #dropped = 0;
  #tokens = { prompt: 0, cached: 0, output: 0 };
  #lateSumMs = 0;
  #lateMaxMs = 0;
  /** Settles when every request has been sent and answered, or after `close`; rejects if the trace fails. */
  readonly finished: Promise<void>;

  /** Starts at once. @throws SimulationError `bad-option` */
  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#speed = positive("speed", options.speed ?? 1);
    this.#maxConcurrency = positive("maxConcurrency", options.maxConcurrency ?? 1024);
    this.#windowMs = positive("windowMs", options.windowMs ?? 10_000);
    const timeout = positive("timeoutMs", options.timeoutMs ?? 300_000);
    this.#clock = options.clock ?? realClock;
    this.#overall = new LatencyWindow(this.#windowMs);
    this.#ttft = new LatencyWindow(this.#windowMs);
    this.#text = new PromptText(options.seed ?? 1);
    this.#path = options.body.api === "chat" ? "/v1/chat/completions" : "/v1/completions";
    this.#pool = new Pool(options.url, {
      connections: this.#maxConcurrency,
      pipelining: 1,
      headersTimeout: timeout,
      bodyTimeout: timeout,
    });
    // Every open request listens to it.
    setMaxListeners(0, this.#abort.signal);
    this.#zeroMs = this.#clock.nowMs();
    this.finished = this.#play();
    // Whoever awaits it gets the error; who only closes must not be ended by it.
    this.finished.catch(() => undefined);
  }

  /** Sends no more until `resume`; what is open goes on. */
  pause(): void {
    this.#pausedAtMs ??= this.#clock.nowMs();
    this.#wake?.();
  }

  /** Goes on where `pause` stopped: the time between does not count. */
  resume(): void {
    if (this.#pausedAtMs === undefined) return;
    this.#zeroMs += this.#clock.nowMs() - this.#pausedAtMs;
    this.#pausedAtMs = undefined;
    this.#wake?.();
  }

  get paused(): boolean {
    return this.#pausedAtMs !== undefined;
  }

  summary(): TrafficSummary {
    const nowMs = this.#clock.nowMs();
    const endpoints = [...this.#endpoints]
      .map(([endpoint, { window, picks, answered }]) => ({
        endpoint,
        answered,
        picksPerSecond: picks.figures(nowMs).perSecond,
        ...window.figures(nowMs),
      }))
      .sort((a, b) => (a.endpoint < b.endpoint ? -1 : 1));
    return {
      sent: this.#sent,
      inFlight: this.#inFlight.size,
      succeeded: this.#succeeded,
      failed: this.#failed,
      dropped: this.#dropped,
      promptTokens: this.#tokens.prompt,
      cachedTokens: this.#tokens.cached,
      outputTokens: this.#tokens.output,
      lateness: { meanMs: this.#sent === 0 ? 0 : this.#lateSumMs / this.#sent, maxMs: this.#lateMaxMs },
      overall: this.#overall.figures(nowMs),
      ttft: this.#ttft.figures(nowMs),
      endpoints,
    };
  }

  /** Sends no more, cuts what is open (it counts as failed), and waits until all is settled. */
  async close(): Promise<void> {
    this.#abort.abort(new Error("traffic closed"));
    this.#wake?.();
    await this.finished.catch(() => undefined);
    await this.#pool.destroy();
  }

  async #play(): Promise<void> {
    let index = 0;
    try {
      for await (const request of this.#options.requests) {
        const lateMs = await this.#waitFor(request.arrivalMs / this.#speed);
        if (this.#abort.signal.aborted) break;
        this.#start(request, index++, lateMs);
      }
    } finally {
      await Promise.all(this.#inFlight);
    }
  }

  /** Waits for a time of the trace, pauses included; returns how late it is then. */
  async #waitFor(traceMs: number): Promise<number> {
    while (!this.#abort.signal.aborted) {
      const leftMs = this.#zeroMs + traceMs - this.#clock.nowMs();
      if (this.#pausedAtMs === undefined && leftMs <= 0) return -leftMs;
      await new Promise<void>((resolve) => {
        // While paused only `resume` and `close` wake.
        const cancel = this.#pausedAtMs === undefined ? this.#clock.after(leftMs, resolve) : undefined;
        this.#wake = () => {
          cancel?.();
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return 0;
  }

  #start(request: TraceRequest, index: number, lateMs: number): void {
    if (this.#inFlight.size >= this.#maxConcurrency) {
      this.#dropped++;
      const failure = { status: 0, servedBy: "", ttftMs: Number.NaN, e2eMs: 0, usage: undefined };
      this.#options.onResult?.({ index, lateMs, ...failure, error: "dropped: concurrency bound reached" });
      return;
    }
    this.#sent++;
    this.#lateSumMs += lateMs;
    this.#lateMaxMs = Math.max(this.#lateMaxMs, lateMs);
    const sending = this.#send(request, index, lateMs).then((result) => {
      this.#inFlight.delete(sending);
      this.#count(result);
      this.#options.onResult?.(result);
    });
    this.#inFlight.add(sending);
  }

  async #send(request: TraceRequest, index: number, lateMs: number): Promise<TrafficResult> {
    const { body, headers } = this.#options;
    const payload = this.#text.body(request, body);
    const startMs = this.#clock.nowMs();
    let status = 0;
    let servedBy = "";
    let firstMs = Number.NaN;
    let usage: AnswerUsage | undefined;
    const result = (error?: string): TrafficResult => {
      const e2eMs = this.#clock.nowMs() - startMs;
      const base = { index, status, servedBy, ttftMs: firstMs - startMs, e2eMs, lateMs, usage };
      return error === undefined ? base : { ...base, error };
    };
    try {
      const answer = await this.#pool.request({
        method: "POST",
        path: this.#path,
        headers: { "content-type": "application/json", ...headers },
        body: payload,
        signal: this.#abort.signal,
      });
      status = answer.statusCode;
      servedBy = String(answer.headers["x-served-by"] ?? "");
      this.#countsOf(servedBy).picks.add(0, this.#clock.nowMs());
      const streamed = String(answer.headers["content-type"] ?? "").startsWith("text/event-stream");
      const meter = new SseMeter();
      let whole = "";
      answer.body.setEncoding("utf8");
      for await (const chunk of answer.body as AsyncIterable<string>) {
        if (streamed && Number.isNaN(firstMs)) firstMs = this.#clock.nowMs();
        if (streamed) meter.push(chunk);
        else whole += chunk;
      }
      if (status >= 400) return result(`status ${status}`);
      if (streamed && !meter.done) return result("stream ended without [DONE]");
      if (!streamed) firstMs = this.#clock.nowMs();
      usage = streamed ? meter.usage() : usageOf(whole);
      return result();
    } catch (error) {
      return result(errorText(error));
    }
  }

  #count(result: TrafficResult): void {
    const nowMs = this.#clock.nowMs();
    if (result.error === undefined) {
      this.#succeeded++;
      this.#overall.add(result.e2eMs, nowMs);
      this.#ttft.add(result.ttftMs, nowMs);
    } else {
      this.#failed++;
    }
    this.#tokens.prompt += result.usage?.promptTokens ?? 0;
    this.#tokens.cached += result.usage?.cachedTokens ?? 0;
    this.#tokens.output += result.usage?.outputTokens ?? 0;
    if (result.status === 0) return;
    const counts = this.#countsOf(result.servedBy);
    counts.answered++;
    counts.window.add(result.e2eMs, nowMs);
  }

  /** An answer without `x-served-by` counts under the empty name. */
  #countsOf(endpoint: string): EndpointCounts {
    let counts = this.#endpoints.get(endpoint);
    if (counts === undefined) {
      const window = new LatencyWindow(this.#windowMs);
      counts = { window, picks: new LatencyWindow(this.#windowMs), answered: 0 };
      this.#endpoints.set(endpoint, counts);
    }
    return counts;
  }
}

function positive(name: string, value: number): number {
  if (!(value > 0)) throw new SimulationError("bad-option", name, value, "> 0");
  return value;
}

function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? `${error.code}: ` : "";
  return `${code}${error.message}`;
}
