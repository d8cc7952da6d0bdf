import {
  MODEL_CAPACITY_BYTES,
  REASON_NONE,
  SALT_CAPACITY_BYTES,
  SCAN_MALFORMED,
  USER_CAPACITY_BYTES,
} from "./scan_codes";
import { PromptChain } from "./prompt_chain";
import { SpanList } from "./span_list";
import { TextSink } from "./text_sink";

/** No offset of a body. */
export const NO_OFFSET: u32 = u32.MAX_VALUE;

/** Keys that limit the output's tokens, by preference: see `maxTokensSeen`. */
const LIMIT_COUNT: i32 = 3;

/**
 * What a request's body says, whatever its format. A name that comes twice counts the last time, as in the model
 * servers. Offsets count bytes of the body from 0; beyond 4 GiB they stay at 2^32 - 1, and spans there are useless.
 *
 * Not managed by the collector, nor is any part of a scanner: an object lives as long as its module. Nothing of it has
 * to be marked, and references cost nothing under any runtime; with a shadow stack each use of one is a store, which
 * made short strings and numbers four times as slow.
 */
@unmanaged
export class RequestFields {
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
  /** Bytes of the unescaped name at `modelText`; 0 unless `modelIsString`. */
  modelBytes: i32 = 0;
  /** The name has more than MODEL_CAPACITY_BYTES bytes; what is at `modelText` is its beginning. */
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
  /** Bytes at `saltText`, at most SALT_CAPACITY_BYTES. */
  cacheSaltBytes: i32 = 0;
  cacheSaltTooLong: bool = false;
  /** There is a `user`, whole, and it is a string. */
  userSeen: bool = false;
  /** Bytes at `userText`, at most USER_CAPACITY_BYTES. */
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

  /** The prompt's hashes, if they are wanted: of JSON bodies only. */
  readonly chain: PromptChain = new PromptChain();

  readonly modelText: TextSink = new TextSink(MODEL_CAPACITY_BYTES);
  readonly saltText: TextSink = new TextSink(SALT_CAPACITY_BYTES);
  readonly userText: TextSink = new TextSink(USER_CAPACITY_BYTES);

  /** A bit for each of `limits` that is given. */
  private limitsSeen: u32 = 0;
  /** A u32 each. */
  private readonly limits: usize = heap.alloc((<usize>LIMIT_COUNT) << 2);

  /** Bytes before the piece that is being fed, and where that piece lies. */
  private takenBytes: u64 = 0;
  private piece: usize = 0;
  /** First byte of the piece that is a source's and has not been hashed. */
  private hashFrom: usize = 0;

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
    this.chain.reset();
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
    store<u32>(this.limits + ((<usize>preference) << 2), limit);
    this.maxTokensSeen = this.limitsSeen != 0;
    this.maxTokens = this.maxTokensSeen
      ? load<u32>(this.limits + ((<usize>ctz<u32>(this.limitsSeen)) << 2))
      : 0;
  }

  protected beginPiece(ptr: usize): void {
    this.piece = ptr;
    this.hashFrom = ptr;
  }

  /** All of the piece was taken. */
  protected endPiece(bytes: i32): void {
    const chain = this.chain;
    if (chain.isOpen) chain.feed(this.hashFrom, <i32>(this.piece + <usize>bytes - this.hashFrom));
    this.takenBytes += <u64>bytes;
    this.offset = <u32>min<u64>(this.takenBytes, u32.MAX_VALUE);
  }

  /** Offset in the body of a byte of the piece. */
  protected bodyOffset(at: usize): u32 {
    return <u32>min<u64>(this.takenBytes + (at - this.piece), u32.MAX_VALUE);
  }

  /** A source, whose first byte is at `offset` of the body and in the piece, is hashed from there on. */
  protected beginHashing(source: i32, offset: u32): void {
    this.chain.begin(source, offset);
    this.hashFrom = this.addressOf(offset);
  }

  /** The source that is hashed has ended before the byte at `offset`. */
  protected endHashing(offset: u32): void {
    const chain = this.chain;
    if (!chain.isOpen) return;
    chain.feed(this.hashFrom, <i32>(this.addressOf(offset) - this.hashFrom));
    chain.end();
  }

  /** Address of a byte of the piece. Offsets that stay at their highest give the piece's beginning or end. */
  private addressOf(offset: u32): usize {
    return this.piece + <usize>(<u64>offset - min<u64>(this.takenBytes, offset));
  }

  /** Notes why the body is malformed; SCAN_MALFORMED. */
  protected refuse(offset: u32, reason: i32): i32 {
    this.errorOffset = offset;
    this.errorReason = reason;
    return SCAN_MALFORMED;
  }
}
