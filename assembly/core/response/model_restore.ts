import { OPEN_BRACE, QUOTE } from "../body/json_bytes";
import { AnswerKind, KIND_EVENT_STREAM, KIND_JSON, KIND_UNDECIDED } from "./answer_kind";
import { EventLines, PART_DATA, PART_END } from "./event_lines";
import { GrowingBytes } from "./growing_bytes";
import { HeldBytes } from "./held_bytes";
import { JsonBlocks } from "./json_blocks";
import { appendString, matchString, MOST_ESCAPED_BYTES } from "./json_string";
import { isMatch, matchKey, matchWord, NO_MATCH, TOO_SHORT, wordOf } from "./json_tokens";

// Keys with their closing quotes; of the longest one the beginning and the rest.
const MODEL: u64 = wordOf('model"');
const MESSAGE: u64 = wordOf('message"');
const RESPONSE: u64 = wordOf("response");
const RESPONSE_REST: u64 = wordOf('"');

/** A key `"model"`, its colon, the value's quotes, and white space. */
const BESIDE_NAME_BYTES: i32 = 64;

/**
 * Copies an answer and replaces, where the APIs say which model answered, the target's name by the client's: the value
 * of a key `model` of the answer or event itself, or right in its `response` (OpenAI's `response.*` events) or
 * `message` (Anthropic's `message_start`). What a model or a client wrote, like a tool's input or the metadata of a
 * request, may have such a key too and stays. An answer that is neither JSON nor an event stream passes as it is. Held
 * back are only bytes that may still be one of these keys and its value, all in one line of an event.
 */
@unmanaged
export class ModelRestore {
  private out: GrowingBytes;
  private isOn: bool = false;
  private target: GrowingBytes = new GrowingBytes();
  /** The client's name as a JSON string. */
  private name: GrowingBytes = new GrowingBytes();
  private kind: AnswerKind = new AnswerKind();
  private lines: EventLines = new EventLines();
  private blocks: JsonBlocks = new JsonBlocks();
  /** The last key of the answer or event itself is `response` or `message`, and its value an object. */
  private isInner: bool = false;
  private held: HeldBytes = new HeldBytes();
  private windowBytes: usize = 0;
  /** The last match's value. */
  private value: usize = 0;

  constructor(out: GrowingBytes) {
    this.out = out;
  }

  /** Ready for the next answer. Either name empty: everything passes as it is. */
  begin(target: usize, targetBytes: i32, name: usize, nameBytes: i32): void {
    this.isOn = targetBytes != 0 && nameBytes != 0;
    this.held.bytes = 0;
    if (!this.isOn) return;
    this.target.clear();
    this.target.append(target, target + <usize>targetBytes);
    this.name.clear();
    appendString(this.name, name, name + <usize>nameBytes);
    this.windowBytes = <usize>(targetBytes * MOST_ESCAPED_BYTES + BESIDE_NAME_BYTES);
    this.held.reset(this.windowBytes);
    this.kind.reset();
    this.lines.reset();
    this.beginText();
  }

  /** Takes the next bytes of the answer. */
  take(from: usize, end: usize): void {
    if (from == end) return;
    const kind = this.kind;
    let at = from;
    if (this.isOn && kind.kind == KIND_UNDECIDED) {
      at = kind.feed(from, end);
      if (kind.kind == KIND_JSON) {
        // The bracket is of the text.
        at--;
      } else if (kind.kind == KIND_EVENT_STREAM) {
        // Of these bytes, the beginning of a line, only the place in the line is of interest.
        this.lines.next(kind.ptr, kind.ptr + <usize>kind.bytes);
      }
      this.out.append(from, at);
    }
    if (this.isOn && kind.kind == KIND_JSON) this.takeText(at, end);
    else if (this.isOn && kind.kind == KIND_EVENT_STREAM) this.takeLines(at, end);
    else this.out.append(at, end);
  }

  /** The answer has ended: what was held back is no match. */
  finish(): void {
    if (this.held.bytes != 0) this.out.append(this.held.ptr, this.held.end);
    this.held.bytes = 0;
  }

