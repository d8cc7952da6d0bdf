import { HISTOGRAMS, OTHER_NAME } from "../../wire/accounts";
import { addressOf, equalBytes } from "../../wire/bytes";
import { COUNTER_PICKED, COUNTER_REQUESTS, COUNTER_UNPICKED, MAX_ACCOUNT_ROWS } from "../../wire/layout";
import { grown } from "../columns";
import { IdMap } from "../id_map";
import { nameHash } from "../name_hash";
import { Table } from "../table";
import { CELLS, FIRST_ERROR, FIRST_SUM, bucketOf } from "./cells";
import { Figures } from "./figures";
import { ATTEMPT_FAILED, ATTEMPT_FOUND, Outcome } from "./outcome";

/** The row of everything that has no row of its own pool. */
const CATCH_ALL: i32 = 0;
const MOST_ROWS: i32 = <i32>MAX_ACCOUNT_ROWS;
/** Rows that only a pool's OTHER_NAME may take. */
const RESERVED_ROWS: i32 = 64;
const OTHER: StaticArray<u8> = utf8(OTHER_NAME);

/**
 * Requests and their answers, summed by pool, model and target since the start. A row stands for three
 * names as long as the VM lives; names that no table knows get none, so that clients cannot make rows.
 * Allocates only where a row is new.
 */
export class Accounts {
  rows: i32 = 0;
  /** Counts up with every change: what to publish has changed when it has. */
  changes: u32 = 0;
  /** CELLS cells a row. */
  cells: StaticArray<u64> = new StaticArray<u64>(0);
  /** Requests under way. */
  running: StaticArray<u32> = new StaticArray<u32>(0);
  /** What the outcome that was counted last has added. */
  readonly figures: Figures = new Figures();
  /** Pool, model and target of a row, one behind the other. */
  private names: StaticArray<StaticArray<u8>> = new StaticArray<StaticArray<u8>>(0);
  private poolLengths: StaticArray<i32> = new StaticArray<i32>(0);
  private modelLengths: StaticArray<i32> = new StaticArray<i32>(0);
  private rowByNames: IdMap = new IdMap();

  constructor() {
    const other = addressOf(OTHER);
    this.add(other, 0, other, OTHER.length, other, OTHER.length);
  }

  /**
   * Row of this pool, model and target; 0 bytes of a name: the request has none. A name that the pool does
   * not list counts as OTHER_NAME, and where there is no row left, so does all of the pool.
   */
  rowOf(table: Table, pool: i32, modelPtr: usize, modelBytes: i32, targetPtr: usize, targetBytes: i32): i32 {
    const known = this.find(table, pool, modelPtr, modelBytes, targetPtr, targetBytes);
    if (known >= 0) return known;
    const other = addressOf(OTHER);
    if (modelBytes != 0 && !table.knowsModel(pool, modelPtr, modelBytes)) {
      if (targetPtr == modelPtr) {
        targetPtr = other;
        targetBytes = OTHER.length;
      }
      modelPtr = other;
      modelBytes = OTHER.length;
    }
    if (targetBytes != 0 && targetPtr != other && !isTarget(table, pool, targetPtr, targetBytes)) {
      targetPtr = other;
      targetBytes = OTHER.length;
    }
    const bounded = this.find(table, pool, modelPtr, modelBytes, targetPtr, targetBytes);
    if (bounded >= 0) return bounded;
    const isOther = modelPtr == other && targetPtr == other;
    if (this.rows < MOST_ROWS - (isOther ? 0 : RESERVED_ROWS))
      return this.addOf(table, pool, modelPtr, modelBytes, targetPtr, targetBytes);
    return isOther ? CATCH_ALL : this.rowOf(table, pool, other, OTHER.length, other, OTHER.length);
  }

  /** A request of this row goes on its way. */
  started(row: i32): void {
    if (row < 0 || row >= this.rows) return;
    unchecked(this.running[row]++);
    this.count(row, <i32>COUNTER_REQUESTS, 1);
    this.changes++;
  }

  /** A request that `started` is over. */
  finished(outcome: Outcome): void {
    const row = outcome.row;
    if (row < 0 || row >= this.rows) return;
    const running = unchecked(this.running[row]);
    unchecked((this.running[row] = running - min<u32>(running, 1)));
    if (outcome.attempt == ATTEMPT_FOUND) this.count(row, <i32>COUNTER_PICKED, 1);
    else if (outcome.attempt == ATTEMPT_FAILED) this.count(row, <i32>COUNTER_UNPICKED, 1);
    const figures = this.figures;
    figures.take(outcome);
    if (figures.error >= 0) this.count(row, FIRST_ERROR + figures.error, 1);
    for (let histogram: u32 = 0; histogram < HISTOGRAMS; histogram++) {
      const value = unchecked(figures.values[histogram]);
      if (value < 0) continue;
      this.count(row, FIRST_SUM + <i32>histogram, <u64>value);
      this.count(row, bucketOf(histogram, <u64>value), 1);
    }
    this.changes++;
  }

