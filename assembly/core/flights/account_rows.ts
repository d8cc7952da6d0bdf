import { grown } from "../columns";
import { Learning } from "../learning/learning";
import { PoolLearning } from "../learning/pool_learning";
import { Table } from "../table";

/** In place of a row. */
const NONE: i32 = -1;

/**
 * What tables say of an endpoint, by account: it may be in several pools, with a row in each, or in none. One of its rows speaks for
 * it, so that nothing of it counts twice, and one of its pools says what answers are held to there.
 */
export class AccountRows {
  /** Row of the last table that speaks for the endpoint; of one that the table does not name it means nothing. */
  private rows: StaticArray<i32> = new StaticArray<i32>(0);
  /** Of its pools the one with the shortest objective for each token, and that objective in ms. */
  private readonly pools: PoolLearning[] = [];
  private tpotMs: StaticArray<f64> = new StaticArray<f64>(0);

  /** Reads a table bound to a ledger of `accounts`; endpoints in no pool are given to `nobody`. */
  read(table: Table, learning: Learning, accounts: i32, nobody: PoolLearning): void {
    this.rows = grown<i32>(this.rows, accounts);
    this.tpotMs = grown<f64>(this.tpotMs, accounts);
    while (this.pools.length < accounts) this.pools.push(nobody);
    for (let row = 0, rows = table.endpointCount; row < rows; row++) {
      const account = unchecked(table.rowAccount[row]);
      unchecked((this.rows[account] = NONE));
      unchecked((this.tpotMs[account] = Infinity));
      unchecked((this.pools[account] = nobody));
    }
    for (let pool = 0; pool < table.poolCount; pool++) this.readPool(table, pool, learning);
    for (let row = 0, rows = table.endpointCount; row < rows; row++) {
      const account = unchecked(table.rowAccount[row]);
      if (unchecked(this.rows[account]) == NONE) unchecked((this.rows[account] = row));
    }
  }

  /** The row is the one that speaks for its endpoint. */
  speaks(row: i32, account: i32): bool {
    return unchecked(this.rows[account]) == row;
  }

  /** The pool by whose objective the endpoint's flights are looked at. */
  @inline poolOf(account: i32): PoolLearning {
    return unchecked(this.pools[account]);
  }

  private readPool(table: Table, pool: i32, learning: Learning): void {
    const learned = learning.poolOf(unchecked(table.poolId[pool]));
    const tpotMs = <f64>unchecked(table.poolTpotMs[pool]);
    const start = unchecked(table.poolEndpointStart[pool]);
    const end = start + unchecked(table.poolEndpointCount[pool]);
    for (let row = start; row < end; row++) {
      const account = unchecked(table.rowAccount[row]);
      const speaker = unchecked(this.rows[account]);
      // The first of those of which most is known: a pool's row goes stale by that pool's own limit.
      if (speaker == NONE || known(table, row) > known(table, speaker)) unchecked((this.rows[account] = row));
      if (tpotMs >= unchecked(this.tpotMs[account])) continue;
      unchecked((this.tpotMs[account] = tpotMs));
      unchecked((this.pools[account] = learned));
    }
  }
}

function known(table: Table, row: i32): i32 {
  return popcnt<u32>(unchecked(table.rowValid[row]));
}
