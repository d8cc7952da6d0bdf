import { addressOf, putU32 } from "../wire/bytes";
import { nameHash } from "./name_hash";
import { NameMap } from "./name_map";

describe("NameMap", () => {
  test("finds every name by its bytes, refuses a second one of the same, and moves with its heap", () => {
    const text = "alphabetagammaalpha";
    const bytes = Uint8Array.wrap(String.UTF8.encode(text));
    const heap = bytes.dataStart;
    const map = new NameMap();
    map.clear(4);
    expect(map.add(heap, 0, 5, 10)).toBe(true);
    expect(map.add(heap, 5, 4, 11)).toBe(true);
    expect(map.add(heap, 9, 5, 12)).toBe(true);
    expect(map.add(heap, 14, 5, 13)).toBe(false, "alpha is there");
    const moved = Uint8Array.wrap(String.UTF8.encode(text));
    expect(map.find(moved.dataStart, heap, 5)).toBe(10);
    expect(map.find(moved.dataStart, heap + 5, 4)).toBe(11);
    expect(map.find(moved.dataStart, heap + 9, 5)).toBe(12);
    expect(map.find(moved.dataStart, heap, 4)).toBe(-1, "alph");
    expect(map.find(moved.dataStart, heap, 0)).toBe(-1, "the empty name");
  });

  test("is filled in bounded time by names that were chosen to collide", () => {
    const names = 2000;
    const bytes = new StaticArray<u8>(names * 4);
    const heap = addressOf<u8>(bytes);
    const map = new NameMap();
    map.clear(names);
    let found = 0;
    // All would go to the first of 4096 slots; every 4096th number does.
    for (let number: u32 = 0; found < names; number++) {
      putU32(heap + found * 4, number);
      if ((nameHash(heap + found * 4, 4) & 4095) == 0) found++;
    }
    let added = 0;
    while (added < names && map.add(heap, added * 4, 4, added)) added++;
    expect(added).toBeLessThan(names);
    expect(added).toBeGreaterThan(200);
    for (let name = 0; name < added; name++) expect(map.find(heap, heap + name * 4, 4)).toBe(name);
  });
});
