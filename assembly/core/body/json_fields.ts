import {
  isMediaType,
  ROLE_CACHE_SALT,
  ROLE_CONTENT,
  ROLE_INCLUDE_USAGE,
  ROLE_INPUT,
  ROLE_INPUT_MESSAGES,
  ROLE_MAX_COMPLETION_TOKENS,
  ROLE_MAX_OUTPUT_TOKENS,
  ROLE_MAX_TOKENS,
  ROLE_MESSAGE,
  ROLE_MESSAGES,
  ROLE_MODEL,
  ROLE_N,
  ROLE_PART,
  ROLE_PRIORITY,
  ROLE_STREAM,
  ROLE_STREAM_OPTIONS,
  ROLE_TOOL,
  ROLE_TOOLS,
  ROLE_TYPE,
  ROLE_USER,
  preferenceOf,
  SOURCE_COUNT,
} from "./roles";
import { NumberScanner } from "./number_scanner";
import { NO_OFFSET, RequestFields } from "./request_fields";
import { SPAN_CONTENT, SPAN_MESSAGE, SPAN_PROMPT } from "./scan_codes";
import { SourceTotals } from "./source_totals";
import { TextSink } from "./text_sink";

// What kind of value ends.
export const VALUE_OBJECT: i32 = 0;
export const VALUE_ARRAY: i32 = 1;
export const VALUE_STRING: i32 = 2;
export const VALUE_NUMBER: i32 = 3;
export const VALUE_TRUE: i32 = 4;
export const VALUE_FALSE: i32 = 5;
export const VALUE_NULL: i32 = 6;
/** NaN and Infinity. */
export const VALUE_NOT_FINITE: i32 = 7;

/** Longer than any key and any part's type that is read. */
const WORD_CAPACITY_BYTES: i32 = 32;

/** What the values of a JSON body mean for the request. Who reads the grammar says where each begins and ends. */
@unmanaged
export class JsonFields extends RequestFields {
  /** There is a `stream_options`, whole; its bytes in the body. */
  streamOptionsSeen: bool = false;
  streamOptionsStart: u32 = 0;
  streamOptionsEnd: u32 = 0;
  streamOptionsIsObject: bool = false;
  /** It is an object without members. */
  streamOptionsEmpty: bool = false;
  /** There is an `include_usage` in it, whole; its value's bytes in the body. */
  includeUsageSeen: bool = false;
  includeUsageStart: u32 = 0;
  includeUsageEnd: u32 = 0;
  /** Offset right behind the `{` of the top-level object; 0 before. */
  objectStart: u32 = 0;
  /** Offset of the `}` that ends it; 0 before. */
  objectEnd: u32 = 0;
  /** The top-level object has ended without members. */
  isEmptyObject: bool = false;

  /** The last number that ended. */
  protected readonly number: NumberScanner = new NumberScanner();
  /** The key or part's type that is being read. */
  protected readonly word: TextSink = new TextSink(WORD_CAPACITY_BYTES);

  /** Of the roles in the top-level object, a bit each: there was such a key. */
  private keysMet: u32 = 0;
  /** The same: there was one before the last. */
  private keysRepeated: u32 = 0;
  private valueStart: u32 = 0;

  private readonly totals: SourceTotals = new SourceTotals();
  // Before the source that is open.
  private contentBeforeSource: u64 = 0;
  private messagesBeforeSource: u32 = 0;
  private mediaBeforeSource: u32 = 0;
  /** The source that is open. */
  private source: i32 = 0;
  /** The open spans; -1 if dropped. */
  private promptSpan: i32 = -1;
  private messageSpan: i32 = -1;
  private contentSpan: i32 = -1;
  private promptStart: u32 = 0;

  // The message that is open: what was there before it.
  private spansBefore: i32 = 0;
  private droppedBefore: u32 = 0;
  private mediaBefore: u32 = 0;
  private contentBefore: u64 = 0;
  private contentStart: u32 = 0;
  /** Bytes of media in the content that is open. */
  private mediaBytes: u64 = 0;
  private partStart: u32 = 0;
  private partIsMedia: bool = false;

