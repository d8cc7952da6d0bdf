import { addressOf, putU8 } from "../wire/bytes";
import { nameHash } from "./name_hash";

const text = new StaticArray<u8>(64);

describe("name_hash", () => {
  test("tells apart names that differ in any one byte, or in their length", () => {
    const ptr = addressOf<u8>(text);
    const seen = new Set<u64>();
    let names = 0;
    for (let bytes: u32 = 0; bytes <= 40; bytes++, names++) seen.add(nameHash(ptr, bytes));
    for (let bytes: u32 = 1; bytes <= 40; bytes++) {
      for (let at: u32 = 0; at < bytes; at++) {
        for (let value: u32 = 1; value < 256; value++, names++) {
          putU8(ptr + at, value);
          seen.add(nameHash(ptr, bytes));
        }
        putU8(ptr + at, 0);
      }
    }
    expect(seen.size).toBe(names);
  });

  test("reads no byte beyond the name", () => {
    const ptr = addressOf<u8>(text);
    for (let bytes: u32 = 0; bytes <= 20; bytes++) {
      const before = nameHash(ptr, bytes);
      putU8(ptr + bytes, 7);
      expect(nameHash(ptr, bytes)).toBe(before);
      putU8(ptr + bytes, 0);
    }
  });
});
