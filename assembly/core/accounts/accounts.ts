import { Table } from "../table";
import { Outcome } from "./outcome";

/** Requests and their answers, summed by pool, model and target. */
export class Accounts {
  /** Row of the sums of this pool, model and target; 0 bytes of a name: the request has none. */
  rowOf(table: Table, pool: i32, modelPtr: usize, modelBytes: i32, targetPtr: usize, targetBytes: i32): i32 {
    return 0;
  }

  /** A request of this row goes on its way. */
  started(row: i32): void {}

  /** A request that `started` is over. */
  finished(outcome: Outcome): void {}
}
