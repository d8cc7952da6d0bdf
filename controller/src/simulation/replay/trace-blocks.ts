import { chainHash } from "../hash.ts";
import { type BlockHashes, NO_HASHES } from "../model-request.ts";
import { PREFIX_BLOCK_TOKENS, type TraceRequest } from "../traces/trace-request.ts";

/**
 * Hashes of a prompt's full blocks, made of the trace's ids when they are asked for; equal ids stand for
 * equal text after equal text.
 *
 * The blocks of one id have hashes that follow one another, so that a cache keeps them side by side: of a
 * thousand servers' caches nearly nothing is in the processor's own, and every jump costs a trip to memory.
 */
export class TraceBlocks implements BlockHashes {
  readonly length: number;
  readonly #prefixBlocks: readonly number[];
  /** Engine blocks of one id. */
  readonly #parts: number;
  #id = -1;
  #first = 0;

  constructor(promptTokens: number, prefixBlocks: readonly number[], blockTokens: number) {
    this.length = Math.floor(promptTokens / blockTokens);
    this.#prefixBlocks = prefixBlocks;
    this.#parts = Math.floor(PREFIX_BLOCK_TOKENS / blockTokens);
  }

  at(block: number): number {
    const part = block % this.#parts;
    const id = this.#prefixBlocks[(block - part) / this.#parts]!;
    if (id !== this.#id) {
      this.#id = id;
      const hash = chainHash(1, id);
      this.#first = hash - (hash % this.#parts);
    }
    return this.#first + part;
  }
}

/** Of prompts of which nothing is known, none. */
export function traceBlocks({ promptTokens, prefixBlocks }: TraceRequest, blockTokens: number): BlockHashes {
  return prefixBlocks === undefined ? NO_HASHES : new TraceBlocks(promptTokens, prefixBlocks, blockTokens);
}
