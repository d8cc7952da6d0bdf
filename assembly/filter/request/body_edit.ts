import { BUFFER_REQUEST_BODY, getBuffer, setChunk } from "../../abi/buffers";
import { getRequestHeader, setRequestHeader } from "../../abi/headers";
import { arrivedBytes, arrivedPtr } from "../../abi/memory";
import { ByteBuffer, u8At } from "../../wire/bytes";
import { Digits } from "../digits";
import { addJsonString } from "../json_text";
import { HEADER_CONTENT_LENGTH } from "../names";
import { StreamState } from "../stream_state";

/** In one chunk: a model's value, and members before the object's end. */
const MAX_SPLICES: i32 = 2;

/**
 * Changes of the chunk that a callback is for. The host lets bytes be put before a chunk, behind it or in place of all
 * of it, never in its middle, and what an earlier callback let go is out of reach: so the chunk is written anew, and the
 * beginning of a value that the next chunk ends is held back until then. Offsets count in the body as it arrived.
 */
export class BodyEdit {
  private count: i32 = 0;
  private readonly starts: StaticArray<u32> = new StaticArray<u32>(MAX_SPLICES);
  private readonly ends: StaticArray<u32> = new StaticArray<u32>(MAX_SPLICES);
  private readonly textEnds: StaticArray<i32> = new StaticArray<i32>(MAX_SPLICES);
  /** What comes in place of the bytes that go, all splices in a row. */
  private readonly text: ByteBuffer = new ByteBuffer();
  private readonly chunk: ByteBuffer = new ByteBuffer();
  private readonly digits: Digits = new Digits();
  /** Offset of the chunk's first byte, and of the first byte held back before it. */
  private chunkStart: u32 = 0;
  private heldStart: u32 = 0;

  get isEmpty(): bool {
    return this.count == 0;
  }

  clear(): void {
    this.count = 0;
    this.text.bytes = 0;
  }

  /** The bytes `[start, end)` go, what is put from here on comes in their place; splices in the body's order. */
  replace(start: u32, end: u32): void {
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.textEnds[this.count++] = <i32>this.text.bytes;
  }

  put(ptr: usize, bytes: i32): void {
    this.text.add(ptr, bytes);
    if (this.count > 0) this.textEnds[this.count - 1] = <i32>this.text.bytes;
  }

  putByte(byte: u32): void {
    this.text.addByte(byte);
    if (this.count > 0) this.textEnds[this.count - 1] = <i32>this.text.bytes;
  }

  /** A JSON string of UTF-8 text. */
  putString(ptr: usize, bytes: i32): void {
    addJsonString(this.text, ptr, bytes);
    if (this.count > 0) this.textEnds[this.count - 1] = <i32>this.text.bytes;
  }

  /**
   * Makes the changes in the chunk of `bytes` bytes that begins at `start`. What lies at and behind `cut` is held
   * back; a cut at the chunk's end holds nothing. False where the host refuses, after which nothing may go on.
   */
  apply(state: StreamState, start: u32, bytes: u32, cut: u32): bool {
    const held = state.held;
    const heldBytes = held != null ? held.bytes : 0;
    const end = start + bytes;
    if (this.count == 0 && heldBytes == 0 && cut == end) return true;
    if (bytes > 0 && !(getBuffer(BUFFER_REQUEST_BODY, 0, bytes) && <u32>arrivedBytes() == bytes))
      return false;
    this.chunkStart = start;
    this.heldStart = start - heldBytes;
    this.chunk.bytes = 0;
    let at = this.heldStart;
    let text = 0;
    let grown: i32 = 0;
    for (let i = 0; i < this.count; i++) {
      this.copy(state, this.chunk, at, this.starts[i]);
      const textBytes = this.textEnds[i] - text;
      this.chunk.add(this.text.ptr + text, textBytes);
      text += textBytes;
      at = this.ends[i];
      grown += textBytes - <i32>(at - this.starts[i]);
    }
    this.copy(state, this.chunk, at, cut);
    state.grownBytes += grown;
    this.holdBack(state, cut, end);
    return setChunk(BUFFER_REQUEST_BODY, bytes, this.chunk.ptr, <i32>this.chunk.bytes);
  }

  /** The bytes `[from, to)` of the body, which were held back or are in the arrival buffer. */
  private copy(state: StreamState, into: ByteBuffer, from: u32, to: u32): void {
    const held = state.held;
    if (from < this.chunkStart && held != null) {
      const stop = min(to, this.chunkStart);
      into.add(held.ptr + (from - this.heldStart), <i32>(stop - from));
      from = stop;
    }
    if (from < to) into.add(arrivedPtr() + (from - this.chunkStart), <i32>(to - from));
  }

  private holdBack(state: StreamState, cut: u32, end: u32): void {
    let held = state.held;
    if (held == null) {
      if (cut == end) return;
      held = new ByteBuffer();
      state.held = held;
    }
    // A value can go on over several chunks: what was held of it stays in front.
    if (cut < this.chunkStart) {
      held.add(arrivedPtr(), <i32>(end - this.chunkStart));
      return;
    }
    held.bytes = 0;
    held.add(arrivedPtr() + (cut - this.chunkStart), <i32>(end - cut));
  }

  /** Corrects `content-length`, while the headers are held; a chunked body has none. */
  correctLength(grown: i32): bool {
    if (grown == 0 || !getRequestHeader(HEADER_CONTENT_LENGTH)) return true;
    let length: i64 = 0;
    for (let i = 0; i < arrivedBytes(); i++) {
      const digit = <i64>u8At(arrivedPtr() + i) - 0x30;
      if (digit < 0 || digit > 9) return false;
      length = length * 10 + digit;
    }
    const bytes = this.digits.write(<u64>(length + grown));
    return setRequestHeader(HEADER_CONTENT_LENGTH, this.digits.ptr, bytes);
  }
}
