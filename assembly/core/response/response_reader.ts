import { OPEN_BRACKET } from "../body/json_bytes";
import { AnswerKind, KIND_EVENT_STREAM, KIND_JSON, KIND_UNDECIDED } from "./answer_kind";
import { TYPE_CAPACITY_BYTES } from "./answer_keys";
import { EventLines, PART_DATA, PART_END, PART_NAME } from "./event_lines";
import { JsonOutline } from "./json_outline";
import { wordOf } from "./json_tokens";
import { ShortText } from "./short_text";
import { TokenUsage } from "./token_usage";

/** The data that ends a stream of OpenAI's; its clients look at these bytes only. */
const DONE_MARK: u64 = wordOf("[DONE]");
const MARK_BYTES: i32 = 6;
/** The event's data is something else. */
const NO_MARK: i32 = -1;

/** The name that an event without one has. */
const DEFAULT_NAME: u64 = wordOf("message");
const DELTA: u64 = wordOf(".delta");
const ERROR: u64 = wordOf("error");

/**
 * Reads a model server's answer as it passes, in pieces cut anywhere: how many events it has, how many of
 * them carry tokens, and what its `usage` says. Known are the answers of OpenAI's chat completions,
 * completions, embeddings, responses, transcriptions and images, Anthropic's messages, and vLLM's own,
 * each as JSON or as server-sent events.
 *
 * Every byte is looked at, none is kept but of a key that is cut: about 1 KB an object, nothing is allocated
 * after the constructor. Nothing is checked either; of an answer in no known form the outcome is "unknown".
 *
 * The reader and its parts lie outside of the collected heap, since calls between objects of the collector cost
 * as much as reading does (356 ns for an event of 222 bytes, 172 ns so): never given back, they are for reuse.
 */
@unmanaged
export class ResponseReader {
  /** Events with a `data` line, without the `[DONE]` one. An event counts when it ends. */
  events: u32 = 0;
  /**
   * Events that bring tokens, as far as can be told from outside: those of a type that ends in `.delta` and
   * `content_block_delta` (a type of more than 48 bytes is none of them); without a type, those whose delta or `text` is a string (also an empty one, when
   * the token is no whole character, but not beside a role) or that call a tool. vLLM sends one such event a
   * token unless it decodes several steps at once.
   */
  contentEvents: u32 = 0;
  /** The stream's end was seen: `[DONE]`, `message_stop`, or a `response.*` event that is the last of its stream. */
  done: bool = false;

  private kind: AnswerKind = new AnswerKind();
  private lines: EventLines = new EventLines();
  private usage: TokenUsage = new TokenUsage();
  private outline: JsonOutline = new JsonOutline(this.usage);
  /** The name of the event being read; "" if it has none. */
  private name: ShortText = new ShortText(TYPE_CAPACITY_BYTES);
  private hasData: bool = false;
  /** Bytes of DONE_MARK that the event's data began with so far, or NO_MARK. */
  private markBytes: i32 = 0;
  private errorSeen: bool = false;

  /** Ready for the next answer. */
  reset(): void {
    this.events = 0;
    this.contentEvents = 0;
    this.done = false;
    this.kind.reset();
    this.lines.reset();
    this.usage.reset();
    this.errorSeen = false;
    this.beginEvent();
  }

  /** The answer is, or begins as, an object or array of JSON. */
  get isJson(): bool {
    return this.kind.kind == KIND_JSON;
  }

  get isEventStream(): bool {
    return this.kind.kind == KIND_EVENT_STREAM;
  }

  /** A top-level `error` that is not null, `"object":"error"`, an event of type `error`, or a response that failed. */
  get isError(): bool {
    return this.errorSeen || (this.isJson && this.outline.keys.errorSeen);
  }

  /** There was a `usage` with token counts. */
  get usageSeen(): bool {
    return this.usage.seen;
  }

  /** Tokens of the prompt, those from the cache among them; -1 if unknown. */
  get promptTokens(): i64 {
    return this.usage.prompt;
  }

