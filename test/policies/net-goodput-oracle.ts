/**
 * Net goodput by exact sums over everything in flight: the measure for the core's O(endpoints) version.
 * Takes the endpoint with the least own latency, latency harm to those there, and change in the expected
 * violations of objectives, the newcomer's and everyone's already there. Knows only what a gateway sees.
 */
import { type Objectives, ttftBoundMs } from "../../controller/src/simulation/replay/objectives.ts";
import type { ReplayPicker, Usage } from "../../controller/src/simulation/replay/replay-picker.ts";
import {
  PREFIX_BLOCK_TOKENS,
  type TraceRequest,
} from "../../controller/src/simulation/traces/trace-request.ts";
import { ExactPrefixIndex } from "./exact-prefix-index.ts";
import { AnswerLengths, type Coefficients, LearnedModel } from "./learned-model.ts";

export interface OracleOptions {
  readonly objectives: Objectives;
  /** Tokens of KV cache, by endpoint. */
  readonly capacityTokens: readonly number[];
  readonly prior: Coefficients;
  /** Ablations and variants. */
  readonly learns?: boolean;
  readonly withViolations?: boolean;
  /** Multiplies what the prompt's length is taken to be. */
  readonly tokenEstimate?: (asked: TraceRequest) => number;
}

interface Flight {
  readonly endpoint: number;
  promptTokens: number;
  readonly uncachedTokens: number;
  readonly pickedMs: number;
  /** At the pick. */
  readonly aheadTokens: number;
  readonly contextTokens: number;
  readonly requests: number;
  tokens: number;
  /** -1 before it. */
  firstTokenMs: number;
  /** The endpoint's integrals when it decoded its first token. */
  contextMs: number;
  decodersMs: number;
  prefilled: number;
}

class Endpoint {
  uncachedTokens = 0;
  residentTokens = 0;
  readonly flights = new Set<Flight>();
  decoders = 0;
  /** ∫ context tokens of what decodes, ∫ decoders, both over ms; prompt tokens computed. */
  contextMs = 0;
  decodersMs = 0;
  prefilled = 0;
  #atMs = 0;

  advance(nowMs: number): void {
    const ms = nowMs - this.#atMs;
    if (ms <= 0) return;
    this.#atMs = nowMs;
    let context = 0;
    for (const { firstTokenMs, promptTokens, tokens } of this.flights) {
      if (firstTokenMs >= 0) context += promptTokens + tokens;
    }
    this.contextMs += context * ms;
    this.decodersMs += this.decoders * ms;
  }
}

const STEP_TOKENS = 8192;
const RATE_MS = 8000;
const MOST_UTILIZATION = 0.9;
const MEDIAN_OF = 400;
const SPREADS = [0.3, 1.7] as const;
const MEMORY_MS = 5000;

export class NetGoodputOracle implements ReplayPicker {
  readonly wantsProgress = true;
  readonly model: LearnedModel;
  readonly lengths = new AnswerLengths();
  readonly #options: OracleOptions;
  readonly #endpoints: readonly Endpoint[];
  readonly #index: ExactPrefixIndex;
  readonly #flights: Flight[] = [];
  readonly #free: number[] = [];
  /** Uncached tokens picked, decaying. */
  #rateTokens = 0;
  #rateAtMs = 0;
  readonly #tpots: number[] = [];
  #tpotNext = 0;
  #medianTpotMs = 0;
  /** Of the last pick, by endpoint. */
  readonly #cached: Float64Array;
  #promptTokens = 0;

  constructor(options: OracleOptions) {
    this.#options = options;
    const count = options.capacityTokens.length;
    this.#endpoints = Array.from({ length: count }, () => new Endpoint());
    this.#index = new ExactPrefixIndex(count, Math.floor(options.capacityTokens[0]! / PREFIX_BLOCK_TOKENS));
    this.model = new LearnedModel(options.prior, count);
    this.#cached = new Float64Array(count);
  }

