import { findLineBreak } from "./find";
import { PartHeader } from "./part_header";
import { FormFields } from "./form_fields";
import {
  BOUNDARY_MAX_BYTES,
  REASON_BAD_DELIMITER,
  REASON_NONE,
  REASON_TRUNCATED,
  SCAN_COMPLETE,
  SCAN_MALFORMED,
  SCAN_MORE,
} from "./scan_codes";

const CARRIAGE_RETURN: u32 = 0x0d;
const LINE_FEED: u32 = 0x0a;
const HYPHEN: u32 = 0x2d;

// Where the scanner is between two bytes.
//
//   LINE_START -delimiter-> HEADERS -empty line-> DATA -delimiter-> HEADERS …   -last delimiter-> DONE
//   LINE_START -other-> PREAMBLE -line feed-> LINE_START
//   a delimiter's blanks -> PADDING -CR-> PADDING_END -LF-> HEADERS
/** Before the first delimiter, at the beginning of a line, or in what may be the delimiter. */
const LINE_START: i32 = 0;
const PREAMBLE: i32 = 1;
const HEADERS: i32 = 2;
const DATA: i32 = 3;
const PADDING: i32 = 4;
const PADDING_END: i32 = 5;
const DONE: i32 = 6;
const FAILED: i32 = 7;

/** CRLF and two hyphens. */
const DELIMITER_PREFIX_BYTES: i32 = 4;

/**
 * A form (multipart/form-data: RFC 7578, RFC 2046). It reads the fields that JSON bodies have as top-level keys, and
 * `stream_include_usage`; everything else, files above all, is gone over for its end only. A value is its part's raw
 * bytes: `modelStart` to `modelEnd`, no quotes, no escapes.
 *
 * It takes what the servers' parser takes (python-multipart below FastAPI): lines end in CRLF, only before the first
 * delimiter in LF too; blanks may follow a delimiter; what follows the last one is ignored. A form that ends without
 * its last delimiter is taken as well; its unfinished part does not count, nor do those of its name before it. Of what
 * comes before the first delimiter, RFC 2046 allows more than that parser; here it is skipped. Bounds that differ: a
 * part's headers have at most PART_HEADER_MAX_BYTES (there 8 lines of 4224 bytes), the boundary at most 70 (there 256).
 *
 * Memory is bounded, about 13 KB an object (8 KB of them for a part's headers), and nothing is allocated after the
 * constructor.
 */
@unmanaged
export class FormMachine extends FormFields {
  private state: i32 = FAILED;
  /** CRLF, `--` and the boundary. */
  private readonly delimiter: usize = heap.alloc(DELIMITER_PREFIX_BYTES + BOUNDARY_MAX_BYTES);
  private delimiterBytes: i32 = 0;
  /** Bytes of the delimiter that the last bytes were; beyond `delimiterBytes` `tail` is the one behind it. */
  private matched: i32 = 0;
  private tail: u32 = 0;
  /** Offset of the first of them. */
  private matchStart: u32 = 0;

  private readonly header: PartHeader = new PartHeader();
  constructor() {
    super();
    this.reset();
  }

  /** Ready for a form of this boundary; false, and nothing can be fed, if it is not of 1 to 70 bytes. */
  begin(boundaryPtr: usize, boundaryBytes: i32): bool {
    this.delimiterBytes = 0;
    this.reset();
    if (boundaryBytes < 1 || boundaryBytes > BOUNDARY_MAX_BYTES) return false;
    const delimiter = this.delimiter;
    store<u8>(delimiter, <u8>CARRIAGE_RETURN);
    store<u8>(delimiter, <u8>LINE_FEED, 1);
    store<u8>(delimiter, <u8>HYPHEN, 2);
    store<u8>(delimiter, <u8>HYPHEN, 3);
    memory.copy(delimiter + DELIMITER_PREFIX_BYTES, boundaryPtr, boundaryBytes);
    this.delimiterBytes = DELIMITER_PREFIX_BYTES + boundaryBytes;
    this.reset();
    return true;
  }

  /** Ready for another form of the same boundary. */
  reset(): void {
    this.resetFields();
    this.state = this.delimiterBytes > 0 ? LINE_START : FAILED;
    // The beginning of the body is the beginning of a line.
    this.matched = 2;
  }

