import { addressOf } from "../../wire/bytes";
import { PrefixIndex } from "./prefix_index";

const chain = new StaticArray<u64>(40);
for (let block = 0; block < chain.length; block++) chain[block] = <u64>(block + 1) * 0x9e3779b97f4a7c15;
const hashes = addressOf<u64>(chain);

describe("PrefixIndex", () => {
  test("says for each endpoint how much of a prompt it was sent", () => {
    const index = new PrefixIndex(1000, 130, 100);
    index.record(0, hashes, 40, 7);
    index.record(64, hashes, 20, 7);
    index.record(129, hashes, 3, 7);
    expect(index.lookUp(hashes, 30, 7)).toBe(30);
    expect(index.lengthOf(0)).toBe(30);
    expect(index.lengthOf(64)).toBe(20);
    expect(index.lengthOf(129)).toBe(3);
    expect(index.lengthOf(1)).toBe(0);
    expect(index.lookUp(hashes, 30, 8)).toBe(0);
    expect(index.lengthOf(0)).toBe(0);
    expect(index.lookUp(hashes, 0, 7)).toBe(0);
  });

  test("a prompt longer than the endpoint has room for keeps its beginning", () => {
    const index = new PrefixIndex(1000, 1, 100);
    index.setCapacity(0, 10);
    index.record(0, hashes, 40, 7);
    expect(index.lookUp(hashes, 40, 7)).toBe(10);
    index.setCapacity(0, 0);
    index.record(0, hashes, 40, 7);
    expect(index.lookUp(hashes, 40, 7)).toBe(0);
  });

  test("forgets an endpoint that restarted, and the rest of a prompt that was not there", () => {
    const index = new PrefixIndex(1000, 2, 100);
    index.record(0, hashes, 40, 7);
    index.record(1, hashes, 40, 7);
    index.truncate(0, hashes, 12, 40, 7);
    index.lookUp(hashes, 40, 7);
    expect(index.lengthOf(0)).toBe(12);
    expect(index.lengthOf(1)).toBe(40);
    index.forget(1);
    index.lookUp(hashes, 40, 7);
    expect(index.lengthOf(1)).toBe(0);
    expect(index.blocks()).toBe(12);
  });

  test("an account beyond its endpoints is never believed to have anything", () => {
    const index = new PrefixIndex(1000, 2, 100);
    for (let account = -1; account <= 64; account += 13) {
      index.record(account, hashes, 40, 7);
      index.truncate(account, hashes, 0, 40, 7);
      index.forget(account);
      index.setCapacity(account, 1);
      expect(index.lookUp(hashes, 40, 7)).toBe(0);
      expect(index.lengthOf(account)).toBe(0);
    }
  });
});
