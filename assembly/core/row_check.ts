import { u32At } from "../wire/bytes";
import { SECTION_STRINGS, TABLE_SECTIONS } from "../wire/layout";
import { sectionCount, sectionPtr } from "../wire/reader";
import { fresh } from "./columns";

/** The references that rows of one message hold: strings in its heap, and runs of rows in its sections. */
export class RowCheck {
  message: usize = 0;
  /** First byte of the strings. */
  heap: usize = 0;

  private heapBytes: u32 = 0;
  /** By row, a section's rows side by side: a run has named it. */
  private taken: StaticArray<bool> = new StaticArray<bool>(0);
  /** By section: where its rows begin in `taken`. */
  private firstRow: StaticArray<i32> = new StaticArray<i32>(<i32>TABLE_SECTIONS);

  /** Starts with a table that `checkMessage` accepted. */
  begin(message: usize): void {
    this.message = message;
    this.heap = sectionPtr(message, SECTION_STRINGS);
    this.heapBytes = <u32>sectionCount(message, SECTION_STRINGS);
    let rows = 0;
    for (let section: u32 = 0; section < TABLE_SECTIONS; section++) {
      this.firstRow[section] = rows;
      if (section != SECTION_STRINGS) rows += sectionCount(message, section);
    }
    this.taken = fresh<bool>(this.taken, rows);
    this.taken.fill(false, 0, rows);
  }

  /** The (offset, bytes) pair at `pair` lies in the string heap and has at most `mostBytes` bytes. */
  holdsString(pair: usize, mostBytes: u32): bool {
    const bytes = u32At(pair + 4);
    return bytes <= mostBytes && <u64>u32At(pair) + bytes <= this.heapBytes;
  }

  /**
   * The run whose (start, count) is at `pair` lies in `section`, and no earlier run has a row of it. Called once
   * a run, it bounds the work of everything that goes through all of them by the rows that were sent.
   */
  takesRun(pair: usize, section: u32): bool {
    const start = u32At(pair);
    const count = u32At(pair + 4);
    if (<u64>start + count > <u64>sectionCount(this.message, section)) return false;
    const first = this.firstRow[section] + <i32>start;
    for (let row = first, end = first + <i32>count; row < end; row++) {
      if (unchecked(this.taken[row])) return false;
      unchecked((this.taken[row] = true));
    }
    return true;
  }
}