  protected resetValues(): void {
    this.resetRequest();
    this.forgetStreamOptions();
    this.objectStart = 0;
    this.objectEnd = 0;
    this.isEmptyObject = false;
    this.keysMet = 0;
    this.keysRepeated = 0;
    this.totals.reset();
  }

  /** Where a string of this role goes; null where nobody reads it. */
  protected sinkOf(role: i32): TextSink | null {
    switch (role) {
      case ROLE_MODEL:
        return this.modelText;
      case ROLE_CACHE_SALT:
        return this.saltText;
      case ROLE_USER:
        return this.userText;
      case ROLE_TYPE:
        return this.word;
    }
    return null;
  }

  /** A key of the top-level object whose value has a role. */
  protected meetKey(role: i32): void {
    const bit: u32 = 1 << role;
    this.keysRepeated |= this.keysMet & bit;
    this.keysMet |= bit;
    if (role == ROLE_MODEL) this.modelRepeated = (this.keysRepeated & bit) != 0;
    else if (role == ROLE_CACHE_SALT) this.cacheSaltRepeated = (this.keysRepeated & bit) != 0;
  }

  /** A value with a role begins at `offset` of the body. */
  protected beginValue(role: i32, offset: u32): void {
    if (role < SOURCE_COUNT) {
      this.beginSource(role, offset);
      return;
    }
    switch (role) {
      case ROLE_MODEL:
        this.forgetModel();
        this.openModelStart = offset;
        break;
      case ROLE_STREAM:
        this.streamSeen = false;
        this.stream = false;
        break;
      case ROLE_STREAM_OPTIONS:
        this.forgetStreamOptions();
        this.streamOptionsStart = offset;
        return;
      case ROLE_INCLUDE_USAGE:
        this.forgetIncludeUsage();
        break;
      case ROLE_MAX_COMPLETION_TOKENS:
      case ROLE_MAX_TOKENS:
      case ROLE_MAX_OUTPUT_TOKENS:
        this.setLimit(preferenceOf(role), false, 0);
        break;
      case ROLE_N:
        this.nSeen = false;
        this.n = 0;
        break;
      case ROLE_PRIORITY:
        this.prioritySeen = false;
        this.priority = 0;
        break;
      case ROLE_CACHE_SALT:
        this.forgetSalt();
        break;
      case ROLE_USER:
        this.forgetUser();
        break;
      case ROLE_MESSAGE:
        this.beginMessage(offset);
        return;
      case ROLE_CONTENT:
        this.beginContent(offset);
        return;
      case ROLE_PART:
        this.partStart = offset;
        this.partIsMedia = false;
        return;
      case ROLE_TYPE:
        this.partIsMedia = false;
        break;
      case ROLE_TOOL:
        this.tools++;
        break;
    }
    this.valueStart = offset;
  }

  /** A value of kind VALUE_* ends before the byte at `offset` of the body. */
  protected endValue(role: i32, kind: i32, offset: u32): void {
    if (role < SOURCE_COUNT) {
      this.endSource(role, offset);
      return;
    }
    switch (role) {
      case ROLE_MODEL:
        this.openModelStart = NO_OFFSET;
        if (kind == VALUE_STRING) this.takeModelText();
        if (kind == VALUE_NULL) break;
        this.modelSeen = true;
        this.modelStart = this.valueStart;
        this.modelEnd = offset;
        break;
      case ROLE_STREAM:
        this.streamSeen = true;
        this.stream = kind == VALUE_TRUE;
        break;
      case ROLE_STREAM_OPTIONS:
        this.streamOptionsSeen = true;
        this.streamOptionsEnd = offset;
        this.streamOptionsIsObject = kind == VALUE_OBJECT;
        break;
      case ROLE_INCLUDE_USAGE:
        this.includeUsageSeen = true;
        this.includeUsage = kind == VALUE_TRUE;
        this.includeUsageStart = this.valueStart;
        this.includeUsageEnd = offset;
        break;
      case ROLE_MAX_COMPLETION_TOKENS:
      case ROLE_MAX_TOKENS:
      case ROLE_MAX_OUTPUT_TOKENS:
        if (kind == VALUE_NUMBER && this.number.isCount) {
          this.setLimit(preferenceOf(role), true, <u32>this.number.magnitude);
        }
        break;
      case ROLE_N:
        this.nSeen = kind == VALUE_NUMBER && this.number.isCount;
        if (this.nSeen) this.n = <u32>this.number.magnitude;
        break;
      case ROLE_PRIORITY:
        this.prioritySeen = kind == VALUE_NUMBER && this.number.isWhole;
        if (this.prioritySeen) this.priority = this.number.integer;
        break;
      case ROLE_CACHE_SALT:
        if (kind == VALUE_STRING) this.takeSaltText();
        break;
      case ROLE_USER:
        if (kind == VALUE_STRING) this.takeUserText();
        break;
      case ROLE_INPUT_MESSAGES:
        this.keepSource(ROLE_INPUT, offset);
        break;
      case ROLE_MESSAGE:
        this.spans.close(this.messageSpan, offset);
        break;
      case ROLE_CONTENT:
        this.spans.close(this.contentSpan, offset);
        this.contentBytes += <u64>(offset - this.contentStart) - this.mediaBytes;
        break;
      case ROLE_PART:
        if (kind != VALUE_OBJECT || !this.partIsMedia) break;
        this.mediaParts++;
        this.mediaBytes += <u64>(offset - this.partStart);
        break;
      case ROLE_TYPE:
        this.partIsMedia = kind == VALUE_STRING && isMediaType(this.word.ptr, this.word.bytes);
        break;
    }
  }

