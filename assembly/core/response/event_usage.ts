import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from "../body/json_bytes";
import { EventLines, PART_DATA } from "./event_lines";
import { isJsonSpace, isMatch, matchColon, matchWord, NO_MATCH, wordOf } from "./json_tokens";

/** What to do with an event. */
export const EVENT_KEEP: i32 = 0;
/** The event is there for its `usage` alone. */
export const EVENT_DROP: i32 = 1;
/** The event is there for more: only the bytes [cutFrom, cutTo) go. */
export const EVENT_CUT: i32 = 2;

const LETTER_U: i8 = 0x75;
const USAGE: u64 = wordOf('usage"');
const CHOICES: u64 = wordOf('choices"');

/**
 * Looks for the `usage` of a whole event of a chat or completion stream: an object of the data's own, beside
 * `choices`. Events of other streams, and events that are no such JSON in one `data` line, are kept.
 */
@unmanaged
export class EventUsage {
  /** The member with one comma beside it; set for EVENT_CUT. */
  cutFrom: usize = 0;
  cutTo: usize = 0;

  private lines: EventLines = new EventLines();
  /** Of the data's line. */
  private end: usize = 0;
  private hasChoices: bool = false;
  private choicesAreEmpty: bool = false;
  private hasUsage: bool = false;

  /** EVENT_* for the event [at, end), its lines' names included. */
  examine(at: usize, end: usize): i32 {
    // Nearly no event has the key at all.
    if (!hasUsageKey(at, end)) return EVENT_KEEP;
    this.hasChoices = false;
    this.choicesAreEmpty = false;
    this.hasUsage = false;
    const text = this.findData(at, end);
    if (text == NO_MATCH || !this.readMembers(text)) return EVENT_KEEP;
    if (!this.hasUsage || !this.hasChoices) return EVENT_KEEP;
    return this.choicesAreEmpty ? EVENT_DROP : EVENT_CUT;
  }

  /** The data of the event [at, end), which ends at `this.end`; NO_MATCH if it has none or several lines. */
  private findData(at: usize, end: usize): usize {
    const lines = this.lines;
    let text = NO_MATCH;
    lines.reset();
    while (at < end) {
      at = lines.next(at, end);
      if (lines.part != PART_DATA) continue;
      if (text != NO_MATCH) return NO_MATCH;
      text = lines.from;
      this.end = lines.to;
    }
    return text;
  }

  /** Goes over the members of the object that begins at `text` or behind white space; false if that is not all. */
  private readMembers(text: usize): bool {
    const brace = this.skipSpace(text);
    if (brace == this.end || load<u8>(brace) != OPEN_BRACE) return false;
    let comma: usize = 0;
    let at = this.skipSpace(brace + 1);
    while (at < this.end && load<u8>(at) == QUOTE) {
      const key = at;
      const keyEnd = this.skipString(at);
      const value = matchColon(keyEnd, this.end);
      if (!isMatch(value)) return false;
      const valueEnd = this.skipValue(value);
      if (valueEnd == NO_MATCH) return false;
      at = this.skipSpace(valueEnd);
      if (at >= this.end) return false;
      const first = load<u8>(value);
      const isLast = load<u8>(at) == CLOSE_BRACE;
      if (isMatch(matchWord(key + 1, keyEnd, CHOICES, 8))) {
        this.hasChoices = true;
        this.choicesAreEmpty = first == OPEN_BRACKET && load<u8>(this.skipSpace(value + 1)) == CLOSE_BRACKET;
      } else if (first == OPEN_BRACE && isMatch(matchWord(key + 1, keyEnd, USAGE, 6))) {
        this.hasUsage = true;
        this.cutFrom = comma != 0 ? comma : key;
        this.cutTo = comma != 0 || isLast ? valueEnd : at + 1;
      }
      if (isLast) return this.skipSpace(at + 1) == this.end;
      if (load<u8>(at) != COMMA) return false;
      comma = at;
      at = this.skipSpace(at + 1);
    }
    return false;
  }

  private skipSpace(at: usize): usize {
    while (at < this.end && isJsonSpace(load<u8>(at))) at++;
    return at;
  }

  /** The address behind the string at `at`; the event's end if it has none. */
  private skipString(at: usize): usize {
    at++;
    while (at < this.end) {
      const byte = load<u8>(at++);
      if (byte == QUOTE) return at;
      if (byte == BACKSLASH) at++;
    }
    return this.end;
  }

  /** The address behind the value at `at`; NO_MATCH if it does not end. */
  private skipValue(at: usize): usize {
    let depth = 0;
    while (at < this.end) {
      const byte = load<u8>(at);
      if (byte == QUOTE) {
        at = this.skipString(at);
        if (depth == 0) return at;
        continue;
      }
      if (byte == OPEN_BRACE || byte == OPEN_BRACKET) {
        depth++;
      } else if (byte == CLOSE_BRACE || byte == CLOSE_BRACKET) {
        if (depth == 0) return at;
        if (--depth == 0) return at + 1;
      } else if (depth == 0 && (byte == COMMA || isJsonSpace(byte))) {
        return at;
      }
      at++;
    }
    return NO_MATCH;
  }
}

function hasUsageKey(at: usize, end: usize): bool {
  const quotes = i8x16.splat(<i8>QUOTE);
  const letters = i8x16.splat(LETTER_U);
  while (at + 17 <= end) {
    let mask = i8x16.bitmask(v128.and(i8x16.eq(v128.load(at), quotes), i8x16.eq(v128.load(at, 1), letters)));
    for (; mask != 0; mask &= mask - 1) {
      if (isMatch(matchWord(at + <usize>ctz<i32>(mask) + 1, end, USAGE, 6))) return true;
    }
    at += 16;
  }
  for (; at + 7 <= end; at++) {
    if (load<u8>(at) == QUOTE && isMatch(matchWord(at + 1, end, USAGE, 6))) return true;
  }
  return false;
}
