/** One request that the engine works on, from its first token to the end of its answer. */
import type { AnswerOutput } from "./answer-output.ts";
import type { Answer, Choice, FinishReason, Result } from "./apis/api.ts";
import type { ModelRequest } from "./model-request.ts";
import { tokenText } from "./prompt-tokens.ts";
import type { Usage } from "./usage.ts";

export interface JobContext {
  /** As the client named it, or the base model's name. */
  readonly model: string;
  /** Of the API. */
  readonly api: string;
  readonly answer: Answer;
  readonly output: AnswerOutput;
  readonly finish: FinishReason;
  /** In all; the answer is whole when each of them is. */
  readonly sequences: number;
  /** See `Work.copies`. */
  readonly copies: number;
  readonly blockTokens: number;
  /** What the engine samples is thrown away. */
  readonly isPrefillOnly: boolean;
  /** Cut it after its first tokens. */
  readonly resets: boolean;
}

interface Sequence {
  readonly request: ModelRequest;
  readonly textSeed: number;
  told: number;
}

export class Job {
  readonly context: JobContext;
  readonly #sequences: Sequence[] = [];
  #left: number;
  #isCut = false;

  constructor(context: JobContext) {
    this.context = context;
    this.#left = context.sequences;
    const { answer, output } = context;
    // The head of a stream comes before the first token, as with vLLM.
    if (answer.kind === "stream") output.open(answer.contentType);
  }

  /** Its sequences inside the engine, in the order of the choices. */
  get requests(): readonly ModelRequest[] {
    return this.#sequences.map(({ request }) => request);
  }

  /** @param textSeed of the text that stands for its tokens */
  add(request: ModelRequest, textSeed: number): void {
    this.#sequences.push({ request, textSeed, told: 0 });
  }

  /** Tokens of one of its sequences were sampled. Returns true when that ended the answer. */
  progress(request: ModelRequest, tokens: number, finished: boolean): boolean {
    const choice = this.#sequences.findIndex((each) => each.request === request);
    const sequence = this.#sequences[choice]!;
    const { answer, output, finish } = this.context;
    if (this.#isCut || (this.context.resets && (finished || answer.kind === "whole" || this.#hasBegun()))) {
      this.#isCut = true;
      output.cut();
      return false;
    }
    const from = sequence.told;
    sequence.told += tokens;
    if (finished) this.#left--;
    const isLast = this.#left === 0;
    if (answer.kind === "whole") {
      if (isLast) output.whole(200, answer.contentType, answer.body(this.#result()));
      return isLast;
    }
    const piece = answer.piece({
      choice,
      text: text(sequence.textSeed, from, sequence.told),
      isFirst: from === 0,
      finish: finished ? finish : null,
      isLast,
      usage: this.usage(),
    });
    if (!isLast) {
      output.write(piece);
      return false;
    }
    const rest = answer.close(this.#result());
    output.end(
      typeof piece === "string" && typeof rest === "string"
        ? piece + rest
        : Buffer.concat([Buffer.from(piece), Buffer.from(rest)]),
    );
    return true;
  }

  /** Of what has come so far. */
  usage(): Usage {
    const { copies, blockTokens, isPrefillOnly } = this.context;
    let [promptTokens, completionTokens, cachedTokens, createdCacheTokens] = [0, 0, 0, 0];
    for (const [i, { request, told }] of this.#sequences.entries()) {
      if (!isPrefillOnly) completionTokens += told;
      if (i % copies !== 0) continue;
      const cached = Math.max(0, request.cachedTokens);
      promptTokens += request.promptTokens;
      cachedTokens += cached;
      createdCacheTokens += Math.floor(request.promptTokens / blockTokens) * blockTokens - cached;
    }
    return { promptTokens, completionTokens, cachedTokens, createdCacheTokens };
  }

  #hasBegun(): boolean {
    return this.#sequences.some(({ told }) => told > 0);
  }

  #result(): Result {
    const choices = this.#sequences.map(
      ({ textSeed, told }): Choice => ({ text: text(textSeed, 0, told), finish: this.context.finish }),
    );
    return { choices, usage: this.usage() };
  }
}

function text(seed: number, from: number, to: number): string {
  let made = "";
  for (let i = from; i < to; i++) made += tokenText(seed, i);
  return made;
}