  scrape(): void {}

  pick(asked: TraceRequest, nowMs: number): number {
    const { model } = this;
    const { objectives, capacityTokens, withViolations = true, tokenEstimate } = this.#options;
    const prompt = tokenEstimate?.(asked) ?? asked.promptTokens;
    this.#promptTokens = prompt;
    const answer = this.lengths.remaining(0);
    const { tpotMs } = objectives;
    const ttftMs = ttftBoundMs(objectives.ttft, prompt);
    const violationMs = 6 * answer * tpotMs;
    const target = Math.max(tpotMs, this.#medianTpotMs);
    const utilization = this.#utilization(nowMs);
    const inflation = 1 / (1 - 0.85 * utilization);
    let best = 0;
    let bestScore = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#endpoints.length; i++) {
      const endpoint = this.#endpoints[i]!;
      const factor = Math.exp(model.logSpeed[i]!);
      const [w0, ckv, cb, ctok] = model.theta.map((value) => value * factor) as unknown as Coefficients;
      const matched = this.#index.matched(i, asked.prefixBlocks ?? []);
      const cached = Math.min(matched * PREFIX_BLOCK_TOKENS, prompt - 1);
      this.#cached[i] = cached;
      const fresh = prompt - cached;
      const ahead = endpoint.uncachedTokens + fresh;
      const requests = endpoint.flights.size;
      const stepMs = w0 + ckv * endpoint.residentTokens + cb * requests;
      const addedMs = ckv * prompt + cb;
      const waitMs = ahead * ctok + (1 + ahead / STEP_TOKENS) * stepMs;
      let context = 0;
      for (const { promptTokens, tokens } of endpoint.flights) context += promptTokens + tokens;
      const ownTpotMs = inflation * (w0 + ckv * context + cb * requests + addedMs);
      const harmMs = requests * (fresh * ctok + answer * addedMs);
      let score = waitMs + answer * ownTpotMs + harmMs;
      if (withViolations) {
        const late = phi((waitMs - ttftMs) / (0.2 * ttftMs));
        const slow = phi((ownTpotMs - target) / deviation(tpotMs, answer));
        let violations = 0;
        for (const flight of endpoint.flights) {
          const { tokens, firstTokenMs } = flight;
          const decodes = firstTokenMs >= 0;
          const left = this.lengths.remaining(tokens);
          for (const spread of SPREADS) {
            const remaining = spread * left;
            const total = tokens + remaining;
            const sigma = deviation(tpotMs, total);
            const before =
              ((decodes ? nowMs - firstTokenMs : 0) +
                remaining * stepMs * inflation +
                (decodes ? endpoint.uncachedTokens * ctok : 0)) /
              total;
            const after = before + (fresh * ctok + Math.min(answer, remaining) * addedMs) / total;
            violations += (phi((after - target) / sigma) - phi((before - target) / sigma)) / SPREADS.length;
          }
        }
        score += violationMs * (0.5 * late + slow * (1 - late) + violations);
      }
      const capacity = capacityTokens[i]!;
      score += (MEMORY_MS * Math.max(0, endpoint.residentTokens + prompt + answer - capacity)) / capacity;
      if (score < bestScore) {
        best = i;
        bestScore = score;
      }
    }
    return best;
  }

  open(asked: TraceRequest, server: number, nowMs: number): number {
    const endpoint = this.#endpoints[server]!;
    endpoint.advance(nowMs);
    const uncachedTokens = this.#promptTokens - this.#cached[server]!;
    this.#index.record(server, asked.prefixBlocks ?? []);
    const flight: Flight = {
      endpoint: server,
      promptTokens: this.#promptTokens,
      uncachedTokens,
      pickedMs: nowMs,
      aheadTokens: endpoint.uncachedTokens + uncachedTokens,
      contextTokens: endpoint.residentTokens,
      requests: endpoint.flights.size,
      tokens: 0,
      firstTokenMs: -1,
      contextMs: 0,
      decodersMs: 0,
      prefilled: 0,
    };
    endpoint.uncachedTokens += uncachedTokens;
    endpoint.residentTokens += this.#promptTokens;
    endpoint.flights.add(flight);
    this.#rateTokens = this.#rateTokens * Math.exp((this.#rateAtMs - nowMs) / RATE_MS) + uncachedTokens;
    this.#rateAtMs = nowMs;
    const handle = this.#free.pop() ?? this.#flights.length;
    this.#flights[handle] = flight;
    return handle;
  }

