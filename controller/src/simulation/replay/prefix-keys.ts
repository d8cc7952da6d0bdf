/** A trace's prefix blocks as the filter would have hashed the text behind them. */
import { chainHash } from "../hash.ts";
import { PREFIX_BLOCK_TOKENS, type TraceRequest } from "../traces/trace-request.ts";

/** As the filter estimates a prompt's tokens before it has learned better. */
export const BYTES_PER_TOKEN = 4;
/** Bytes that the core hashes at once: PREFIX_BLOCK_BYTES. */
const HASHED_BYTES = 512;
/** Tells a hash's upper half from its lower one. */
const UPPER = 0x5bd1e995;

const PARTS = (PREFIX_BLOCK_TOKENS * BYTES_PER_TOKEN) / HASHED_BYTES;

/**
 * Writes the hashes of the prompt's full blocks, of the first `keys.length / 2` at most, as pairs of lower and upper half;
 * returns how many. Equal ids stand for equal text after equal text.
 */
export function writePrefixKeys({ promptTokens, prefixBlocks }: TraceRequest, keys: Uint32Array): number {
  if (prefixBlocks === undefined) return 0;
  const count = Math.min(Math.floor((promptTokens * BYTES_PER_TOKEN) / HASHED_BYTES), keys.length / 2);
  for (let block = 0; block < count; block++) {
    const id = prefixBlocks[Math.floor(block / PARTS)]!;
    const part = block % PARTS;
    keys[2 * block] = chainHash(part, id);
    keys[2 * block + 1] = chainHash(UPPER + part, id);
  }
  return count;
}
