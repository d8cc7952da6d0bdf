const LEAST_CAPACITY_BYTES: i32 = 1024;

/** Bytes that are appended. The block only grows: room once needed is needed again. */
@unmanaged
export class GrowingBytes {
  bytes: i32 = 0;
  /** Address of the first byte; moves when the block grows. */
  ptr: usize = 0;
  private capacityBytes: i32 = 0;

  get end(): usize {
    return this.ptr + <usize>this.bytes;
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
    if (bytes <= this.capacityBytes) return;
    let capacity = max(this.capacityBytes, LEAST_CAPACITY_BYTES);
    while (capacity < bytes) capacity <<= 1;
    this.ptr = this.ptr == 0 ? heap.alloc(<usize>capacity) : heap.realloc(this.ptr, <usize>capacity);
    this.capacityBytes = capacity;
  }
}
