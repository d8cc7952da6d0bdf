/** Access to a guest's memory that checks every pointer. `complain` must throw. */
export class GuestMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #complain: (reason: string) => never;

  constructor(memory: WebAssembly.Memory, complain: (reason: string) => never) {
    this.#memory = memory;
    this.#complain = complain;
  }

  get bytes(): number {
    return this.#memory.buffer.byteLength;
  }

  /** A copy of `[pointer, pointer + length)`. A null pointer is fine for no bytes only. */
  read(pointer: number, length: number, what: string): Uint8Array {
    const at = pointer >>> 0;
    const size = length >>> 0;
    if (size === 0) return new Uint8Array(0);
    this.#check(at, size, what);
    return new Uint8Array(this.#memory.buffer, at, size).slice();
  }

  /** UTF-8; bytes that are not become U+FFFD. */
  readText(pointer: number, length: number, what: string): string {
    return Buffer.from(this.read(pointer, length, what)).toString("utf8");
  }

  /** One character a byte. */
  readByteString(pointer: number, length: number, what: string): string {
    return Buffer.from(this.read(pointer, length, what)).toString("latin1");
  }

  write(pointer: number, bytes: Uint8Array, what: string): void {
    const at = pointer >>> 0;
    this.#check(at, bytes.length, what);
    new Uint8Array(this.#memory.buffer, at, bytes.length).set(bytes);
  }

  writeU32(pointer: number, value: number, what: string): void {
    this.#check(pointer >>> 0, 4, what);
    new DataView(this.#memory.buffer).setUint32(pointer >>> 0, value >>> 0, true);
  }

  writeU64(pointer: number, value: bigint, what: string): void {
    this.#check(pointer >>> 0, 8, what);
    new DataView(this.#memory.buffer).setBigUint64(pointer >>> 0, BigInt.asUintN(64, value), true);
  }

  readU32(pointer: number, what: string): number {
    this.#check(pointer >>> 0, 4, what);
    return new DataView(this.#memory.buffer).getUint32(pointer >>> 0, true);
  }

  #check(at: number, size: number, what: string): void {
    if (at === 0) this.#complain(`${what} is a null pointer`);
    if (at + size > this.#memory.buffer.byteLength) {
      this.#complain(
        `${what} [${at}, ${at + size}) is outside of memory (${this.#memory.buffer.byteLength})`,
      );
    }
  }
}