  /** Tokens generated; -1 if unknown. */
  get completionTokens(): i64 {
    return this.usage.completion;
  }

  /** Tokens of the prompt that came from the cache; -1 if unknown. */
  get cachedTokens(): i64 {
    return this.usage.cached;
  }

  /** Takes the next `bytes` bytes of the answer, at `ptr`. */
  feed(ptr: usize, bytes: i32): void {
    let at = ptr;
    const end = ptr + <usize>bytes;
    const kind = this.kind;
    if (kind.kind == KIND_UNDECIDED) {
      at = kind.feed(at, end);
      if (kind.kind == KIND_UNDECIDED) return;
      this.take(kind.ptr, kind.ptr + <usize>kind.bytes);
    }
    this.take(at, end);
  }

  /** The answer has ended: an event without its blank line counts too. */
  finish(): void {
    if (this.isEventStream) this.endEvent();
  }


  @inline private take(at: usize, end: usize): void {
    if (this.isJson) this.outline.feed(at, end);
    else if (this.isEventStream) this.takeLines(at, end);
  }


  @inline private takeLines(at: usize, end: usize): void {
    const lines = this.lines;
    while (at < end) {
      at = lines.next(at, end);
      switch (lines.part) {
        case PART_DATA:
          // A second line is joined by a line feed, which is no part of the mark.
          if (this.hasData && lines.isFirst && this.markBytes < MARK_BYTES) this.markBytes = NO_MARK;
          this.hasData = true;
          this.compareMark(lines.from, lines.to);
          this.outline.feed(lines.from, lines.to);
          break;
        case PART_NAME:
          if (lines.isFirst) this.name.reset();
          this.name.addRun(lines.from, lines.to);
          break;
        case PART_END:
          this.endEvent();
          break;
      }
    }
  }


  @inline private compareMark(at: usize, end: usize): void {
    // As nearly all data begins.
    if (this.markBytes == 0 && at != end && load<u8>(at) != OPEN_BRACKET) this.markBytes = NO_MARK;
    while (at < end && this.markBytes >= 0 && this.markBytes < MARK_BYTES) {
      const wanted = (DONE_MARK >> (<u64>this.markBytes * 8)) & 0xff;
      this.markBytes = <u64>load<u8>(at++) == wanted ? this.markBytes + 1 : NO_MARK;
    }
  }


  @inline private endEvent(): void {
    if (!this.hasData) {
      // A name alone is no event, and does not outlive the blank line.
      this.name.reset();
      return;
    }
    if (this.markBytes == MARK_BYTES) {
      this.done = true;
    } else {
      this.events++;
      if (this.outline.keys.errorSeen) this.errorSeen = true;
      if (this.name.bytes != 0 && !this.name.equalsWord(DEFAULT_NAME, 7)) this.judge(this.name);
      else if (this.outline.keys.type.bytes != 0) this.judge(this.outline.keys.type);
      else if (this.outline.keys.hasTokens) this.contentEvents++;
    }
    this.beginEvent();
  }

  /** `type`: the event's name or, if it has none, its data's type. */
  private judge(type: ShortText): void {
    if (type.endsWithWord(DELTA, 6)) {
      this.contentEvents++;
      return;
    }
    switch (type.bytes) {
      case 5:
        if (type.equalsWord(ERROR, 5)) this.errorSeen = true;
        break;
      case 12:
        if (type.equals("message_stop")) this.done = true;
        break;
      case 15:
        if (type.equals("response.failed")) this.done = true;
        break;
      case 18:
        if (type.equals("response.completed")) this.done = true;
        break;
      case 19:
        if (type.equals("content_block_delta")) this.contentEvents++;
        else if (type.equals("response.incomplete")) this.done = true;
        break;
    }
  }


  @inline private beginEvent(): void {
    this.name.reset();
    this.hasData = false;
    this.markBytes = 0;
    this.outline.begin();
  }
}
