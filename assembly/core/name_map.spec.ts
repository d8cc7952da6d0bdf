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
});
