import {
  STATE_NUMBER_DIGITS,
  STATE_NUMBER_E,
  STATE_NUMBER_E_SIGN,
  STATE_NUMBER_EXPONENT,
  STATE_NUMBER_FRACTION,
  STATE_NUMBER_MINUS,
  STATE_NUMBER_POINT,
  STATE_NUMBER_ZERO,
} from "./scan_states";
import { isDigit, MINUS, PLUS, POINT, ZERO } from "./json_bytes";

/** Goes over one number (RFC 8259, 6), in pieces cut anywhere, and keeps its value if it is a whole one. */
@unmanaged
export class NumberScanner {
  /** STATE_NUMBER_* */
  state: i32 = STATE_NUMBER_ZERO;
  isNegative: bool = false;
  /** Neither fraction nor exponent: `magnitude` is its value without the sign. */
  isWhole: bool = false;
  /** At most 2^32 - 1, whatever is written; not told where it is not wanted. */
  magnitude: u64 = 0;
  /** Digits are counted up. */
  private isRead: bool = false;

  /** With the number's first byte, a digit or a minus; `isRead`: its value is wanted. */
  begin(byte: u32, isRead: bool): void {
    this.isRead = isRead;
    this.isNegative = byte == MINUS;
    this.isWhole = true;
    this.magnitude = 0;
    if (byte == MINUS) this.state = STATE_NUMBER_MINUS;
    else if (byte == ZERO) this.state = STATE_NUMBER_ZERO;
    else {
      this.state = STATE_NUMBER_DIGITS;
      this.magnitude = byte - ZERO;
    }
  }

  /** A number may end where it has come to. */
  get isComplete(): bool {
    const state = this.state;
    return (
      state == STATE_NUMBER_DIGITS ||
      state == STATE_NUMBER_ZERO ||
      state == STATE_NUMBER_FRACTION ||
      state == STATE_NUMBER_EXPONENT
    );
  }

  /** A whole number that is not below 0. */
  get isCount(): bool {
    return this.isWhole && !this.isNegative;
  }

  /** The value of a whole number, at the bound nearest to it if it is beyond. */
  get integer(): i32 {
    return this.isNegative
      ? <i32>-min<i64>(<i64>this.magnitude, 0x80000000)
      : <i32>min<u64>(this.magnitude, 0x7fffffff);
  }

  /** First byte that does not continue the number, or `end`. */
  scan(at: usize, end: usize): usize {
    while (at < end) {
      const byte: u32 = load<u8>(at);
      if (isDigit(byte)) {
        if (this.state == STATE_NUMBER_DIGITS)
          at = this.isRead ? this.readDigits(at, end) : skipDigits(at, end);
        else if (this.state == STATE_NUMBER_FRACTION || this.state == STATE_NUMBER_EXPONENT) at++;
        else if (this.takeFirstDigit(byte)) at++;
        else break;
      } else if (this.takeSign(byte)) at++;
      else break;
    }
    return at;
  }

  private readDigits(at: usize, end: usize): usize {
    let magnitude = this.magnitude;
    while (at < end) {
      const byte: u32 = load<u8>(at);
      if (!isDigit(byte)) break;
      magnitude = min<u64>(magnitude * 10 + (byte - ZERO), u32.MAX_VALUE);
      at++;
    }
    this.magnitude = magnitude;
    return at;
  }

  /** A digit where none was before: behind the sign, the point, the exponent's letter. False behind a leading 0. */
  private takeFirstDigit(byte: u32): bool {
    switch (this.state) {
      case STATE_NUMBER_MINUS:
        this.state = byte == ZERO ? STATE_NUMBER_ZERO : STATE_NUMBER_DIGITS;
        this.magnitude = byte - ZERO;
        return true;
      case STATE_NUMBER_POINT:
        this.state = STATE_NUMBER_FRACTION;
        return true;
      case STATE_NUMBER_E:
      case STATE_NUMBER_E_SIGN:
        this.state = STATE_NUMBER_EXPONENT;
        return true;
    }
    return false;
  }

  private takeSign(byte: u32): bool {
    const state = this.state;
    const behindDigits = state == STATE_NUMBER_DIGITS || state == STATE_NUMBER_ZERO;
    if (byte == POINT && behindDigits) {
      this.state = STATE_NUMBER_POINT;
    } else if ((byte | 0x20) == 0x65 && (behindDigits || state == STATE_NUMBER_FRACTION)) {
      this.state = STATE_NUMBER_E;
    } else if ((byte == PLUS || byte == MINUS) && state == STATE_NUMBER_E) {
      this.state = STATE_NUMBER_E_SIGN;
      return true;
    } else return false;
    this.isWhole = false;
    return true;
  }
}

/** First byte that is no digit, or `end`. */
export function skipDigits(at: usize, end: usize): usize {
  while (at < end && isDigit(load<u8>(at))) at++;
  return at;
}
