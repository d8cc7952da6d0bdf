import { BlockTable } from "./block_table";
import { EndpointClocks } from "./endpoint_clocks";

/** The account comes to hold the block of this key; its slot. */
function hold(key: u64, account: i32, table: BlockTable, clocks: EndpointClocks): i32 {
  const slot = table.claim(key);
  clocks.admit(slot, account, table);
  table.add(slot, account);
  return slot;
}

describe("EndpointClocks", () => {
  test("the block that came first goes first, unless it was used since", () => {
    const table = new BlockTable(64, 2);
    const clocks = new EndpointClocks(2, 3);
    const first = hold(1 << 40, 1, table, clocks);
    const second = hold(2 << 40, 1, table, clocks);
    hold(3 << 40, 1, table, clocks);
    clocks.touch(first, 1);
    hold(4 << 40, 1, table, clocks);
    expect(table.isHeld(first, 1)).toBe(true);
    expect(table.isHeld(second, 1)).toBe(false);
    expect(table.count).toBe(3);
  });

  test("one endpoint's room is none of another's", () => {
    const table = new BlockTable(64, 2);
    const clocks = new EndpointClocks(2, 1);
    const slot = hold(1 << 40, 0, table, clocks);
    hold(1 << 40, 1, table, clocks);
    hold(2 << 40, 1, table, clocks);
    expect(table.isHeld(slot, 0)).toBe(true);
    expect(table.isHeld(slot, 1)).toBe(false);
  });

  test("a lower limit keeps what came last, and a higher one makes room again", () => {
    const table = new BlockTable(64, 1);
    const clocks = new EndpointClocks(1, 4);
    const slots = new StaticArray<i32>(6);
    // The hand stands in the middle of the ring: blocks 4 and 5 took the places of 0 and 1.
    for (let block = 0; block < 6; block++) slots[block] = hold((<u64>(block + 1)) << 40, 0, table, clocks);
    clocks.setLimit(0, 2, table);
    expect(table.count).toBe(2);
    expect(table.isHeld(slots[4], 0)).toBe(true);
    expect(table.isHeld(slots[5], 0)).toBe(true);
    clocks.setLimit(0, 9, table);
    expect(clocks.limit(0)).toBe(4);
    hold(7 << 40, 0, table, clocks);
    hold(8 << 40, 0, table, clocks);
    expect(table.count).toBe(4);
  });

  test("all blocks may have been used: one goes all the same", () => {
    const table = new BlockTable(256, 1);
    const clocks = new EndpointClocks(1, 100);
    for (let block = 0; block < 100; block++) {
      clocks.touch(hold(<u64>(block + 1) * 0x9e3779b97f4a7c15, 0, table, clocks), 0);
    }
    hold(1, 0, table, clocks);
    expect(table.count).toBe(100);
  });
});
