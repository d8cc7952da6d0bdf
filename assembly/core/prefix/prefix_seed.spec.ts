import { addressOf } from "../../wire/bytes";
import { prefixKey, prefixSeed } from "./prefix_seed";

const text = new StaticArray<u8>(8).fill(0x61);
const ptr = addressOf<u8>(text);

describe("prefixSeed", () => {
  test("where one name ends and the next begins makes a difference, and so does the secret", () => {
    const seed = prefixSeed(1, ptr, 2, ptr, 1, false, 0, 0);
    expect(prefixSeed(1, ptr, 1, ptr, 2, false, 0, 0)).not.toBe(seed);
    expect(prefixSeed(1, ptr, 3, ptr, 0, false, 0, 0)).not.toBe(seed);
    expect(prefixSeed(2, ptr, 2, ptr, 1, false, 0, 0)).not.toBe(seed);
    expect(prefixSeed(1, ptr, 2, ptr, 1, false, 0, 0)).toBe(seed);
  });

  test("a salt is neither an adapter nor, when empty, no salt", () => {
    const none = prefixSeed(1, ptr, 2, ptr, 1, false, 0, 0);
    expect(prefixSeed(1, ptr, 2, ptr, 1, true, ptr, 0)).not.toBe(none);
    expect(prefixSeed(1, ptr, 2, 0, 0, true, ptr, 1)).not.toBe(none);
    expect(prefixSeed(1, ptr, 2, ptr, 1, true, ptr, 2)).not.toBe(prefixSeed(1, ptr, 2, ptr, 1, true, ptr, 1));
  });
});

describe("prefixKey", () => {
  test("is never 0, which marks an empty slot", () => {
    expect(prefixKey(0, 0)).toBe(1);
  });

  test("seeds that differ as hashes do bring no keys together", () => {
    expect(prefixKey(5 ^ 9, 9)).not.toBe(prefixKey(5 ^ 12, 12));
  });
});
