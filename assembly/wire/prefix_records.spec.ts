import { addressOf, putU32, putU64 } from "./bytes";
import {
  countPrefixRecords,
  oldestPrefixRecords,
  prefixRecordBytes,
  wholePrefixRecords,
} from "./prefix_records";
import { MAX_PREFIX_KEYS, PREFIX_ENDPOINT, PREFIX_KEYS } from "./prefixes";

const bytes = new StaticArray<u8>(64 + 8 * MAX_PREFIX_KEYS);
const ptr = addressOf<u8>(bytes);

/** Writes a record's head; returns the bytes of the whole. */
function record(at: i32, keys: u32): i32 {
  putU64(ptr + at + PREFIX_ENDPOINT, 7);
  putU32(ptr + at + PREFIX_KEYS, keys);
  return 16 + <i32>keys * 8;
}

describe("records of prompts", () => {
  test("are as long as their keys say", () => {
    expect(prefixRecordBytes(ptr, record(0, 3))).toBe(40);
    expect(prefixRecordBytes(ptr, record(0, MAX_PREFIX_KEYS))).toBe(16 + 8 * MAX_PREFIX_KEYS);
  });

  test("are none without keys, with too many, or cut", () => {
    record(0, 0);
    expect(prefixRecordBytes(ptr, bytes.length)).toBe(0);
    record(0, MAX_PREFIX_KEYS + 1);
    expect(prefixRecordBytes(ptr, bytes.length)).toBe(0);
    record(0, u32.MAX_VALUE);
    expect(prefixRecordBytes(ptr, bytes.length)).toBe(0);
    const length = record(0, 2);
    for (let cut = 0; cut < length; cut++) expect(prefixRecordBytes(ptr, cut)).toBe(0);
  });

  test("are counted up to the first that is not whole", () => {
    const first = record(0, 2);
    const second = first + record(first, 1);
    expect(countPrefixRecords(ptr, second)).toBe(2);
    expect(wholePrefixRecords(ptr, second)).toBe(second);
    expect(countPrefixRecords(ptr, second - 1)).toBe(1);
    expect(wholePrefixRecords(ptr, second - 1)).toBe(first);
    expect(countPrefixRecords(ptr, 0)).toBe(0);
  });

  test("make room as whole ones, the oldest first", () => {
    const first = record(0, 2);
    const second = first + record(first, 1);
    expect(oldestPrefixRecords(ptr, second, 0)).toBe(0);
    expect(oldestPrefixRecords(ptr, second, 1)).toBe(first);
    expect(oldestPrefixRecords(ptr, second, first)).toBe(first);
    expect(oldestPrefixRecords(ptr, second, first + 1)).toBe(second);
    expect(oldestPrefixRecords(ptr, second, second + 1)).toBe(second);
  });
});
