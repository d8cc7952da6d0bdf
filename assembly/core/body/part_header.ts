import { HeaderParams, isWord } from "./header_params";
import { isDigit, isLetter } from "./json_bytes";
import {
  PART_HEADER_MAX_BYTES,
  REASON_BAD_PART_HEADER,
  REASON_NONE,
  REASON_PART_HEADER_TOO_LONG,
  REASON_PART_WITHOUT_NAME,
} from "./scan_codes";
import { TextSink } from "./text_sink";

const CARRIAGE_RETURN: u32 = 0x0d;
const LINE_FEED: u32 = 0x0a;
const COLON: u32 = 0x3a;

// Where it is between two bytes.
const LINE_START: i32 = 0;
const NAME: i32 = 1;
const VALUE: i32 = 2;
/** Behind the CR of a line. */
const LINE_END: i32 = 3;
/** Behind the CR of the empty line. */
const LAST_LINE_END: i32 = 4;

/**
 * The headers of one part of a form, up to the empty line, in pieces cut anywhere: `name: value` and CRLF, the name of
 * characters that HTTP allows. Of them only `content-disposition` is read (RFC 7578, 4.2).
 */
@unmanaged
export class PartHeader {
  /** The empty line has been taken. */
  done: bool = false;
  /** Why the byte that `scan` returned cannot be; REASON_NONE if it can. */
  reason: i32 = REASON_NONE;
  /** The part has a file name: it is a file. */
  isFile: bool = false;

  private state: i32 = LINE_START;
  private hasName: bool = false;
  /** Bytes of all lines so far. */
  private totalBytes: i32 = 0;
  /** The line so far, and how many bytes of it are the name. */
  private readonly line: usize = heap.alloc(PART_HEADER_MAX_BYTES);
  private lineBytes: i32 = 0;
  private nameBytes: i32 = 0;
  private readonly params: HeaderParams = new HeaderParams();

  /** Behind the line break that ends a delimiter. */
  begin(): void {
    this.done = false;
    this.reason = REASON_NONE;
    this.isFile = false;
    this.state = LINE_START;
    this.hasName = false;
    this.totalBytes = 0;
    this.lineBytes = 0;
  }

  /**
   * Returns the byte behind the empty line (`done`; `field` has the part's name), or the byte that cannot be
   * (`reason`), or `end`.
   */
  scan(at: usize, end: usize, field: TextSink): usize {
    while (at < end) {
      const byte: u32 = load<u8>(at);
      if (++this.totalBytes > PART_HEADER_MAX_BYTES) return this.refuse(at, REASON_PART_HEADER_TOO_LONG);
      switch (this.state) {
        case LINE_START:
          if (byte == CARRIAGE_RETURN) {
            this.state = LAST_LINE_END;
            break;
          }
          this.lineBytes = 0;
          this.state = NAME;
          if (!isTokenByte(byte)) return this.refuse(at, REASON_BAD_PART_HEADER);
          this.keep(byte);
          break;
        case NAME:
          if (byte == COLON) {
            this.nameBytes = this.lineBytes;
            this.state = VALUE;
          } else if (!isTokenByte(byte)) return this.refuse(at, REASON_BAD_PART_HEADER);
          this.keep(byte);
          break;
        case VALUE:
          if (byte == CARRIAGE_RETURN) this.state = LINE_END;
          else this.keep(byte);
          break;
        case LINE_END:
          if (byte != LINE_FEED) return this.refuse(at, REASON_BAD_PART_HEADER);
          this.readLine(field);
          this.state = LINE_START;
          break;
        default: // LAST_LINE_END
          if (byte != LINE_FEED) return this.refuse(at, REASON_BAD_PART_HEADER);
          if (!this.hasName) return this.refuse(at, REASON_PART_WITHOUT_NAME);
          this.done = true;
          return at + 1;
      }
      at++;
    }
    return end;
  }

  private keep(byte: u32): void {
    store<u8>(this.line + this.lineBytes++, <u8>byte);
  }

  /** Of several dispositions, and of several names in one, the last one counts. */
  private readLine(field: TextSink): void {
    const line = this.line;
    if (!isWord(line, this.nameBytes, "content-disposition")) return;
    this.hasName = false;
    this.isFile = false;
    field.reset();
    const params = this.params;
    params.begin(line + this.nameBytes + 1, this.lineBytes - this.nameBytes - 1);
    while (params.next()) {
      if (params.keyIs("filename")) this.isFile = true;
      if (!params.keyIs("name")) continue;
      this.hasName = true;
      if (params.isExtended) continue;
      field.reset();
      field.addRun(params.valuePtr, params.valueBytes);
    }
  }

  private refuse(at: usize, reason: i32): usize {
    this.reason = reason;
    return at;
  }
}

/** A character of a header's name (RFC 9110, 5.6.2). */
function isTokenByte(byte: u32): bool {
  if (isLetter(byte) || isDigit(byte)) return true;
  switch (byte) {
    case 0x21: // ! # $ % & ' * + - . ^ _ ` | ~
    case 0x23:
    case 0x24:
    case 0x25:
    case 0x26:
    case 0x27:
    case 0x2a:
    case 0x2b:
    case 0x2d:
    case 0x2e:
    case 0x5e:
    case 0x5f:
    case 0x60:
    case 0x7c:
    case 0x7e:
      return true;
  }
  return false;
}
