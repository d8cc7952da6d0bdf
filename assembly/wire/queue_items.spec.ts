import { addressOf } from "./bytes";
import {
  EXCHANGE_BYTES,
  ITEM_LEARNED,
  ITEM_RELAYED,
  ITEM_WAKE,
  MAX_ITEM_BYTES,
  itemKind,
  prefixesBytes,
  rowsBytes,
  writeExchange,
} from "./queue_items";

const bytes = new StaticArray<u8>(MAX_ITEM_BYTES + 1);
const ptr = addressOf<u8>(bytes);

describe("an item of a queue", () => {
  test("says how much of it is rows and how much prefixes", () => {
    writeExchange(ptr, ITEM_LEARNED, 64, 24);
    expect(itemKind(ptr, EXCHANGE_BYTES + 88)).toBe(ITEM_LEARNED);
    expect(rowsBytes(ptr)).toBe(64);
    expect(prefixesBytes(ptr)).toBe(24);
    writeExchange(ptr, ITEM_RELAYED, 0, 24);
    expect(itemKind(ptr, EXCHANGE_BYTES + 24)).toBe(ITEM_RELAYED);
  });

  test("wakes with its first byte alone", () => {
    bytes[0] = ITEM_WAKE;
    expect(itemKind(ptr, 1)).toBe(ITEM_WAKE);
  });

  test("is none when empty, of another kind, cut, longer than it says, or longer than any", () => {
    expect(itemKind(ptr, 0)).toBe(0);
    bytes[0] = 77;
    expect(itemKind(ptr, 1)).toBe(0);
    writeExchange(ptr, ITEM_LEARNED, 64, 24);
    for (let length = 1; length < 200; length++) {
      if (length != EXCHANGE_BYTES + 88) expect(itemKind(ptr, length)).toBe(0);
    }
    writeExchange(ptr, ITEM_LEARNED, MAX_ITEM_BYTES + 1 - EXCHANGE_BYTES, 0);
    expect(itemKind(ptr, MAX_ITEM_BYTES + 1)).toBe(0);
  });

  test("cannot name more than there is by a sum that wraps", () => {
    writeExchange(ptr, ITEM_LEARNED, u32.MAX_VALUE, 9);
    expect(itemKind(ptr, EXCHANGE_BYTES + 8)).toBe(0);
    writeExchange(ptr, ITEM_LEARNED, 0x80000000, 0x80000008);
    expect(itemKind(ptr, EXCHANGE_BYTES + 8)).toBe(0);
  });
});
