import { endsInEscape, findClosingQuote, findQuoteOrBracket } from "./find";
import { OPEN_BRACE, OPEN_BRACKET, QUOTE } from "./json_bytes";
import { MAX_DEPTH, REASON_BRACKET_MISMATCH, REASON_NONE, REASON_TOO_DEEP } from "./scan_codes";

// Where the skipper is between two bytes.
const BETWEEN: i32 = 0;
const IN_STRING: i32 = 1;
/** Behind a backslash; only the next byte matters, since `\u` has no quote in it. */
const IN_ESCAPE: i32 = 2;

/**
 * Goes over one value that nobody reads, an object, an array or a string, in pieces cut anywhere.
 * Checked: that brackets match, and how deep they are.
 */
export class NestedSkipper {
  /** The value has ended. */
  done: bool = false;
  /** Why the byte that `skip` returned cannot be; REASON_NONE if it can. */
  reason: i32 = REASON_NONE;

  private state: i32 = BETWEEN;
  /** Open brackets, the top-level object's included. */
  private depth: i32 = 1;
  private brackets: StaticArray<u8> = new StaticArray<u8>(MAX_DEPTH);

  /** Before the value's first bracket, or behind the quote that opens it. */
  begin(isString: bool): void {
    this.state = isString ? IN_STRING : BETWEEN;
    this.depth = 1;
    this.done = false;
    this.reason = REASON_NONE;
  }

  /** Returns the byte behind the value (`done`), or the byte that cannot be (`reason`), or `end`. */
  skip(at: usize, end: usize): usize {
    if (this.state != BETWEEN) {
      at = this.skipString(this.state == IN_ESCAPE ? at + 1 : at, end);
      if (this.state != BETWEEN) return end;
      if (this.depth == 1) {
        this.done = true;
        return at;
      }
    }
    const brackets = this.brackets;
    let depth = this.depth;
    while (at < end) {
      at = findQuoteOrBracket(at, end);
      if (at == end) break;
      const byte = load<u8>(at);
      if (byte == QUOTE) {
        at = this.skipString(at + 1, end);
        if (this.state != BETWEEN) break;
      } else if (byte == OPEN_BRACE || byte == OPEN_BRACKET) {
        if (depth == MAX_DEPTH) {
          this.reason = REASON_TOO_DEEP;
          return at;
        }
        unchecked((brackets[depth++] = byte));
        at++;
      } else {
        // The closing bracket of a kind is two above the opening one.
        if (unchecked(brackets[--depth]) + 2 != byte) {
          this.reason = REASON_BRACKET_MISMATCH;
          return at;
        }
        at++;
        if (depth == 1) {
          this.done = true;
          return at;
        }
      }
    }
    this.depth = depth;
    return at;
  }

  /** Skips the rest of a string; BETWEEN and the byte behind its quote, or the state at `end` and `end`. */
  @inline private skipString(at: usize, end: usize): usize {
    const quote = findClosingQuote(at, end);
    if (quote != end) {
      this.state = BETWEEN;
      return quote + 1;
    }
    this.state = endsInEscape(at, end) ? IN_ESCAPE : IN_STRING;
    return end;
  }
}
