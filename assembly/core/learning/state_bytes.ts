import { f32At, f64At, putF32, putF64, putU64, u64At } from "../../wire/bytes";

/**
 * What was learned, written to bytes and read again one number after the other, by one build of the core for another of the same
 * format: each holder of numbers has `write` and `read`. Beyond the end nothing is written, 0 is read, and `failed` says so.
 */
export class StateBytes {
  failed: bool = false;
  private at: usize = 0;
  private end: usize = 0;
  private start: usize = 0;

  /** From here on `bytes` bytes at `ptr` are written or read. */
  open(ptr: usize, bytes: i32): void {
    this.failed = false;
    this.start = ptr;
    this.at = ptr;
    this.end = ptr + <usize>max<i32>(bytes, 0);
  }

  /** Bytes written or read. */
  get used(): i32 {
    return <i32>(this.at - this.start);
  }

  /** Goes back, or on, to where `used` was `used`. */
  seek(used: i32): void {
    this.at = this.start + <usize>used;
    this.failed = false;
  }

  putId(value: u64): void {
    if (this.has(8)) putU64(this.at - 8, value);
  }

  putNumber(value: f64): void {
    if (this.has(8)) putF64(this.at - 8, value);
  }

  putShort(value: f32): void {
    if (this.has(4)) putF32(this.at - 4, value);
  }

  id(): u64 {
    return this.has(8) ? u64At(this.at - 8) : 0;
  }

  /** A number from `low` to `high`; anything else fails and reads as `low`. */
  number(low: f64, high: f64): f64 {
    return this.bounded(this.has(8) ? f64At(this.at - 8) : low, low, high);
  }

  short(low: f64, high: f64): f32 {
    return <f32>this.bounded(this.has(4) ? <f64>f32At(this.at - 4) : low, low, high);
  }

  private bounded(value: f64, low: f64, high: f64): f64 {
    if (value >= low && value <= high) return value;
    this.failed = true;
    return low;
  }

  private has(bytes: usize): bool {
    if (this.failed || this.at + bytes > this.end) {
      this.failed = true;
      return false;
    }
    this.at += bytes;
    return true;
  }
}
