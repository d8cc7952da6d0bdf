import { PromptChain } from "./prompt_chain";
import { reasonText } from "./reason_text";
import { RequestFields } from "./request_fields";
import { SpanList } from "./span_list";

export { NO_OFFSET } from "./request_fields";

/**
 * Reads a request's body as it arrives, in pieces cut anywhere, and tells what a filter needs of it, whatever its
 * format: `RequestFields` says what each field means. They may be read at any time; before the end they tell what is
 * known so far. Its memory is never given back: scanners are used again.
 */
export abstract class RequestScanner {
  protected constructor(private readonly found: RequestFields) {}

  /**
   * Takes the next `bytes` bytes of the body, at `ptr`. SCAN_MORE: it goes on; SCAN_COMPLETE: it is whole, though more
   * may follow that means nothing; SCAN_MALFORMED: it cannot become valid any more, which is final.
   */
  abstract feed(ptr: usize, bytes: i32): i32;

  /** The body has ended: SCAN_COMPLETE or SCAN_MALFORMED. */
  abstract finish(): i32;

  /** Ready for the next body. */
  abstract reset(): void;

  get offset(): u32 {
    return this.found.offset;
  }

  get modelSeen(): bool {
    return this.found.modelSeen;
  }

  get modelRepeated(): bool {
    return this.found.modelRepeated;
  }

  get modelIsString(): bool {
    return this.found.modelIsString;
  }

  get modelTooLong(): bool {
    return this.found.modelTooLong;
  }

  get modelStart(): u32 {
    return this.found.modelStart;
  }

  get modelEnd(): u32 {
    return this.found.modelEnd;
  }

  get openModelStart(): u32 {
    return this.found.openModelStart;
  }

  get modelBytes(): i32 {
    return this.found.modelBytes;
  }

  /** Address of the model's name, `modelBytes` long; the same for the scanner's life, as are those below. */
  modelPtr(): usize {
    return this.found.modelText.ptr;
  }

  get streamSeen(): bool {
    return this.found.streamSeen;
  }

  get stream(): bool {
    return this.found.stream;
  }

  get includeUsage(): bool {
    return this.found.includeUsage;
  }

  get maxTokensSeen(): bool {
    return this.found.maxTokensSeen;
  }

  get maxTokens(): u32 {
    return this.found.maxTokens;
  }

  get nSeen(): bool {
    return this.found.nSeen;
  }

  get n(): u32 {
    return this.found.n;
  }

  get prioritySeen(): bool {
    return this.found.prioritySeen;
  }

  get priority(): i32 {
    return this.found.priority;
  }

  get cacheSaltSeen(): bool {
    return this.found.cacheSaltSeen;
  }

  get cacheSaltRepeated(): bool {
    return this.found.cacheSaltRepeated;
  }

  get cacheSaltTooLong(): bool {
    return this.found.cacheSaltTooLong;
  }

  get cacheSaltBytes(): i32 {
    return this.found.cacheSaltBytes;
  }

  cacheSaltPtr(): usize {
    return this.found.saltText.ptr;
  }

  get userSeen(): bool {
    return this.found.userSeen;
  }

  get userTooLong(): bool {
    return this.found.userTooLong;
  }

  get userBytes(): i32 {
    return this.found.userBytes;
  }

  userPtr(): usize {
    return this.found.userText.ptr;
  }

  get messages(): u32 {
    return this.found.messages;
  }

  get tools(): u32 {
    return this.found.tools;
  }

  get mediaParts(): u32 {
    return this.found.mediaParts;
  }

  get contentBytes(): u64 {
    return this.found.contentBytes;
  }

  get chain(): PromptChain {
    return this.found.chain;
  }

  get spans(): SpanList {
    return this.found.spans;
  }

  /** Spans beyond SPAN_CAPACITY. */
  get spansDropped(): u32 {
    return this.found.spans.dropped;
  }

  get errorOffset(): u32 {
    return this.found.errorOffset;
  }

  /** REASON_* */
  get errorReason(): i32 {
    return this.found.errorReason;
  }

  /** The reason of a refusal in words; "" if there is none. */
  errorText(): string {
    return reasonText(this.found.errorReason);
  }
}