  feed(ptr: usize, bytes: i32): i32 {
    this.beginPiece(ptr);
    const end = ptr + <usize>bytes;
    let at = ptr;
    while (at < end) {
      switch (this.state) {
        case LINE_START:
          at = this.scanDelimiter(at, end);
          break;
        case PREAMBLE:
          while (at < end && load<u8>(at) != LINE_FEED) at++;
          if (at == end) break;
          at++;
          this.state = LINE_START;
          this.matched = 2;
          break;
        case HEADERS:
          at = this.scanHeaders(at, end);
          break;
        case DATA:
          at = this.matched > 0 ? this.scanDelimiter(at, end) : this.scanData(at, end);
          break;
        case PADDING:
        case PADDING_END:
          at = this.scanPadding(at);
          break;
        case DONE:
          at = end;
          break;
        default: // FAILED
          return SCAN_MALFORMED;
      }
    }
    if (this.state == FAILED) return SCAN_MALFORMED;
    this.endPiece(bytes);
    return this.state == DONE ? SCAN_COMPLETE : SCAN_MORE;
  }

  /** SCAN_MALFORMED if no delimiter came at all. */
  finish(): i32 {
    if (this.state == FAILED) return SCAN_MALFORMED;
    if (this.state == LINE_START || this.state == PREAMBLE) {
      this.state = FAILED;
      return this.refuse(this.offset, REASON_TRUNCATED);
    }
    this.state = DONE;
    return SCAN_COMPLETE;
  }

  private scanData(at: usize, end: usize): usize {
    const stop = findLineBreak(at, end);
    const sink = this.sink;
    if (sink != null) sink.addRun(at, <i32>(stop - at));
    if (stop == end) return end;
    this.matchStart = this.bodyOffset(stop);
    this.matched = 1;
    return stop + 1;
  }

  /** In what may be a delimiter. Returns the first byte that is not part of it, or the byte behind it. */
  private scanDelimiter(at: usize, end: usize): usize {
    const length = this.delimiterBytes;
    let matched = this.matched;
    while (at < end) {
      const byte: u32 = load<u8>(at);
      if (matched < length) {
        if (byte != load<u8>(this.delimiter + matched)) return this.noDelimiter(at, matched);
      } else if (matched == length) {
        if (byte == 0x20 || byte == 0x09) {
          this.endDelimiter();
          this.state = PADDING;
          return at + 1;
        }
        if (byte != CARRIAGE_RETURN && byte != HYPHEN) return this.noDelimiter(at, matched);
        this.tail = byte;
      } else {
        if (byte != (this.tail == HYPHEN ? HYPHEN : LINE_FEED)) return this.noDelimiter(at, matched);
        this.endDelimiter();
        if (this.tail == HYPHEN) this.state = DONE;
        else this.beginHeaders();
        return at + 1;
      }
      matched++;
      at++;
    }
    this.matched = matched;
    return end;
  }

  /** What may be a delimiter is one. */
  private endDelimiter(): void {
    this.matched = 0;
    if (this.state == DATA) this.endPart(this.matchStart);
  }

  /** The byte at `at` makes what looked like a delimiter none: its bytes were data. */
  private noDelimiter(at: usize, matched: i32): usize {
    this.matched = 0;
    if (this.state == LINE_START) {
      this.state = PREAMBLE;
      return at;
    }
    const sink = this.sink;
    if (sink != null) {
      sink.addRun(this.delimiter, min(matched, this.delimiterBytes));
      if (matched > this.delimiterBytes) sink.addByte(this.tail);
    }
    return at;
  }

  private scanPadding(at: usize): usize {
    const byte: u32 = load<u8>(at);
    if (this.state == PADDING_END) {
      if (byte != LINE_FEED) return this.fail(at, REASON_BAD_DELIMITER);
      this.beginHeaders();
    } else if (byte == CARRIAGE_RETURN) {
      this.state = PADDING_END;
    } else if (byte != 0x20 && byte != 0x09) {
      return this.fail(at, REASON_BAD_DELIMITER);
    }
    return at + 1;
  }

  private beginHeaders(): void {
    this.header.begin();
    this.state = HEADERS;
  }

  private scanHeaders(at: usize, end: usize): usize {
    const header = this.header;
    at = header.scan(at, end, this.word);
    if (header.done) {
      this.beginPart(this.bodyOffset(at), header.isFile);
      this.state = DATA;
      this.matched = 0;
    }
    if (header.reason != REASON_NONE) return this.fail(at, header.reason);
    return at;
  }

  private fail(at: usize, reason: i32): usize {
    this.refuse(this.bodyOffset(at), reason);
    this.state = FAILED;
    return at;
  }
}