  /** What a cell of a row (see cells.ts) has come to. */
  cell(row: i32, cell: i32): u64 {
    return unchecked(this.cells[row * CELLS + cell]);
  }

  /** Address of the row's names: `namespace/name` of the pool, then the model, then the target. */
  namesPtr(row: i32): usize {
    return addressOf(unchecked(this.names[row]));
  }

  poolBytes(row: i32): i32 {
    return unchecked(this.poolLengths[row]);
  }

  modelBytes(row: i32): i32 {
    return unchecked(this.modelLengths[row]);
  }

  targetBytes(row: i32): i32 {
    return unchecked(this.names[row]).length - this.poolBytes(row) - this.modelBytes(row);
  }

  /** The request is sent under another model's name than its own. */
  isRewritten(row: i32): bool {
    const model = this.modelBytes(row);
    const names = this.namesPtr(row) + this.poolBytes(row);
    return model != this.targetBytes(row) || !equalBytes(names, names + model, model);
  }

  private count(row: i32, cell: i32, by: u64): void {
    unchecked((this.cells[row * CELLS + cell] += by));
  }

  private find(
    table: Table,
    pool: i32,
    modelPtr: usize,
    modelBytes: i32,
    targetPtr: usize,
    targetBytes: i32,
  ): i32 {
    const id = idOf(unchecked(table.poolId[pool]), modelPtr, modelBytes, targetPtr, targetBytes);
    const row = this.rowByNames.get(id);
    if (row < 0) return -1;
    // Another name of the same hash is chosen by whoever sends it: it is not the row's.
    const poolBytes = this.poolBytes(row);
    const names = this.namesPtr(row);
    const isSame =
      poolBytes == table.poolNameBytes(pool) &&
      this.modelBytes(row) == modelBytes &&
      this.targetBytes(row) == targetBytes &&
      equalBytes(names, table.poolNamePtr(pool), poolBytes) &&
      equalBytes(names + poolBytes, modelPtr, modelBytes) &&
      equalBytes(names + poolBytes + modelBytes, targetPtr, targetBytes);
    return isSame ? row : -1;
  }

  private addOf(
    table: Table,
    pool: i32,
    modelPtr: usize,
    modelBytes: i32,
    targetPtr: usize,
    targetBytes: i32,
  ): i32 {
    const id = idOf(unchecked(table.poolId[pool]), modelPtr, modelBytes, targetPtr, targetBytes);
    // Two configured pairs of one hash: the later one has no row.
    if (this.rowByNames.get(id) >= 0) return CATCH_ALL;
    const row = this.add(
      table.poolNamePtr(pool),
      table.poolNameBytes(pool),
      modelPtr,
      modelBytes,
      targetPtr,
      targetBytes,
    );
    this.rowByNames.put(id, row);
    return row;
  }

  private add(
    poolPtr: usize,
    poolBytes: i32,
    modelPtr: usize,
    modelBytes: i32,
    targetPtr: usize,
    targetBytes: i32,
  ): i32 {
    const row = this.rows++;
    this.growTo(this.rows);
    const names = new StaticArray<u8>(poolBytes + modelBytes + targetBytes);
    const at = addressOf(names);
    memory.copy(at, poolPtr, poolBytes);
    memory.copy(at + poolBytes, modelPtr, modelBytes);
    memory.copy(at + poolBytes + modelBytes, targetPtr, targetBytes);
    this.names[row] = names;
    this.poolLengths[row] = poolBytes;
    this.modelLengths[row] = modelBytes;
    return row;
  }

  /** New rows count nothing yet: fresh columns are zero, and rows are never taken back. */
  private growTo(rows: i32): void {
    this.cells = grown<u64>(this.cells, rows * CELLS);
    this.running = grown<u32>(this.running, rows);
    this.poolLengths = grown<i32>(this.poolLengths, rows);
    this.modelLengths = grown<i32>(this.modelLengths, rows);
    if (this.names.length >= rows) return;
    const names = new StaticArray<StaticArray<u8>>(this.poolLengths.length);
    for (let row = 0; row < this.names.length; row++) names[row] = this.names[row];
    this.names = names;
  }
}

/** Models that clients may ask for, and what they are rewritten to. */
function isTarget(table: Table, pool: i32, ptr: usize, bytes: i32): bool {
  return table.knowsModel(pool, ptr, bytes) || table.rewrites.targetOf(pool, ptr, bytes) >= 0;
}

function idOf(poolId: u64, modelPtr: usize, modelBytes: i32, targetPtr: usize, targetBytes: i32): u64 {
  const model = nameHash(modelPtr, modelBytes);
  const target = targetPtr == modelPtr ? model : nameHash(targetPtr, targetBytes);
  return poolId ^ (model * 3) ^ rotl<u64>(target, 29);
}

function utf8(text: string): StaticArray<u8> {
  const bytes = new StaticArray<u8>(String.UTF8.byteLength(text));
  for (let i = 0; i < bytes.length; i++) bytes[i] = <u8>text.charCodeAt(i);
  return bytes;
}