  private beginText(): void {
    this.blocks.begin();
    this.isInner = false;
  }

  private takeLines(at: usize, end: usize): void {
    const lines = this.lines;
    let copied = at;
    while (at < end) {
      at = lines.next(at, end);
      if (lines.part == PART_DATA) {
        this.out.append(copied, lines.from);
        this.takeText(lines.from, lines.to);
        copied = lines.to;
        // The line has ended.
        if (at != copied) this.finish();
      } else if (lines.part == PART_END) {
        this.beginText();
      }
    }
    this.out.append(copied, end);
  }

  /** Takes the next bytes of the JSON text. */
  private takeText(at: usize, end: usize): void {
    const held = this.held;
    if (held.bytes != 0) {
      const before = held.bytes;
      const taken = held.fill(at, end);
      const stop = this.scan(held.ptr, held.end);
      if (at + taken == end) {
        held.keep(stop, held.end);
        return;
      }
      at = held.resume(at, before, stop);
    }
    held.keep(this.scan(at, end), end);
  }

  /** Goes on to `end`, or to the opening quote of a key that cannot be judged yet. */
  private scan(at: usize, end: usize): usize {
    const blocks = this.blocks;
    let copied = at;
    while (at < end) {
      blocks.read(at, end);
      for (let left = blocks.starts; left != 0; left &= left - 1) {
        const place = <u64>ctz<u64>(left);
        const quote = at + <usize>place;
        // A value that was replaced is no key.
        if (quote < copied || (quote + 4 < end && !this.mayMatter(load<u32>(quote + 1)))) continue;
        const behind = this.look(quote, end, blocks.depthAt(place));
        if (behind == NO_MATCH) continue;
        if (behind == TOO_SHORT) {
          blocks.rewind(place);
          this.out.append(copied, quote);
          return quote;
        }
        this.out.append(copied, this.value);
        this.out.append(this.name.ptr, this.name.end);
        copied = behind;
      }
      at += blocks.bytes;
      blocks.pass();
    }
    this.out.append(copied, end);
    return end;
  }

  /** A string that begins with these four bytes may be one of the keys, or the one behind an inner object. */
  @inline private mayMatter(bytes: u32): bool {
    return bytes == <u32>MODEL || bytes == <u32>MESSAGE || bytes == <u32>RESPONSE || this.isInner;
  }

  /**
   * The address behind the value if a key `model` that has the target's name begins at `quote`, where it is to be
   * replaced; NO_MATCH, TOO_SHORT.
   */
  private look(quote: usize, end: usize, depth: i32): usize {
    if (depth == 1) this.isInner = false;
    else if (depth != 2 || !this.isInner) return NO_MATCH;
    const windowEnd = quote + this.windowBytes;
    const limit = min<usize>(end, windowEnd);
    let found = this.matchModel(quote + 1, limit);
    if (found == NO_MATCH && depth == 1) found = this.matchInner(quote + 1, limit);
    return found == TOO_SHORT && end >= windowEnd ? NO_MATCH : found;
  }

  private matchModel(key: usize, end: usize): usize {
    const value = matchKey(key, end, MODEL, 6);
    if (!isMatch(value)) return value;
    this.value = value;
    return load<u8>(value) == QUOTE
      ? matchString(value + 1, end, this.target.ptr, this.target.end)
      : NO_MATCH;
  }

  /** Notes whether an object begins that may name a model: NO_MATCH, or TOO_SHORT. */
  private matchInner(key: usize, end: usize): usize {
    let value = matchKey(key, end, MESSAGE, 8);
    if (value == NO_MATCH) {
      const rest = matchWord(key, end, RESPONSE, 8);
      value = isMatch(rest) ? matchKey(rest, end, RESPONSE_REST, 1) : rest;
    }
    if (!isMatch(value)) return value;
    this.isInner = load<u8>(value) == OPEN_BRACE;
    return NO_MATCH;
  }
}
