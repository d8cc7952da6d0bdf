/** The engine of a simulated server: takes an API's work into the batching model and feeds its answer. */
import type { AnswerOutput } from "./answer-output.ts";
import type { AnswerHead, Prompt, Work } from "./apis/api.ts";
import type { Clock } from "./clock.ts";
import type { Hardware } from "./hardware.ts";
import { chainHash, textHash } from "./hash.ts";
import { Job } from "./job.ts";
import { type ModelRequest, NO_HASHES } from "./model-request.ts";
import type { OutputLength } from "./output-length.ts";
import { blockHashesOf, chainSeed, tokensOfBytes, tokenText } from "./prompt-tokens.ts";
import { RealTimeDriver } from "./real-time-driver.ts";
import { Refusal } from "./refusal.ts";
import { Totals } from "./totals.ts";

export interface EngineOptions {
  readonly name: string;
  readonly hardware: Hardware;
  readonly models: readonly string[];
  readonly adapters: readonly string[];
  /** Of answers' lengths and texts. */
  readonly seed: number;
  readonly outputLength: OutputLength;
  readonly clock: Clock;
}

/** Of one request for work. */
export interface WorkContext {
  /** Name of the API that asks. */
  readonly api: string;
  readonly output: AnswerOutput;
  /** Cut it after its first tokens. */
  readonly resets: boolean;
  /** Calls once when the client is gone or the answer has been sent. */
  readonly onClose: (call: () => void) => void;
}

export class Engine {
  readonly driver: RealTimeDriver;
  readonly totals = new Totals();
  readonly #options: EngineOptions;
  readonly #idSeed: number;
  /** Of each sequence that is not over. */
  readonly #jobs = new Map<ModelRequest, Job>();
  readonly #open = new Set<Job>();
  #sequence = 0;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#idSeed = textHash(`${options.name} ${options.seed}`);
    const { hardware, adapters, clock } = options;
    const served = adapters.length === 0 ? { ...hardware, maxAdapters: 0 } : hardware;
    this.driver = new RealTimeDriver(served, clock, (request, tokens, finished) =>
      this.#progress(request, tokens, finished),
    );
  }

  /** Requests for work between their arrival and the end of their answer. */
  get inFlight(): number {
    return this.#open.size;
  }

  /** @throws Refusal for a model that is not served */
  checkModel(model: string | undefined): void {
    const { models, adapters } = this.#options;
    if (model === undefined || models.includes(model) || adapters.includes(model)) return;
    const message = `The model \`${model}\` does not exist. Valid aliases: ${models.join(", ")}.`;
    throw new Refusal(404, "NotFoundError", message, "model");
  }

  /** @throws Refusal for work that no request of this server may ask for */
  submit(work: Work, context: WorkContext): void {
    const { hardware, models, adapters, clock, seed, outputLength } = this.#options;
    const { model: asked, copies, stops = false } = work;
    this.checkModel(asked);
    for (const prompt of work.prompts) this.#checkLength(prompt, work.maxTokens);
    const model = asked ?? models[0] ?? hardware.name;
    const head: AnswerHead = {
      id: chainHash(this.#idSeed, ++this.#sequence)
        .toString(16)
        .padStart(16, "0"),
      created: Math.floor(clock.unixMs() / 1000),
      model,
    };
    const isPrefillOnly = work.maxTokens === 0;
    const answer = work.answer(head);
    const job = new Job({
      model,
      api: context.api,
      answer,
      output: context.output,
      finish: work.maxTokens === undefined || stops ? "stop" : "length",
      sequences: work.prompts.length * copies,
      copies,
      blockTokens: hardware.blockTokens,
      isPrefillOnly,
      resets: context.resets,
    });
    this.#open.add(job);
    const adapter = adapters.includes(model) ? model : undefined;
    const chain = chainSeed(adapter ?? "", work.cacheSalt);
    for (const prompt of work.prompts) {
      const promptTokens = tokensOf(prompt);
      const hashes =
        prompt.tokens === undefined ? blockHashesOf(prompt.text, hardware.blockTokens, chain) : NO_HASHES;
      const firstSeed = (hashes.at(hashes.length - 1) ?? chain) + seed + prompt.text.length;
      for (let copy = 0; copy < copies; copy++) {
        const textSeed = firstSeed + copy;
        const room = this.driver.model.maxRequestTokens - promptTokens;
        const wanted = isPrefillOnly ? 1 : (work.maxTokens ?? outputLength(textSeed));
        const outputTokens = Math.max(1, Math.min(wanted, room));
        const request = this.driver.submit({
          promptTokens,
          outputTokens,
          blockHashes:
            isPrefillOnly || prompt.tokens !== undefined
              ? hashes
              : sequenceHashes(prompt.text, textSeed, outputTokens, hardware.blockTokens, chain),
          stops: work.maxTokens === undefined || stops,
          ...(adapter === undefined ? {} : { adapter }),
        });
        this.#jobs.set(request, job);
        job.add(request, textSeed);
      }
    }
    context.onClose(() => this.#close(job));
  }

  #progress(request: ModelRequest, tokens: number, finished: boolean): void {
    const job = this.#jobs.get(request);
    if (job === undefined) return;
    if (finished) this.#jobs.delete(request);
    if (!job.progress(request, tokens, finished)) return;
    this.#open.delete(job);
    this.#count(job, true);
  }

  /** Ends what the engine still does for an answer whose client is gone. */
  #close(job: Job): void {
    if (!this.#open.delete(job)) return;
    for (const request of job.requests) {
      if (this.#jobs.delete(request)) this.driver.cancel(request);
    }
    this.#count(job, false);
  }

  #count(job: Job, isWhole: boolean): void {
    const { model, api, answer } = job.context;
    this.totals.count(model, api, job.usage(), answer.reports, isWhole);
  }

  #checkLength(prompt: Prompt, maxTokens: number | undefined): void {
    const limit = this.driver.model.maxRequestTokens;
    if (maxTokens !== undefined && maxTokens > limit) {
      const message =
        `max_tokens=${maxTokens} cannot be greater than max_model_len=${limit}. ` +
        `Please request fewer output tokens. (parameter=max_tokens, value=${maxTokens})`;
      throw new Refusal(400, "BadRequestError", message, "max_tokens");
    }
    const promptTokens = tokensOf(prompt);
    if (promptTokens + (maxTokens || 1) <= limit) return;
    const value = Math.min(promptTokens, limit + 1);
    const message =
      promptTokens >= limit
        ? `This model's maximum context length is ${limit} tokens. However, your prompt contains at least ` +
          `${value} input tokens, which exceeds this limit even without any output tokens. ` +
          `Please reduce the length of the input prompt. (parameter=input_tokens, value=${value})`
        : `This model's maximum context length is ${limit} tokens. However, you requested ` +
          `${maxTokens} output tokens and your prompt contains ${value} input tokens. ` +
          `(parameter=input_tokens, value=${value})`;
    throw new Refusal(400, "BadRequestError", message, "input_tokens");
  }
}

function tokensOf({ text, tokens }: Prompt): number {
  return Math.max(1, tokens ?? tokensOfBytes(text.length));
}

/** Hashes of prompt and answer together; the answer's text is known as soon as its seed is. */
function sequenceHashes(
  prompt: Buffer,
  textSeed: number,
  outputTokens: number,
  blockTokens: number,
  seed: number,
): number[] {
  let text = " ".repeat((4 - (prompt.length % 4)) % 4);
  for (let i = 0; i < outputTokens; i++) text += tokenText(textSeed, i);
  return blockHashesOf(Buffer.concat([prompt, Buffer.from(text)]), blockTokens, seed);
}
