/**
 * Raw memory, read and written: the way from addresses to values for `core/` outside of `core/body/` and
 * `core/response/`, which scan bodies byte by byte; `wire/`, `abi/` and `filter/` load and store for
 * themselves where they lay out messages and host values. Nothing here checks bounds; a message is checked
 * once, by `checkMessage` and the table's own check, and is a view from then on. Unaligned access is fine in
 * WebAssembly.
 */

@inline export function u8At(ptr: usize): u32 {
  return load<u8>(ptr);
}


@inline export function u16At(ptr: usize): u32 {
  return load<u16>(ptr);
}


@inline export function u32At(ptr: usize): u32 {
  return load<u32>(ptr);
}


@inline export function i32At(ptr: usize): i32 {
  return load<i32>(ptr);
}


@inline export function u64At(ptr: usize): u64 {
  return load<u64>(ptr);
}


@inline export function f32At(ptr: usize): f32 {
  return load<f32>(ptr);
}


@inline export function putU8(ptr: usize, value: u32): void {
  store<u8>(ptr, <u8>value);
}


@inline export function putU32(ptr: usize, value: u32): void {
  store<u32>(ptr, value);
}


@inline export function putU64(ptr: usize, value: u64): void {
  store<u64>(ptr, value);
}


@inline
export function putU16(ptr: usize, value: u32): void {
  store<u16>(ptr, <u16>value);
}


@inline
export function putF32(ptr: usize, value: f32): void {
  store<f32>(ptr, value);
}


@inline
export function f64At(ptr: usize): f64 {
  return load<f64>(ptr);
}


@inline
export function putF64(ptr: usize, value: f64): void {
  store<f64>(ptr, value);
}

/**
 * True if `bytes` bytes at `left` and `right` are the same. Eight at a time wherever they lie:
 * `memory.compare` goes byte by byte unless both lie alike.
 */
export function equalBytes(left: usize, right: usize, bytes: usize): bool {
  const end = left + bytes;
  for (; left + 8 <= end; left += 8, right += 8) {
    if (load<u64>(left) != load<u64>(right)) return false;
  }
  for (; left < end; left++, right++) if (load<u8>(left) != load<u8>(right)) return false;
  return true;
}

/** Address of the first element of a static array, valid while the array is referenced. */
@inline export function addressOf<T>(array: StaticArray<T>): usize {
  return changetype<usize>(array);
}

/** A block of bytes of our own that only grows: memory once needed is needed again. */
export class ByteBuffer {
  private block: StaticArray<u8> = new StaticArray<u8>(0);
  bytes: u32 = 0;

  /** Address of the first byte; moves when the buffer grows. */
  get ptr(): usize {
    return changetype<usize>(this.block);
  }

  /** Appends a copy of `bytes` bytes at `ptr`, which must not lie in this buffer. */
  add(ptr: usize, bytes: i32): void {
    this.reserve(this.bytes + bytes);
    memory.copy(changetype<usize>(this.block) + this.bytes, ptr, bytes);
    this.bytes += bytes;
  }

  addByte(byte: u32): void {
    this.reserve(this.bytes + 1);
    store<u8>(changetype<usize>(this.block) + this.bytes++, <u8>byte);
  }

  /** Replaces the content by a copy of `bytes` bytes at `ptr`, which must not lie in this buffer. */
  assign(ptr: usize, bytes: u32): void {
    this.bytes = 0;
    this.add(ptr, <i32>bytes);
  }

  /** Room for `bytes` bytes in all; what is there stays. */
  private reserve(bytes: u32): void {
    if (<u32>this.block.length >= bytes) return;
    let capacity: u32 = 1024;
    while (capacity < bytes) capacity <<= 1;
    const larger = new StaticArray<u8>(<i32>capacity);
    memory.copy(changetype<usize>(larger), changetype<usize>(this.block), this.bytes);
    this.block = larger;
  }
}
