import { BlockTable } from "./block_table";

describe("BlockTable", () => {
  test("a block is there as long as one of its holders is, whatever their numbers", () => {
    const table = new BlockTable(100, 256);
    const slot = table.claim(77);
    table.add(slot, 0);
    table.add(slot, 63);
    table.add(slot, 255);
    expect(table.find(77)).toBe(slot);
    expect(table.claim(77)).toBe(slot);
    expect(table.isHeld(slot, 255)).toBe(true);
    expect(table.isHeld(slot, 191)).toBe(false);
    table.remove(slot, 0);
    table.remove(slot, 255);
    expect(table.find(77)).toBe(slot);
    table.remove(slot, 63);
    expect(table.find(77)).toBe(-1);
    expect(table.count).toBe(0);
  });

  test("in a full bucket the first block goes that was not used since the hand was there", () => {
    // One bucket: room for five blocks, and eight slots.
    const table = new BlockTable(5, 1);
    expect(table.slots).toBe(8);
    for (let key: u64 = 1; key <= 8; key++) table.add(table.claim(key), 0);
    table.touch(table.find(1));
    table.touch(table.find(2));
    table.add(table.claim(9), 0);
    expect(table.count).toBe(8);
    expect(table.find(3)).toBe(-1);
    expect(table.find(1)).not.toBe(-1);
    table.touch(table.find(4));
    table.add(table.claim(10), 0);
    expect(table.find(5)).toBe(-1);
  });

  test("with every block used, one goes, and the new block has only its own holders", () => {
    const table = new BlockTable(5, 70);
    for (let key: u64 = 1; key <= 8; key++) {
      const slot = table.claim(key);
      table.add(slot, 69);
      table.touch(slot);
    }
    const slot = table.claim(9);
    expect(table.isHeld(slot, 69)).toBe(false);
    expect(table.find(1)).toBe(-1);
    expect(table.find(2)).not.toBe(-1);
  });
});
