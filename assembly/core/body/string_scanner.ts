import { BLOCK_BYTES } from "./block_masks";
import { BACKSLASH, hexDigit, LETTER_U, meaningOfEscape, QUOTE } from "./json_bytes";
import { REASON_BAD_ESCAPE, REASON_BAD_UTF8, REASON_CONTROL_CHARACTER, REASON_NONE } from "./scan_codes";
import { STATE_STRING, STATE_STRING_ESCAPE, STATE_STRING_HEX_1, STATE_STRING_HEX_4 } from "./scan_states";
import { StringBlocks } from "./string_blocks";
import { TextSink } from "./text_sink";
import { stateBehindContinuation, stateBehindLead } from "./utf8_states";

/** What `plainBytes` reads. */
export const VECTOR_BYTES: usize = 16;

/**
 * Goes over one JSON string from behind its opening quote, in pieces cut anywhere. Checked: escapes, that no byte is
 * below 0x20, and UTF-8 (RFC 3629, but surrogates pass). A string that is read goes into a sink, byte by byte; others,
 * and what a full sink would drop, are taken in blocks.
 */
@unmanaged
export class StringScanner {
  /** The closing quote has been taken. */
  done: bool = false;
  /** Why the byte that `scan` returned cannot be; REASON_NONE if it can. */
  reason: i32 = REASON_NONE;
  /** STATE_STRING, or one of the states inside a character. */
  state: i32 = STATE_STRING;

  private sink: TextSink | null = null;
  private unit: u32 = 0;
  private readonly blocks: StringBlocks = new StringBlocks();

  /** Behind the opening quote. `sink` takes the text; null where nobody reads it. */
  begin(sink: TextSink | null): void {
    this.done = false;
    this.reason = REASON_NONE;
    this.state = STATE_STRING;
    this.sink = sink;
    if (sink != null) sink.reset();
  }

  /** Returns the byte behind the string (`done`), or the byte that cannot be (`reason`), or `end`. */
  scan(at: usize, end: usize): usize {
    const sink = this.sink;
    if (sink != null && !sink.tooLong) return this.scanBytes(at, end, false);
    if (end - at < BLOCK_BYTES) return this.scanBytes(at, end, false);
    if (this.state != STATE_STRING) {
      at = this.scanBytes(at, end, true);
      if (this.done || this.reason != REASON_NONE) return at;
    }
    const blocks = this.blocks;
    at = blocks.skip(at, end);
    if (blocks.closed) {
      this.done = true;
      if (sink != null) sink.finish();
      return at;
    }
    // What is left is less than a block, or a block in which something is wrong.
    this.state = blocks.state;
    return this.scanBytes(at, end, false);
  }

  /** The same byte by byte; `settle`: only to the end of the character. */
  private scanBytes(at: usize, end: usize, settle: bool): usize {
    const sink = this.sink;
    let state = this.state;
    // First byte that the sink has not got.
    let run = at;
    while (at < end) {
      const byte: u32 = load<u8>(at);
      if (state == STATE_STRING) {
        if (settle) break;
        if (byte == QUOTE) {
          this.done = true;
          break;
        }
        if (byte == BACKSLASH) {
          if (sink != null) sink.addRun(run, <i32>(at - run));
          run = at + 1;
          state = STATE_STRING_ESCAPE;
        } else if (byte >= 0x80) {
          state = stateBehindLead(byte);
          if (state < 0) this.reason = REASON_BAD_UTF8;
          else if (byte == 0xed && sink != null) sink.expectSurrogate();
        } else if (byte < 0x20) {
          this.reason = REASON_CONTROL_CHARACTER;
        }
      } else if (state == STATE_STRING_ESCAPE) {
        state = byte == LETTER_U ? STATE_STRING_HEX_4 : STATE_STRING;
        this.unit = 0;
        if (byte != LETTER_U) {
          const meant = meaningOfEscape(byte);
          if (meant == 0) this.reason = REASON_BAD_ESCAPE;
          else if (sink != null) sink.addByte(meant);
        }
        run = at + 1;
      } else if (state <= STATE_STRING_HEX_1) {
        const digit = hexDigit(byte);
        this.unit = (this.unit << 4) | (<u32>digit);
        if (digit < 0) this.reason = REASON_BAD_ESCAPE;
        else if (state != STATE_STRING_HEX_1) state++;
        else {
          state = STATE_STRING;
          if (sink != null) sink.addUnit(this.unit);
        }
        run = at + 1;
      } else {
        state = stateBehindContinuation(state, byte);
        if (state < 0) this.reason = REASON_BAD_UTF8;
      }
      if (this.reason != REASON_NONE) return at;
      at++;
    }
    this.state = state;
    if (sink != null) {
      if (run < at) sink.addRun(run, <i32>(at - run));
      if (this.done) sink.finish();
    }
    return this.done ? at + 1 : at;
  }
}

/** Of 16 bytes, how many come before the first that is a quote, a backslash, a control character or not ASCII. */
// prettier-ignore
@inline
export function plainBytes(at: usize): i32 {
  const bytes = v128.load(at);
  const stops = v128.or(
    v128.or(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)), i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH))),
    i8x16.lt_s(bytes, i8x16.splat(0x20)),
  );
  return ctz<i32>(i8x16.bitmask(stops) | 0x10000);
}