  firstToken(handle: number, nowMs: number): void {
    const flight = this.#flights[handle]!;
    const endpoint = this.#endpoints[flight.endpoint]!;
    endpoint.advance(nowMs);
    endpoint.uncachedTokens -= flight.uncachedTokens;
    endpoint.prefilled += flight.uncachedTokens;
    endpoint.decoders++;
    flight.firstTokenMs = nowMs;
    flight.tokens = 1;
    flight.contextMs = endpoint.contextMs;
    flight.decodersMs = endpoint.decodersMs;
    flight.prefilled = endpoint.prefilled;
    const { aheadTokens, contextTokens, requests, pickedMs } = flight;
    if (this.#options.learns === false || aheadTokens < 500) return;
    const steps = 1 + aheadTokens / STEP_TOKENS;
    const ms = nowMs - pickedMs;
    this.model.learn(
      flight.endpoint,
      [steps, steps * contextTokens, steps * requests, aheadTokens],
      ms,
      0.5 * ms,
      FIRST_TOKEN_WEIGHT,
    );
  }

  progress(handle: number, tokens: number): void {
    this.#flights[handle]!.tokens = tokens;
  }

  finish(handle: number, { completionTokens }: Usage, nowMs: number): void {
    const flight = this.#flights[handle]!;
    const endpoint = this.#endpoints[flight.endpoint]!;
    endpoint.advance(nowMs);
    endpoint.flights.delete(flight);
    endpoint.decoders--;
    endpoint.residentTokens -= flight.promptTokens;
    this.#free.push(handle);
    this.lengths.add(completionTokens);
    const gaps = completionTokens - 1;
    const ms = nowMs - flight.firstTokenMs;
    if (gaps < 1 || ms <= 0) return;
    const tpotMs = ms / gaps;
    this.#tpots[this.#tpotNext] = tpotMs;
    this.#tpotNext = (this.#tpotNext + 1) % MEDIAN_OF;
    this.#medianTpotMs = this.#tpots.toSorted((a, b) => a - b)[this.#tpots.length >> 1]!;
    if (this.#options.learns === false || completionTokens < 6) return;
    const weight = Math.min(1, completionTokens / 50);
    this.model.learn(
      flight.endpoint,
      [
        1,
        (endpoint.contextMs - flight.contextMs) / ms,
        (endpoint.decodersMs - flight.decodersMs) / ms,
        (endpoint.prefilled - flight.prefilled) / gaps,
      ],
      tpotMs,
      (0.2 * tpotMs) / Math.sqrt(weight),
      weight,
    );
  }

  /** Of the time of a pool that only computed prompts, 0 to 0.9. */
  #utilization(nowMs: number): number {
    const perMs = (this.#rateTokens * Math.exp((this.#rateAtMs - nowMs) / RATE_MS)) / RATE_MS;
    const speed = this.model.logSpeed.reduce((sum, value) => sum + Math.exp(-value), 0);
    return Math.min(MOST_UTILIZATION, (perMs * this.model.theta[3]!) / speed);
  }
}

const FIRST_TOKEN_WEIGHT = 0.3;

/** The normal distribution's probability, nearly. */
function phi(z: number): number {
  return 1 / (1 + Math.exp(-1.702 * z));
}

/** Of a time per token over `tokens`. */
function deviation(tpotMs: number, tokens: number): number {
  return 0.25 * tpotMs * Math.sqrt(1 + 100 / tokens);
}
