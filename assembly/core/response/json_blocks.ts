import { BLOCK_BYTES, escapes, maskOf, prefixXor } from "../body/block_masks";
import { BACKSLASH, QUOTE } from "../body/json_bytes";

/** `{` and `[` are the same byte once bit 0x20 is set, and so are `}` and `]`; nothing else becomes these. */
const CASE_BIT: u8 = 0x20;
const OPENING: u8 = 0x7b;
const CLOSING: u8 = 0x7d;

/**
 * The strings and brackets of a JSON text, in blocks of at most 64 bytes that the caller reads one after the other. The
 * grammar is not checked: of a text that is no JSON the outcome depends on its bytes, not on how they are cut.
 *
 *   blocks.read(at, end);
 *   for (let left = blocks.starts; left != 0; left &= left - 1) …       or blocks.rewind(place), and return
 *   at += blocks.bytes;
 *   blocks.pass();
 */
@unmanaged
export class JsonBlocks {
  /** Bytes of the block. */
  bytes: usize = 0;
  /** Opening quotes of the block's strings, a bit a byte, the first one lowest. */
  starts: u64 = 0;

  private opens: u64 = 0;
  private closes: u64 = 0;
  /** Brackets open before the block. */
  private depth: i32 = 0;
  /** All bits set within a string, else 0. */
  private inString: u64 = 0;
  /** 1 behind a backslash that escapes, else 0. */
  private isEscaped: u64 = 0;
  /** Where a last block is loaded from if memory ends too early. */
  private rest: usize = heap.alloc(BLOCK_BYTES);

  /** Ready for the next text. */
  @inline begin(): void {
    this.depth = 0;
    this.inString = 0;
    this.isEscaped = 0;
  }

  /** Reads the block at `at`, where at least one byte is. */
  @inline read(at: usize, end: usize): void {
    const bytes = min<usize>(end - at, BLOCK_BYTES);
    const from = bytes == BLOCK_BYTES ? at : this.readable(at, bytes);
    const quote = i8x16.splat(<i8>QUOTE);
    const backslash = i8x16.splat(<i8>BACKSLASH);
    const a = v128.load(from);
    const b = v128.load(from, 16);
    const c = v128.load(from, 32);
    const d = v128.load(from, 48);
    this.bytes = bytes;
    // What lies behind `end` is masked out.
    const valid = u64.MAX_VALUE >> (<u64>(BLOCK_BYTES - bytes));
    let quotes =
      valid & maskOf(i8x16.eq(a, quote), i8x16.eq(b, quote), i8x16.eq(c, quote), i8x16.eq(d, quote));
    const backslashes =
      valid &
      maskOf(i8x16.eq(a, backslash), i8x16.eq(b, backslash), i8x16.eq(c, backslash), i8x16.eq(d, backslash));
    const isEscaped = this.isEscaped;
    if ((backslashes | isEscaped) != 0) {
      const codes = escapes(backslashes, isEscaped);
      quotes &= ~(codes ^ (backslashes | isEscaped));
      this.isEscaped = ((codes & backslashes) >> (<u64>bytes - 1)) & 1;
    }
    const wasInString = this.inString;
    // A block within a string has no brackets.
    if (quotes == 0 && wasInString != 0) {
      this.starts = 0;
      this.opens = 0;
      this.closes = 0;
      return;
    }
    const strings = prefixXor(quotes) ^ wasInString;
    this.inString = <u64>((<i64>strings) >> 63);
    this.starts = quotes & strings;
    const caseBit = i8x16.splat(CASE_BIT);
    const opening = i8x16.splat(OPENING);
    const closing = i8x16.splat(CLOSING);
    const foldedA = v128.or(a, caseBit);
    const foldedB = v128.or(b, caseBit);
    const foldedC = v128.or(c, caseBit);
    const foldedD = v128.or(d, caseBit);
    const outside = ~strings & valid;
    this.opens =
      outside &
      maskOf(
        i8x16.eq(foldedA, opening),
        i8x16.eq(foldedB, opening),
        i8x16.eq(foldedC, opening),
        i8x16.eq(foldedD, opening),
      );
    this.closes =
      outside &
      maskOf(
        i8x16.eq(foldedA, closing),
        i8x16.eq(foldedB, closing),
        i8x16.eq(foldedC, closing),
        i8x16.eq(foldedD, closing),
      );
  }

  /** Brackets that are open before the block's byte at `place`, 0 to 63. */
  @inline depthAt(place: u64): i32 {
    const before = ((<u64>1) << place) - 1;
    return this.depth + <i32>popcnt<u64>(this.opens & before) - <i32>popcnt<u64>(this.closes & before);
  }

  /** The next block is the one behind this one. */
  @inline pass(): void {
    this.depth += <i32>popcnt<u64>(this.opens) - <i32>popcnt<u64>(this.closes);
  }

  /** The next block begins at `place` in this one, outside of strings. */
  @inline rewind(place: u64): void {
    this.depth = this.depthAt(place);
    this.inString = 0;
    this.isEscaped = 0;
  }

  /** An address where a whole block can be loaded whose first `bytes` bytes are those at `at`. */
  @inline private readable(at: usize, bytes: usize): usize {
    if (at + BLOCK_BYTES <= (<usize>memory.size()) << 16) return at;
    memory.copy(this.rest, at, bytes);
    return this.rest;
  }
}
