import { isWord } from "./header_params";
import { isDigit, MINUS } from "./json_bytes";
import { NumberScanner } from "./number_scanner";
import { NO_OFFSET, RequestFields } from "./request_fields";
import {
  preferenceOf,
  ROLE_BODY,
  ROLE_CACHE_SALT,
  ROLE_INCLUDE_USAGE,
  ROLE_MODEL,
  ROLE_N,
  ROLE_NONE,
  ROLE_PRIORITY,
  ROLE_PROMPT,
  ROLE_STREAM,
  ROLE_USER,
  roleOfKey,
} from "./roles";
import { SPAN_PROMPT } from "./scan_codes";
import { isText, TextSink } from "./text_sink";

/** Longest name and longest value that are read, other than model, salt and user. */
const WORD_CAPACITY_BYTES: i32 = 32;

/**
 * What the parts of a form mean for the request. Fields have the names of JSON bodies' top-level keys; an empty one is
 * none, as in FastAPI. Who reads the grammar says where each part's data begins and ends, and gives it to `sink`.
 */
@unmanaged
export class FormFields extends RequestFields {
  /** A part's name, then its value if it is none that has a text of its own. */
  protected readonly word: TextSink = new TextSink(WORD_CAPACITY_BYTES);
  private readonly number: NumberScanner = new NumberScanner();
  /** What the part is; its value goes into `sink`. */
  private role: i32 = ROLE_NONE;
  protected sink: TextSink | null = null;
  private isFile: bool = false;
  private dataStart: u32 = 0;
  private span: i32 = -1;
  private modelMet: bool = false;
  private saltMet: bool = false;

  protected resetFields(): void {
    this.resetRequest();
    this.role = ROLE_NONE;
    this.sink = null;
    this.modelMet = false;
    this.saltMet = false;
  }

  /** The data of a part begins, whose name is in `word`. */
  protected beginPart(offset: u32, isFile: bool): void {
    this.isFile = isFile;
    this.dataStart = offset;
    this.role = ROLE_NONE;
    this.sink = null;
    if (isFile) return;
    const role = isText(this.word.ptr, this.word.bytes, "stream_include_usage")
      ? ROLE_INCLUDE_USAGE
      : roleOfKey(ROLE_BODY, this.word.ptr, this.word.bytes);
    this.role = role;
    switch (role) {
      case ROLE_NONE:
        return;
      case ROLE_MODEL:
        this.modelRepeated = this.modelMet;
        this.modelMet = true;
        this.forgetModel();
        this.openModelStart = offset;
        this.sink = this.modelText;
        return;
      case ROLE_CACHE_SALT:
        this.cacheSaltRepeated = this.saltMet;
        this.saltMet = true;
        this.forgetSalt();
        this.sink = this.saltText;
        return;
      case ROLE_USER:
        this.forgetUser();
        this.sink = this.userText;
        return;
      case ROLE_PROMPT:
        this.spans.forget(ROLE_PROMPT);
        this.contentBytes = 0;
        this.span = this.spans.open(SPAN_PROMPT, ROLE_PROMPT, offset);
        return;
    }
    this.forget(role);
    this.word.reset();
    this.sink = this.word;
  }

  /** Takes back what an earlier part said of a role that has no text of its own. */
  private forget(role: i32): void {
    switch (role) {
      case ROLE_STREAM:
        this.streamSeen = false;
        this.stream = false;
        return;
      case ROLE_INCLUDE_USAGE:
        this.includeUsage = false;
        return;
      case ROLE_N:
        this.nSeen = false;
        this.n = 0;
        return;
      case ROLE_PRIORITY:
        this.prioritySeen = false;
        this.priority = 0;
        return;
    }
    const preference = preferenceOf(role);
    if (preference >= 0) this.setLimit(preference, false, 0);
  }

  /** The part's data ended before the byte at `offset` of the body. */
  protected endPart(offset: u32): void {
    if (this.isFile) {
      this.mediaParts++;
      return;
    }
    const bytes = offset - this.dataStart;
    switch (this.role) {
      case ROLE_MODEL:
        this.openModelStart = NO_OFFSET;
        if (bytes == 0) return;
        this.takeModelText();
        this.modelSeen = true;
        this.modelStart = this.dataStart;
        this.modelEnd = offset;
        return;
      case ROLE_CACHE_SALT:
        if (bytes > 0) this.takeSaltText();
        return;
      case ROLE_USER:
        if (bytes > 0) this.takeUserText();
        return;
      case ROLE_PROMPT:
        this.spans.close(this.span, offset);
        this.contentBytes = <u64>bytes;
        return;
      case ROLE_STREAM:
        this.streamSeen = bytes > 0;
        this.stream = this.wordIsTrue();
        return;
      case ROLE_INCLUDE_USAGE:
        this.includeUsage = this.wordIsTrue();
        return;
      case ROLE_N:
        this.nSeen = this.wordIsWhole() && !this.number.isNegative;
        this.n = this.nSeen ? <u32>this.number.magnitude : 0;
        return;
      case ROLE_PRIORITY:
        this.prioritySeen = this.wordIsWhole();
        this.priority = this.prioritySeen ? this.number.integer : 0;
        return;
    }
    const preference = preferenceOf(this.role);
    if (preference < 0) return;
    const isGiven = this.wordIsWhole() && !this.number.isNegative;
    this.setLimit(preference, isGiven, isGiven ? <u32>this.number.magnitude : 0);
  }

  /** As FastAPI's models (pydantic) read a truth value from a field. */
  private wordIsTrue(): bool {
    const ptr = this.word.ptr;
    const bytes = this.word.bytes;
    return (
      isWord(ptr, bytes, "true") ||
      isWord(ptr, bytes, "1") ||
      isWord(ptr, bytes, "yes") ||
      isWord(ptr, bytes, "on") ||
      isWord(ptr, bytes, "t") ||
      isWord(ptr, bytes, "y")
    );
  }

  /** It is a whole number, which is then `number`. */
  private wordIsWhole(): bool {
    const word = this.word;
    if (word.bytes == 0 || word.tooLong) return false;
    const first: u32 = load<u8>(word.ptr);
    if (!isDigit(first) && first != MINUS) return false;
    const number = this.number;
    number.begin(first, true);
    const end = word.ptr + <usize>word.bytes;
    return number.scan(word.ptr + 1, end) == end && number.isComplete && number.isWhole;
  }
}
