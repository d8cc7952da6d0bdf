const LEAST_CAPACITY_BYTES: i32 = 1024;

/** Bytes that are appended. The block only grows: room once needed is needed again. */
export class GrowingBytes {
  bytes: i32 = 0;
  private block: StaticArray<u8> = new StaticArray<u8>(0);

  /** Address of the first byte; moves when the block grows. */
  get ptr(): usize {
    return changetype<usize>(this.block);
  }

  get end(): usize {
    return changetype<usize>(this.block) + <usize>this.bytes;
  }

  clear(): void {
    this.bytes = 0;
  }

  /** Appends the bytes [at, end), which must not be of this block. */
  append(at: usize, end: usize): void {
    const bytes = <i32>(end - at);
    this.reserve(this.bytes + bytes);
    memory.copy(this.end, at, end - at);
    this.bytes += bytes;
  }

  appendByte(byte: u32): void {
    this.reserve(this.bytes + 1);
    store<u8>(this.end, <u8>byte);
    this.bytes++;
  }

  private reserve(bytes: i32): void {
    if (bytes <= this.block.length) return;
    let capacity = max(this.block.length, LEAST_CAPACITY_BYTES);
    while (capacity < bytes) capacity <<= 1;
    const block = new StaticArray<u8>(capacity);
    memory.copy(changetype<usize>(block), this.ptr, <usize>this.bytes);
    this.block = block;
  }
}
