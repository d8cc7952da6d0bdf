import { addressOf, putU8 } from "../../wire/bytes";
import { xxh64 } from "./xxh64";

const text = new StaticArray<u8>(64);

function hashOf(ascii: string, seed: u64 = 0): u64 {
  for (let at = 0; at < ascii.length; at++) putU8(addressOf<u8>(text) + at, <u32>ascii.charCodeAt(at));
  return xxh64(addressOf<u8>(text), ascii.length, seed);
}

describe("xxh64", () => {
  test("agrees with the reference for texts shorter and longer than its four lanes", () => {
    expect(hashOf("")).toBe(0xef46db3751d8e999);
    expect(hashOf("a")).toBe(0xd24ec4f1a98c6e5b);
    expect(hashOf("abc")).toBe(0x44bc2cf5ad770999);
    expect(hashOf("Nobody inspects the spammish repetition")).toBe(0xfbcea83c8a378bf1);
  });

  test("another seed is another hash", () => {
    expect(hashOf("abc", 1)).not.toBe(hashOf("abc"));
  });
});
