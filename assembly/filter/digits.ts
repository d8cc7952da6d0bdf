import { addressOf } from "../wire/bytes";

/** Decimal digits of a number, without an allocation. */
export class Digits {
  private readonly text: StaticArray<u8> = new StaticArray<u8>(20);
  /** Address of the digits written last. */
  ptr: usize = 0;

  /** Returns how many digits there are. */
  write(value: u64): i32 {
    let at = this.text.length;
    do {
      this.text[--at] = <u8>(0x30 + (value % 10));
      value /= 10;
    } while (value != 0);
    this.ptr = addressOf(this.text) + at;
    return this.text.length - at;
  }
}
