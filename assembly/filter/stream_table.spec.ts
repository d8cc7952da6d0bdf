import { StreamState } from "./stream_state";
import { StreamTable } from "./stream_table";

describe("the table of streams", () => {
  it("leaves a state alone that is not in it, or no more", () => {
    const table = new StreamTable();
    const kept = table.add(1);
    const gone = table.add(2);
    table.remove(gone);
    table.remove(gone);
    table.remove(new StreamState());
    expect<bool>(table.find(1) === kept).toBe(true);
    expect<bool>(table.find(2) == null).toBe(true);
    const third = table.add(3);
    const fourth = table.add(4);
    expect<bool>(third === fourth).toBe(false, "nothing is given out twice");
  });
});
