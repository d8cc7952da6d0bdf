import { Core, coreModule } from "./core.ts";

/** What `assembly/core/exports/prefix.ts` exports. */
export interface PrefixExports {
  prefixHasher(capacityBlocks: number): void;
  prefixReset(): void;
  prefixFeed(ptr: number, bytes: number): void;
  prefixHashes(): number;
  prefixKept(): number;
  prefixBlocks(): bigint;
  prefixDigest(): bigint;
  prefixSeed(
    secret: bigint,
    modelPtr: number,
    modelBytes: number,
    adapterPtr: number,
    adapterBytes: number,
    isSalted: number,
    saltPtr: number,
    saltBytes: number,
  ): bigint;
  prefixIndex(blocks: number, endpoints: number, capacityBlocks: number): void;
  prefixIndexBytes(): number;
  prefixIndexBlocks(): number;
  prefixLookUp(hashes: number, count: number, seed: bigint): number;
  prefixLengths(): number;
  prefixLengthOf(account: number): number;
  prefixRecord(account: number, hashes: number, count: number, seed: bigint): void;
  prefixForget(account: number): void;
  prefixTruncate(account: number, hashes: number, from: number, count: number, seed: bigint): void;
  prefixSetCapacity(account: number, blocks: number): void;
}

/** Longest chain that a `PrefixCore` takes. */
const CHAIN_BLOCKS = 16_384;

/** Hasher and index of one core; a chain is a list of numbers, equal numbers being equal prefixes up to there. */
export class PrefixCore {
  readonly core: Core;
  readonly exports: PrefixExports;
  readonly #chain: number;
  #words = new Uint32Array(0);

  constructor(module: WebAssembly.Module = coreModule()) {
    this.core = new Core(1n, module);
    this.exports = this.core.exports as unknown as PrefixExports;
    this.#chain = this.core.exports.allocate(CHAIN_BLOCKS * 8);
  }

  /** An empty index. */
  sized(blocks: number, endpoints: number, capacityBlocks: number): this {
    this.exports.prefixIndex(blocks, endpoints, capacityBlocks);
    return this;
  }

  /** Hashes for a chain of ids below 2^32; no two ids have the same. Their address. */
  put(chain: readonly number[]): number {
    if (this.#words.buffer !== this.core.exports.memory.buffer)
      this.#words = new Uint32Array(this.core.exports.memory.buffer);
    const at = this.#chain >>> 2;
    for (let block = 0; block < chain.length; block++) {
      const id = chain[block]!;
      this.#words[at + block * 2] = Math.imul(id ^ (id >>> 15), 0x9e3779b1);
      this.#words[at + block * 2 + 1] = Math.imul(id + 0x7f4a7c15, 0x85ebca6b) ^ (id >>> 13);
    }
    return this.#chain;
  }

  record(account: number, chain: readonly number[], seed = 1n): void {
    this.exports.prefixRecord(account, this.put(chain), chain.length, seed);
  }

  truncate(account: number, chain: readonly number[], from: number, seed = 1n): void {
    this.exports.prefixTruncate(account, this.put(chain), from, chain.length, seed);
  }

  /** Length of the longest prefix by account, for the first `endpoints` accounts; a view that the next call changes. */
  lookUp(chain: readonly number[], endpoints: number, seed = 1n): Int32Array {
    this.exports.prefixLookUp(this.put(chain), chain.length, seed);
    return new Int32Array(this.core.exports.memory.buffer, this.exports.prefixLengths(), endpoints);
  }

  /** Hashes of a text fed in pieces that end at `cuts` and at its end. */
  hash(text: Uint8Array, cuts: readonly number[] = []): readonly bigint[] {
    const ptr = this.core.put(text);
    this.exports.prefixReset();
    let from = 0;
    for (const to of [...cuts, text.length]) {
      this.exports.prefixFeed(ptr + from, to - from);
      from = to;
    }
    const kept = this.exports.prefixKept();
    return [
      ...new BigUint64Array(this.core.exports.memory.buffer.slice(this.exports.prefixHashes()), 0, kept),
    ];
  }
}
