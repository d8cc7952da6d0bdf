import { putU64 } from "../../wire/bytes";
import { xxh64 } from "./xxh64";

/**
 * Bytes of a block. 512 bytes of English in JSON are about 120 tokens, of Japanese in UTF-8 about 130, so that 256
 * endpoints with a KV cache of 467,000 tokens each hold about a million blocks, which is what the index has room for;
 * and a prompt loses half a block at its end on average, 60 tokens or 1.2 ms of prefill on an H100.
 */
export const PREFIX_BLOCK_BYTES: i32 = 512;

/**
 * The chain of hashes over a prompt's raw bytes, which may come in any cut: the hash of a block is XXH64 of its bytes,
 * seeded with the hash before it, so that one hash stands for all bytes from the first to its block's end. Only whole
 * blocks have one: what is appended to a text leaves its hashes as they are, and a closing bracket that gives way to a
 * comma changes the block that it stands in, never those before. Nothing here depends on model, adapter or salt
 * (`prefixSeed`): clients send these after the messages.
 *
 * Not managed by the collector, as the scanners; 8 bytes a block kept and one block of text, nothing is allocated after
 * the constructor.
 */
@unmanaged
export class BlockHasher {
  /** Bytes of the text fed so far. */
  bytes: u64 = 0;
  /** Hashes kept, of all texts since `reset`, at most `capacityBlocks`. */
  kept: i32 = 0;
  /** Address of the hashes kept, u64 each; the same for the hasher's life. */
  readonly hashes: usize;

  private readonly capacityBlocks: i32;
  /** The beginning of a block that has not ended, and its length. */
  private readonly open: usize;
  private openBytes: i32 = 0;
  /** Blocks of the text that have been hashed, kept or not. */
  private hashed: i32 = 0;
  private last: u64 = 0;

  /** @param capacityBlocks blocks of a text that are hashed, and hashes that are kept, >= 1; blocks beyond are counted */
  constructor(capacityBlocks: i32) {
    this.capacityBlocks = capacityBlocks;
    this.hashes = heap.alloc(<usize>capacityBlocks * 8);
    this.open = heap.alloc(PREFIX_BLOCK_BYTES);
  }

  reset(): void {
    this.kept = 0;
    this.begin();
  }

  /** Begins another text; its hashes are kept behind those of the texts before. */
  begin(): void {
    this.bytes = 0;
    this.openBytes = 0;
    this.hashed = 0;
    this.last = 0;
  }

  /** Whole blocks of the text, those not kept included. */
  @inline blocks(): u64 {
    return this.bytes / PREFIX_BLOCK_BYTES;
  }

  /** Takes the next `bytes` bytes, at `ptr`. */
  feed(ptr: usize, bytes: i32): void {
    const end = ptr + <usize>bytes;
    let at = ptr;
    this.bytes += <u64>bytes;
    if (this.hashed == this.capacityBlocks) return;
    if (this.openBytes > 0) {
      const taken = min<i32>(bytes, PREFIX_BLOCK_BYTES - this.openBytes);
      this.keepOpen(at, taken);
      if (this.openBytes < PREFIX_BLOCK_BYTES) return;
      at += taken;
      this.openBytes = 0;
      this.add(this.open);
    }
    while (at + PREFIX_BLOCK_BYTES <= end && this.hashed < this.capacityBlocks) {
      this.add(at);
      at += PREFIX_BLOCK_BYTES;
    }
    if (this.hashed < this.capacityBlocks) this.keepOpen(at, <i32>(end - at));
  }

  /**
   * One hash of the text: of the blocks hashed, of the open one's bytes and of the length. For a part of the prompt
   * that does not grow from turn to turn and comes behind what does, as tools behind messages: a seed, not a block.
   */
  digest(): u64 {
    return xxh64(this.open, this.openBytes, this.last ^ this.bytes);
  }

  private add(block: usize): void {
    this.last = xxh64(block, PREFIX_BLOCK_BYTES, this.last);
    this.hashed++;
    if (this.kept == this.capacityBlocks) return;
    putU64(this.hashes + <usize>this.kept * 8, this.last);
    this.kept++;
  }

  private keepOpen(ptr: usize, bytes: i32): void {
    memory.copy(this.open + this.openBytes, ptr, bytes);
    this.openBytes += bytes;
  }
}
