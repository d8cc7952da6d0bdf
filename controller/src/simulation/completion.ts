/** One completion request on its way through a simulated server, and the answer written for it. */
import type { ServerResponse } from "node:http";
import type { ModelRequest } from "./model-request.ts";
import { tokenText } from "./prompt-tokens.ts";
import type { CompletionRequest } from "./request-body.ts";
import {
  type AnswerHead,
  DONE_EVENT,
  type FinishReason,
  roleChunk,
  textChunk,
  type Usage,
  usageChunk,
  wholeAnswer,
} from "./response-shapes.ts";

export interface CompletionContext {
  readonly asked: CompletionRequest;
  readonly head: AnswerHead;
  readonly response: ServerResponse;
  /** Seed of the answer's text. */
  readonly textSeed: number;
  readonly blockTokens: number;
  readonly finish: FinishReason;
  /** Headers of the answer, without length and type. */
  readonly headers: Readonly<Record<string, string>>;
}

export class Completion {
  readonly context: CompletionContext;
  #told = 0;

  constructor(context: CompletionContext) {
    this.context = context;
  }

  /** Sends the headers of a stream; they come before the first token, as with vLLM. */
  open(): void {
    const { asked, response, headers } = this.context;
    if (!asked.stream) return;
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      vary: "Origin",
    });
    response.flushHeaders();
  }

  /** Tokens were sampled: an event when streaming, else only at the end. */
  progress(request: ModelRequest, tokens: number, finished: boolean): void {
    const { asked, head, response, finish, headers } = this.context;
    const from = this.#told;
    this.#told += tokens;
    if (!asked.stream) {
      if (!finished) return;
      const answer = wholeAnswer(head, this.#text(0, this.#told), finish, this.#usage(request));
      response.writeHead(200, {
        ...headers,
        "content-length": String(Buffer.byteLength(answer)),
        "content-type": "application/json",
        vary: "Origin",
      });
      response.end(answer);
      return;
    }
    const usage = asked.continuousUsage && asked.includeUsage ? this.#usage(request) : undefined;
    let out = "";
    if (from === 0 && asked.kind === "chat") {
      out += roleChunk(head, usage === undefined ? undefined : { ...usage, completionTokens: 0 });
    }
    const closing = finished && !asked.includeUsage;
    out += textChunk(head, this.#text(from, this.#told), finished ? finish : null, usage, closing);
    if (!finished) {
      response.write(out);
      return;
    }
    if (asked.includeUsage) out += usageChunk(head, this.#usage(request));
    response.end(out + DONE_EVENT);
  }

  #text(from: number, to: number): string {
    let text = "";
    for (let i = from; i < to; i++) text += tokenText(this.context.textSeed, i);
    return text;
  }

  #usage(request: ModelRequest): Usage {
    const size = this.context.blockTokens;
    const cachedTokens = Math.max(0, request.cachedTokens);
    return {
      promptTokens: request.promptTokens,
      completionTokens: this.#told,
      cachedTokens,
      createdCacheTokens: Math.floor(request.promptTokens / size) * size - cachedTokens,
    };
  }
}
