import { HeldBytes } from "./held_bytes";

describe("held bytes", () => {
  test("room for a long window serves shorter ones, too: nothing is allocated between answers", () => {
    const held = new HeldBytes();
    held.reset(1000);
    const block = held.ptr;
    held.reset(10);
    // Takes the place behind a block that has been made smaller.
    const other = heap.alloc(1000);
    held.reset(1000);
    expect(held.ptr).toBe(block);
    expect(held.fill(other, other + 1000)).toBe(1000);
    heap.free(other);
  });

  test("from every byte that is kept a whole window can be seen", () => {
    const held = new HeldBytes();
    const bytes = heap.alloc(1000);
    for (let windowBytes: usize = 1; windowBytes < 300; windowBytes += 13) {
      held.reset(windowBytes);
      held.keep(bytes, bytes + windowBytes - 1);
      expect(held.fill(bytes, bytes + windowBytes)).toBe(windowBytes);
    }
    heap.free(bytes);
  });
});
