/**
 * Turns requests of a trace into request bodies.
 *
 * Token i of a prompt comes from the text of block i / 512, so that equal ids at equal places are equal
 * bytes; counted by the simulated servers' tokenizer (four bytes a token, four tokens for each message
 * header) a body has exactly the tokens of its request. A chat gives the first block to a system message
 * and the rest to one user message; headers take the place of the block's first tokens.
 */
import { chainHash } from "../hash.ts";
import { HEADER_TOKENS, tokenText } from "../prompt-tokens.ts";
import { PREFIX_BLOCK_TOKENS, type TraceRequest } from "./trace-request.ts";

/** Shortest chat: header, one token, header of the answer. */
export const LEAST_CHAT_TOKENS = 2 * HEADER_TOKENS + 1;
/** Below it a chat has one message. */
const LEAST_TWO_MESSAGE_TOKENS = PREFIX_BLOCK_TOKENS + LEAST_CHAT_TOKENS;
const CACHED_BLOCKS = 4096;

export interface BodyOptions {
  readonly api: "chat" | "completion";
  readonly model?: string;
  readonly stream: boolean;
  /** Put `messages` or `prompt` before `model`, as the official clients do. Default true. */
  readonly promptFirst?: boolean;
  readonly cacheSalt?: string;
}

/** Builds bodies; keeps the texts of recent blocks, of which prompts that share prefixes need the same ones. */
export class PromptText {
  readonly #seed: number;
  readonly #blocks = new Map<number, string>();
  #unshared = 0;

  /** @param seed of the texts: equal seeds give equal texts for equal ids */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /**
   * The JSON of a request. `max_tokens` is the trace's answer length. A chat shorter than
   * `LEAST_CHAT_TOKENS` is filled up to it.
   */
  body(request: TraceRequest, options: BodyOptions): string {
    const ids = request.prefixBlocks ?? this.#uniqueIds(request.promptTokens);
    const { promptTokens } = request;
    const prompt: Record<string, unknown> =
      options.api === "completion"
        ? { prompt: this.text(ids, 0, promptTokens) }
        : { messages: this.#messages(ids, Math.max(promptTokens, LEAST_CHAT_TOKENS)) };
    const model = options.model === undefined ? {} : { model: options.model };
    const rest = {
      max_tokens: request.outputTokens,
      stream: options.stream,
      ...(options.stream ? { stream_options: { include_usage: true } } : {}),
      ...(options.cacheSalt === undefined ? {} : { cache_salt: options.cacheSalt }),
    };
    const promptFirst = options.promptFirst ?? true;
    return JSON.stringify(promptFirst ? { ...prompt, ...model, ...rest } : { ...model, ...prompt, ...rest });
  }

  /** Text of the tokens [from, to) of a prompt with these block ids; four bytes a token. */
  text(ids: readonly number[], from: number, to: number): string {
    let text = "";
    for (let at = from; at < to; ) {
      const block = Math.floor(at / PREFIX_BLOCK_TOKENS);
      const start = block * PREFIX_BLOCK_TOKENS;
      const end = Math.min(to, start + PREFIX_BLOCK_TOKENS);
      text += this.#block(ids[block] ?? 0).slice((at - start) * 4, (end - start) * 4);
      at = end;
    }
    return text;
  }

  #messages(ids: readonly number[], tokens: number): readonly { role: string; content: string }[] {
    const end = tokens - HEADER_TOKENS;
    if (tokens < LEAST_TWO_MESSAGE_TOKENS) {
      return [{ role: "user", content: this.text(ids, HEADER_TOKENS, end) }];
    }
    return [
      { role: "system", content: this.text(ids, HEADER_TOKENS, PREFIX_BLOCK_TOKENS) },
      { role: "user", content: this.text(ids, PREFIX_BLOCK_TOKENS + HEADER_TOKENS, end) },
    ];
  }

  #block(id: number): string {
    let text = this.#blocks.get(id);
    if (text !== undefined) {
      this.#blocks.delete(id);
    } else {
      const seed = chainHash(this.#seed, id);
      text = "";
      for (let i = 0; i < PREFIX_BLOCK_TOKENS; i++) text += tokenText(seed, i);
      if (this.#blocks.size >= CACHED_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value!);
    }
    this.#blocks.set(id, text);
    return text;
  }

  /** Ids above those that traces use, never given twice. */
  #uniqueIds(promptTokens: number): number[] {
    const count = Math.ceil(Math.max(promptTokens, LEAST_CHAT_TOKENS) / PREFIX_BLOCK_TOKENS);
    return Array.from({ length: count }, () => 2 ** 40 + this.#unshared++);
  }
}
