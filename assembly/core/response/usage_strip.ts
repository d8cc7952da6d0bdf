import { AnswerKind, KIND_EVENT_STREAM, KIND_UNDECIDED } from "./answer_kind";
import { EVENT_CUT, EVENT_DROP, EventUsage } from "./event_usage";
import { EventLines, PART_END } from "./event_lines";
import { GrowingBytes } from "./growing_bytes";
import { ModelRestore } from "./model_restore";

/** An event that is longer passes as it is. */
const MOST_EVENT_BYTES: usize = 65536;

const LINE_FEED: u8 = 0x0a;

/**
 * Takes the `usage` out of an event stream of chat or text completions: events go on when they are whole, the
 * one that has no choices does not, and in others the member is left out. An answer that is no event stream
 * passes as it is.
 */
@unmanaged
export class UsageStrip {
  private next: ModelRestore;
  private kind: AnswerKind = new AnswerKind();
  private lines: EventLines = new EventLines();
  private usage: EventUsage = new EventUsage();
  /** The beginning of an event that is not whole, or of an answer of which it is not known what it is. */
  private pending: GrowingBytes = new GrowingBytes();
  /** The event being read is too long: its bytes go on as they come. */
  private isPassing: bool = false;
  /** An event has just ended; the last one was dropped. */
  private isBetweenEvents: bool = false;
  private isDropped: bool = false;

  constructor(next: ModelRestore) {
    this.next = next;
  }

  /** Ready for the next answer. */
  begin(): void {
    this.kind.reset();
    this.lines.reset();
    this.pending.clear();
    this.isPassing = false;
    this.isBetweenEvents = false;
    this.isDropped = false;
  }

  /** Takes the next bytes of the answer. */
  take(from: usize, end: usize): void {
    const kind = this.kind;
    let at = from;
    if (kind.kind == KIND_UNDECIDED) {
      const wasBlank = kind.bytes == 0;
      at = kind.feed(at, end);
      if (wasBlank) {
        // What comes before the first line is of no event.
        const start = at - <usize>kind.bytes;
        this.next.take(from, start);
        from = start;
      }
      if (kind.kind == KIND_UNDECIDED) {
        this.pending.append(from, end);
        return;
      }
      // Of these bytes, too few for an event's end, only the place in the line is of interest.
      if (kind.kind == KIND_EVENT_STREAM) this.lines.next(kind.ptr, kind.ptr + <usize>kind.bytes);
    }
    if (kind.kind == KIND_EVENT_STREAM) {
      this.takeEvents(from, at, end);
    } else {
      this.passPending();
      this.next.take(from, end);
    }
  }

  /** What is held goes on as it is. */
  release(): void {
    this.passPending();
  }

  /** The answer has ended; an event without its blank line is taken for whole. */
  finish(): void {
    if (this.kind.kind == KIND_EVENT_STREAM) {
      this.passEvent(this.pending.ptr, this.pending.end);
      this.pending.clear();
    } else {
      this.passPending();
    }
  }

  /** The bytes [from, end), of which the lines of those before `at` are known. */
  private takeEvents(from: usize, at: usize, end: usize): void {
    while (at < end) {
      // The second half of a line's end: it goes where the first half went.
      const endsLine = this.isBetweenEvents && this.lines.isAfterReturn && load<u8>(at) == LINE_FEED;
      at = this.lines.next(at, end);
      this.isBetweenEvents = this.lines.part == PART_END;
      if (endsLine) {
        if (!this.isDropped) this.next.take(from, at);
        from = at;
      } else if (this.isBetweenEvents) {
        this.endEvent(from, at);
        from = at;
      }
    }
    if (from != end) this.keep(from, end);
  }

  /** The bytes [from, end) end an event. */
  private endEvent(from: usize, end: usize): void {
    this.isDropped = false;
    if (!this.isPassing && this.pending.bytes == 0 && end - from <= MOST_EVENT_BYTES) {
      this.passEvent(from, end);
      return;
    }
    this.keep(from, end);
    if (!this.isPassing) this.passEvent(this.pending.ptr, this.pending.end);
    this.pending.clear();
    this.isPassing = false;
  }

  /** The bytes [from, end) belong to an event that is not whole. */
  private keep(from: usize, end: usize): void {
    if (!this.isPassing && <usize>this.pending.bytes + (end - from) > MOST_EVENT_BYTES) {
      this.isPassing = true;
      this.passPending();
    }
    if (this.isPassing) this.next.take(from, end);
    else this.pending.append(from, end);
  }

  /** Passes a whole event on without its usage. */
  private passEvent(from: usize, end: usize): void {
    const usage = this.usage;
    const verdict = usage.examine(from, end);
    this.isDropped = verdict == EVENT_DROP;
    if (verdict == EVENT_CUT) {
      this.next.take(from, usage.cutFrom);
      this.next.take(usage.cutTo, end);
    } else if (verdict != EVENT_DROP) {
      this.next.take(from, end);
    }
  }

  private passPending(): void {
    this.next.take(this.pending.ptr, this.pending.end);
    this.pending.clear();
  }
}
