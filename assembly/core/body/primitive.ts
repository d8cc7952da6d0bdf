import { WORD_FALSE, WORD_NULL, WORD_TRUE } from "./json_bytes";

/** A number or a bare word, taken byte by byte as it arrives: enough of it to know what it means. */
export class Primitive {
  /** Bytes so far; 0 before the first, and for values of other types. */
  bytes: u32 = 0;
  /** It is made of digits only, `number` is its value. */
  isDigits: bool = false;
  /** The digits' value, at most 2^32 - 1. */
  number: u64 = 0;
  /** The first 8 bytes, the first one lowest. */
  private word: u64 = 0;

  reset(): void {
    this.bytes = 0;
    this.isDigits = true;
    this.number = 0;
    this.word = 0;
  }


  @inline add(byte: u32): void {
    if (this.bytes < 8) this.word |= (<u64>byte) << (<u64>this.bytes * 8);
    this.bytes++;
    if (byte >= 0x30 && byte <= 0x39) {
      this.number = min<u64>(this.number * 10 + (byte - 0x30), u32.MAX_VALUE);
    } else {
      this.isDigits = false;
    }
  }

  get isTrue(): bool {
    return this.bytes == 4 && this.word == WORD_TRUE;
  }

  get isNull(): bool {
    return this.bytes == 4 && this.word == WORD_NULL;
  }

  /** One of the three words, or something that begins as a number does. */
  get isValid(): bool {
    const first = <u32>(this.word & 0xff);
    if (first == 0x2d || (first >= 0x30 && first <= 0x39)) return true;
    return this.isTrue || this.isNull || (this.bytes == 5 && this.word == WORD_FALSE);
  }
}
