import { OPEN_BRACE, OPEN_BRACKET } from "../body/json_bytes";
import { isJsonSpace } from "./json_tokens";

/** Too little has come. */
export const KIND_UNDECIDED: i32 = 0;
export const KIND_JSON: i32 = 1;
/** Server-sent events. */
export const KIND_EVENT_STREAM: i32 = 2;
/** Sound, plain text, anything compressed: nothing is read of it. */
export const KIND_OTHER: i32 = 3;

/** The longest beginning that decides: `event:` or `retry:`. */
const CAPACITY_BYTES: usize = 8;

/** UTF-8's byte order mark, the first byte lowest. */
const ORDER_MARK: u32 = 0xbfbbef;
const ORDER_MARK_BYTES: i32 = 3;

/**
 * Tells from an answer's first bytes what it is: `{` or `[` after white space is JSON; `data:`, `event:`,
 * `id:`, `retry:` and a comment's `:` begin an event stream. A byte order mark may come first.
 */
@unmanaged
export class AnswerKind {
  /** KIND_* */
  kind: i32 = KIND_UNDECIDED;
  /** Bytes at `ptr` that were needed to decide, and that the caller has to read first. */
  bytes: i32 = 0;
  ptr: usize = heap.alloc(CAPACITY_BYTES);
  /** Bytes of the order mark that have come; all of them once none can come any more. */
  private markBytes: i32 = 0;

  reset(): void {
    this.kind = KIND_UNDECIDED;
    this.bytes = 0;
    this.markBytes = 0;
  }

  /** Takes bytes until they decide; the address behind the last one taken. */
  feed(at: usize, end: usize): usize {
    while (at < end && this.kind == KIND_UNDECIDED) {
      const byte: u32 = load<u8>(at++);
      if (this.markBytes < ORDER_MARK_BYTES) {
        if (byte == ((ORDER_MARK >> ((<u32>this.markBytes) << 3)) & 0xff)) {
          this.markBytes++;
          continue;
        }
        if (this.markBytes != 0) {
          this.kind = KIND_OTHER;
          return at;
        }
        this.markBytes = ORDER_MARK_BYTES;
      }
      if (this.bytes == 0 && isJsonSpace(byte)) continue;
      store<u8>(this.ptr + <usize>this.bytes, <u8>byte);
      this.bytes++;
      this.decide(byte);
    }
    return at;
  }

  private decide(first: u32): void {
    if (this.bytes == 1 && (first == OPEN_BRACE || first == OPEN_BRACKET)) {
      this.kind = KIND_JSON;
      return;
    }
    this.kind = KIND_OTHER;
    this.compare("data:");
    this.compare("event:");
    this.compare(":");
    this.compare("id:");
    this.compare("retry:");
  }

  private compare(field: string): void {
    if (this.bytes > field.length) return;
    for (let at = 0; at < this.bytes; at++) {
      if (<i32>load<u8>(this.ptr + <usize>at) != field.charCodeAt(at)) return;
    }
    this.kind = this.bytes == field.length ? KIND_EVENT_STREAM : KIND_UNDECIDED;
  }
}