  /** The first element of `input` is an object: its elements are messages. */
  protected takeInputAsMessages(): void {
    this.spans.forget(ROLE_INPUT);
  }

  private beginSource(role: i32, offset: u32): void {
    this.beginHashing(role, offset);
    if ((this.keysRepeated & (1 << role)) != 0) this.forgetSource(role);
    this.contentBeforeSource = this.contentBytes;
    this.messagesBeforeSource = this.messages;
    this.mediaBeforeSource = this.mediaParts;
    this.source = role;
    this.promptStart = offset;
    if (role == ROLE_TOOLS) this.tools = 0;
    if (role != ROLE_MESSAGES) this.promptSpan = this.spans.open(SPAN_PROMPT, role, offset);
  }

  private endSource(role: i32, offset: u32): void {
    if (role != ROLE_MESSAGES) {
      this.spans.close(this.promptSpan, offset);
      if (role != ROLE_TOOLS) this.contentBytes += <u64>(offset - this.promptStart);
    }
    this.keepSource(role, offset);
  }

  private keepSource(role: i32, offset: u32): void {
    this.endHashing(offset);
    this.totals.set(
      role,
      this.contentBytes - this.contentBeforeSource,
      this.messages - this.messagesBeforeSource,
      this.mediaParts - this.mediaBeforeSource,
    );
  }

  private forgetSource(role: i32): void {
    const totals = this.totals;
    this.contentBytes -= totals.content(role);
    this.messages -= totals.messages(role);
    this.mediaParts -= totals.media(role);
    this.spans.forget(role);
  }

  private beginMessage(offset: u32): void {
    this.messages++;
    const spans = this.spans;
    this.messageSpan = spans.open(SPAN_MESSAGE, this.source, offset);
    this.spansBefore = spans.count;
    this.droppedBefore = spans.dropped;
    this.mediaBefore = this.mediaParts;
    this.contentBefore = this.contentBytes;
  }

  private beginContent(offset: u32): void {
    // A message's second `content` replaces its first.
    const spans = this.spans;
    spans.cut(this.source, this.spansBefore, this.droppedBefore);
    this.mediaParts = this.mediaBefore;
    this.contentBytes = this.contentBefore;
    this.contentSpan = spans.open(SPAN_CONTENT, this.source, offset);
    this.contentStart = offset;
    this.mediaBytes = 0;
  }

  private forgetStreamOptions(): void {
    this.streamOptionsSeen = false;
    this.streamOptionsStart = 0;
    this.streamOptionsEnd = 0;
    this.streamOptionsIsObject = false;
    this.streamOptionsEmpty = false;
    this.forgetIncludeUsage();
  }

  private forgetIncludeUsage(): void {
    this.includeUsageSeen = false;
    this.includeUsage = false;
    this.includeUsageStart = 0;
    this.includeUsageEnd = 0;
  }
}
