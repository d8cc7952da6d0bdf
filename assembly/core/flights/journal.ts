import { addressOf, putU32, putU64, u64At } from "../../wire/bytes";
import { PREFIX_KEYS, PREFIX_KEY_BYTES, PREFIX_RECORD_BYTES } from "../../wire/prefixes";
import { OBSERVATION_BYTES, Observation } from "../learning/observation";
import { prefixKey } from "../prefix/prefix_seed";

/** Observations kept until they are taken. */
const ROWS: i32 = 256;
/** Of the prompts kept until they are taken: 31 of 64 KB. */
const PREFIX_BYTES: i32 = 32768;

/**
 * What this root has found out and the others have not been told: what requests showed, and where prompts went. Bounded; the newest
 * observations push out the oldest, and a prompt that finds no room is not told.
 */
export class Journal {
  private readonly rows: StaticArray<u8> = new StaticArray<u8>(ROWS * OBSERVATION_BYTES);
  private firstRow: i32 = 0;
  private rowCount: i32 = 0;
  private readonly prefixes: StaticArray<u8> = new StaticArray<u8>(PREFIX_BYTES);
  private prefixBytes: i32 = 0;

  observed(seen: Observation): void {
    const place = (this.firstRow + this.rowCount) % ROWS;
    seen.write(addressOf<u8>(this.rows) + <usize>(place * OBSERVATION_BYTES));
    if (this.rowCount < ROWS) this.rowCount++;
    else this.firstRow = place + 1 == ROWS ? 0 : place + 1;
  }

  /** The endpoint of this id will hold the prompt: `count` hashes, and their seed. */
  noted(endpoint: u64, hashes: usize, count: i32, seed: u64): void {
    const bytes = <i32>(PREFIX_RECORD_BYTES + <u32>count * PREFIX_KEY_BYTES);
    if (count <= 0 || this.prefixBytes + bytes > PREFIX_BYTES) return;
    const record = addressOf<u8>(this.prefixes) + <usize>this.prefixBytes;
    putU64(record, endpoint);
    putU32(record + PREFIX_KEYS, <u32>count);
    putU32(record + PREFIX_KEYS + 4, 0);
    for (let block: usize = 0; block < <usize>count; block++) {
      putU64(record + PREFIX_RECORD_BYTES + block * 8, prefixKey(u64At(hashes + block * 8), seed));
    }
    this.prefixBytes += bytes;
  }

  /** Moves the observations to `ptr`, the newest that `capacity` bytes hold; how many bytes. */
  takeRows(ptr: usize, capacity: i32): i32 {
    const count = min<i32>(this.rowCount, capacity / OBSERVATION_BYTES);
    const first = this.firstRow + this.rowCount - count;
    for (let row = 0; row < count; row++) {
      memory.copy(
        ptr + <usize>(row * OBSERVATION_BYTES),
        addressOf<u8>(this.rows) + <usize>(((first + row) % ROWS) * OBSERVATION_BYTES),
        OBSERVATION_BYTES,
      );
    }
    this.rowCount = 0;
    return count * OBSERVATION_BYTES;
  }

  /** Moves the prompts to `ptr` if `capacity` bytes hold them all, else none; how many bytes. In the form of wire/prefixes.ts. */
  takePrefixes(ptr: usize, capacity: i32): i32 {
    const bytes = this.prefixBytes <= capacity ? this.prefixBytes : 0;
    memory.copy(ptr, addressOf<u8>(this.prefixes), bytes);
    this.prefixBytes = 0;
    return bytes;
  }
}
