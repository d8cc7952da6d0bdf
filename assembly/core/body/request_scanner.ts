import {
  MODEL_CAPACITY_BYTES,
  REASON_NONE,
  SALT_CAPACITY_BYTES,
  SCAN_MALFORMED,
  USER_CAPACITY_BYTES,
} from "./scan_codes";
import { reasonText } from "./reason_text";
import { SpanList } from "./span_list";
import { TextSink } from "./text_sink";

/** Where an offset is told, and there is none. */
export const NO_OFFSET: u32 = u32.MAX_VALUE;

/** Keys that limit the output's tokens, by preference: see `maxTokensSeen`. */
const LIMIT_COUNT: i32 = 3;

/**
 * Reads a request's body as it arrives, in pieces cut anywhere, and tells what a filter needs of it, whatever its
 * format. A name that comes twice counts the last time, as in the model servers. The fields may be read at any time;
 * before the end they tell what is known so far.
 *
 * Offsets count bytes of the body from 0; beyond 4 GiB they stay at 2^32 - 1, and spans there are useless.
 */
export abstract class RequestScanner {
  /** Bytes taken so far. */
  offset: u32 = 0;

  /** There is a model, whole, and it is not JSON's `null` or an empty field, which the servers take as none. */
  modelSeen: bool = false;
  /** The model is named more than once: parsers other than the servers' may take the first. */
  modelRepeated: bool = false;
  modelIsString: bool = false;
  /** Bytes of the body from the value's first (in JSON its opening quote) to one past its last. */
  modelStart: u32 = 0;
  modelEnd: u32 = 0;
  /** A model's value has begun here and not ended; NO_OFFSET: there is none open. */
  openModelStart: u32 = NO_OFFSET;
  /** Bytes of the unescaped name at `modelPtr()`; 0 unless `modelIsString`. */
  modelBytes: i32 = 0;
  /** The name has more than MODEL_CAPACITY_BYTES bytes; what is at `modelPtr()` is its beginning. */
  modelTooLong: bool = false;

  streamSeen: bool = false;
  /** The answer is to be a stream. */
  stream: bool = false;
  /** Usage is to be told at a stream's end. */
  includeUsage: bool = false;
  /**
   * A limit of output tokens is given as a whole number >= 0. Of several keys counts what the servers prefer:
   * `max_completion_tokens`, `max_tokens`, `max_output_tokens`.
   */
  maxTokensSeen: bool = false;
  /** At most 2^32 - 1; 0 unless `maxTokensSeen`. */
  maxTokens: u32 = 0;
  /** Choices are asked for by a whole number >= 0. */
  nSeen: bool = false;
  /** At most 2^32 - 1; 0 unless `nSeen`. */
  n: u32 = 0;
  /** `priority` is a whole number. */
  prioritySeen: bool = false;
  /** As vLLM has it, lower comes first; at the nearest bound if it is beyond. 0 unless `prioritySeen`. */
  priority: i32 = 0;

  /** There is a `cache_salt`, whole, and it is a string. */
  cacheSaltSeen: bool = false;
  cacheSaltRepeated: bool = false;
  /** Bytes at `cacheSaltPtr()`, at most SALT_CAPACITY_BYTES. */
  cacheSaltBytes: i32 = 0;
  cacheSaltTooLong: bool = false;
  /** There is a `user`, whole, and it is a string. */
  userSeen: bool = false;
  /** Bytes at `userPtr()`, at most USER_CAPACITY_BYTES. */
  userBytes: i32 = 0;
  userTooLong: bool = false;

  /** Elements of `messages`, and of an `input` that is a list of objects. */
  messages: u32 = 0;
  tools: u32 = 0;
  /** Images, sounds, videos and files in messages' contents; files of a form. */
  mediaParts: u32 = 0;
  /** Raw bytes of what the model reads as text: contents of messages, prompts, inputs, system texts; without media. */
  contentBytes: u64 = 0;
  /** Where messages, contents and prompts stand, SPAN_*; at most SPAN_CAPACITY. */
  readonly spans: SpanList = new SpanList();

  /** Byte at which the body turned out to be malformed. */
  errorOffset: u32 = 0;
  /** REASON_* */
  errorReason: i32 = REASON_NONE;

  protected readonly modelText: TextSink = new TextSink(MODEL_CAPACITY_BYTES);
  protected readonly saltText: TextSink = new TextSink(SALT_CAPACITY_BYTES);
  protected readonly userText: TextSink = new TextSink(USER_CAPACITY_BYTES);

  /** A bit for each of `limits` that is given. */
  private limitsSeen: u32 = 0;
  private readonly limits: StaticArray<u32> = new StaticArray<u32>(LIMIT_COUNT);

