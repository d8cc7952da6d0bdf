import { addressOf, u64At } from "../../wire/bytes";
import { BlockHasher, PREFIX_BLOCK_BYTES } from "./block_hasher";
import { xxh64 } from "./xxh64";

const text = new StaticArray<u8>(PREFIX_BLOCK_BYTES * 4);
for (let at = 0; at < text.length; at++) text[at] = <u8>(at * 7 + (at >> 8));
const ptr = addressOf<u8>(text);

describe("BlockHasher", () => {
  test("each block is hashed on top of the one before, and an open one not at all", () => {
    const hasher = new BlockHasher(8);
    hasher.feed(ptr, PREFIX_BLOCK_BYTES * 3 - 1);
    const first = xxh64(ptr, PREFIX_BLOCK_BYTES, 0);
    expect(hasher.kept).toBe(2);
    expect(u64At(hasher.hashes)).toBe(first);
    expect(u64At(hasher.hashes + 8)).toBe(xxh64(ptr + PREFIX_BLOCK_BYTES, PREFIX_BLOCK_BYTES, first));
  });

  test("the cut of the pieces is not seen", () => {
    const whole = new BlockHasher(8);
    whole.feed(ptr, text.length - 5);
    const cut = new BlockHasher(8);
    for (let at = 0; at < text.length - 5; at += 3) cut.feed(ptr + at, min<i32>(3, text.length - 5 - at));
    expect(cut.kept).toBe(3);
    for (let block = 0; block < 3; block++)
      expect(u64At(cut.hashes + block * 8)).toBe(u64At(whole.hashes + block * 8));
    expect(cut.digest()).toBe(whole.digest());
  });

  test("blocks beyond those kept are counted, and the digest tells their number", () => {
    const hasher = new BlockHasher(2);
    hasher.feed(ptr, text.length);
    const digest = hasher.digest();
    expect(hasher.kept).toBe(2);
    expect(hasher.blocks()).toBe(4);
    hasher.feed(ptr, 1);
    expect(hasher.digest()).not.toBe(digest);
    hasher.reset();
    expect(hasher.blocks()).toBe(0);
    expect(hasher.kept).toBe(0);
  });
});