  /** Bytes before the piece that is being fed, and where that piece lies. */
  private takenBytes: u64 = 0;
  private piece: usize = 0;

  /**
   * Takes the next `bytes` bytes of the body, at `ptr`. SCAN_MORE: it goes on; SCAN_COMPLETE: it is whole, though more
   * may follow that means nothing; SCAN_MALFORMED: it cannot become valid any more, which is final.
   */
  abstract feed(ptr: usize, bytes: i32): i32;

  /** The body has ended: SCAN_COMPLETE or SCAN_MALFORMED. */
  abstract finish(): i32;

  /** Ready for the next body. */
  abstract reset(): void;

  /** Address of the model's name, `modelBytes` long; the same for the scanner's life, as are those below. */
  modelPtr(): usize {
    return this.modelText.ptr;
  }

  cacheSaltPtr(): usize {
    return this.saltText.ptr;
  }

  userPtr(): usize {
    return this.userText.ptr;
  }

  /** Spans beyond SPAN_CAPACITY. */
  get spansDropped(): u32 {
    return this.spans.dropped;
  }

  /** The reason of a refusal in words; "" if there is none. */
  errorText(): string {
    return reasonText(this.errorReason);
  }

  protected resetRequest(): void {
    this.offset = 0;
    this.takenBytes = 0;
    this.modelRepeated = false;
    this.openModelStart = NO_OFFSET;
    this.forgetModel();
    this.streamSeen = false;
    this.stream = false;
    this.includeUsage = false;
    this.maxTokensSeen = false;
    this.maxTokens = 0;
    this.limitsSeen = 0;
    this.nSeen = false;
    this.n = 0;
    this.prioritySeen = false;
    this.priority = 0;
    this.cacheSaltRepeated = false;
    this.forgetSalt();
    this.forgetUser();
    this.messages = 0;
    this.tools = 0;
    this.mediaParts = 0;
    this.contentBytes = 0;
    this.spans.reset();
    this.errorOffset = 0;
    this.errorReason = REASON_NONE;
  }

  protected forgetModel(): void {
    this.modelText.reset();
    this.modelSeen = false;
    this.modelIsString = false;
    this.modelBytes = 0;
    this.modelTooLong = false;
    this.modelStart = 0;
    this.modelEnd = 0;
  }

  protected forgetSalt(): void {
    this.saltText.reset();
    this.cacheSaltSeen = false;
    this.cacheSaltBytes = 0;
    this.cacheSaltTooLong = false;
  }

  protected forgetUser(): void {
    this.userText.reset();
    this.userSeen = false;
    this.userBytes = 0;
    this.userTooLong = false;
  }

  /** The name has been read into `modelText`. */
  protected takeModelText(): void {
    this.modelIsString = true;
    this.modelBytes = this.modelText.bytes;
    this.modelTooLong = this.modelText.tooLong;
  }

  protected takeSaltText(): void {
    this.cacheSaltSeen = true;
    this.cacheSaltBytes = this.saltText.bytes;
    this.cacheSaltTooLong = this.saltText.tooLong;
  }

  protected takeUserText(): void {
    this.userSeen = true;
    this.userBytes = this.userText.bytes;
    this.userTooLong = this.userText.tooLong;
  }

  /** Takes `limit` as the limit of output tokens of this preference, 0 the first, or takes back what was one. */
  protected setLimit(preference: i32, isGiven: bool, limit: u32): void {
    const bit: u32 = 1 << preference;
    this.limitsSeen = isGiven ? this.limitsSeen | bit : this.limitsSeen & ~bit;
    this.limits[preference] = limit;
    this.maxTokensSeen = this.limitsSeen != 0;
    this.maxTokens = this.maxTokensSeen ? this.limits[ctz<u32>(this.limitsSeen)] : 0;
  }

  protected beginPiece(ptr: usize): void {
    this.piece = ptr;
  }

  /** All of the piece was taken. */
  protected endPiece(bytes: i32): void {
    this.takenBytes += <u64>bytes;
    this.offset = <u32>min<u64>(this.takenBytes, u32.MAX_VALUE);
  }

  /** Offset in the body of a byte of the piece. */
  protected bodyOffset(at: usize): u32 {
    return <u32>min<u64>(this.takenBytes + (at - this.piece), u32.MAX_VALUE);
  }

  /** Notes why the body is malformed; SCAN_MALFORMED. */
  protected refuse(offset: u32, reason: i32): i32 {
    this.errorOffset = offset;
    this.errorReason = reason;
    return SCAN_MALFORMED;
  }
}
