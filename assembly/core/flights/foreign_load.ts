import { VALID_QUEUED, VALID_RUNNING } from "../../wire/layout";
import { grown } from "../columns";
import { Ledger } from "../ledger";
import { Table } from "../table";

/** What does not last for two of these is no load of others, but a scrape that met own requests between two counts of them. */
const WINDOW_MS: f64 = 1000;

/**
 * Requests on an endpoint that no Envoy of ours sent there: what its own page says, less what is known to be in flight. Own requests
 * come and go between a scrape and its table, so that only an excess which every scrape of two windows saw is believed: in one to
 * two seconds after it begins, and at once no more when it ends.
 */
export class ForeignLoad {
  /** By account, `COLUMNS` each. */
  private columns: StaticArray<f64> = new StaticArray<f64>(0);
  private count: i32 = 0;

  /** The account stands for another endpoint. */
  clear(account: i32): void {
    if (account >= this.count) {
      this.count = account + 1;
      this.columns = grown<f64>(this.columns, this.count * COLUMNS);
    }
    const from = account * COLUMNS;
    for (let at = from; at < from + COLUMNS; at++) unchecked((this.columns[at] = 0));
    unchecked((this.columns[from + MEASURED_MS] = NEVER));
  }

  /** Takes over what a table, bound to `ledger` and just decoded, says of a row of the account. */
  read(table: Table, row: i32, account: i32, ledger: Ledger, remote: u32): void {
    const columns = this.columns;
    const at = account * COLUMNS;
    const own = <f64>ledger.total(account) + <f64>remote;
    const known = max<f64>(own, unchecked(columns[at + OWN]));
    const valid = unchecked(table.rowValid[row]);
    if ((valid & (VALID_QUEUED | VALID_RUNNING)) == 0) {
      this.clear(account);
      return;
    }
    const measuredMs = table.receivedMs - <f64>unchecked(table.rowAgeMs[row]);
    // A table that was made for another reason brings no new measurement.
    if (measuredMs - unchecked(columns[at + MEASURED_MS]) < 1) return;
    const queued: f64 = valid & VALID_QUEUED ? <f64>unchecked(table.rowQueued[row]) : 0;
    const running: f64 = valid & VALID_RUNNING ? <f64>unchecked(table.rowRunning[row]) : 0;
    const excess = max<f64>(0, queued + running - known);
    const waiting = min<f64>(queued, excess);
    unchecked((columns[at + OWN] = own));
    const isFirst = unchecked(columns[at + MEASURED_MS]) == NEVER;
    // Before the first window there was an excess of nothing, so that nothing is believed yet.
    if (isFirst || measuredMs - unchecked(columns[at + WINDOW_MS_AT]) >= WINDOW_MS) {
      unchecked((columns[at + BEFORE] = columns[at + LEAST]));
      unchecked((columns[at + BEFORE_WAITING] = columns[at + LEAST_WAITING]));
      unchecked((columns[at + WINDOW_MS_AT] = measuredMs));
      unchecked((columns[at + LEAST] = excess));
      unchecked((columns[at + LEAST_WAITING] = waiting));
    } else {
      unchecked((columns[at + LEAST] = min<f64>(columns[at + LEAST], excess)));
      unchecked((columns[at + LEAST_WAITING] = min<f64>(columns[at + LEAST_WAITING], waiting)));
    }
    unchecked((columns[at + MEASURED_MS] = measuredMs));
  }

  /** Requests of others there, running or waiting. */
  requests(account: i32): f64 {
    const at = account * COLUMNS;
    return min<f64>(unchecked(this.columns[at + BEFORE]), unchecked(this.columns[at + LEAST]));
  }

  /** Those of them that wait. */
  waiting(account: i32): f64 {
    const at = account * COLUMNS;
    return min<f64>(
      unchecked(this.columns[at + BEFORE_WAITING]),
      unchecked(this.columns[at + LEAST_WAITING]),
    );
  }
}

/** In place of a time: before any. */
const NEVER: f64 = -Infinity;
/** Own and other Envoys' requests in flight at the last measurement, and when that was. */
const OWN: i32 = 0;
const MEASURED_MS: i32 = 1;
/** Beginning of the window under way, the least excess seen in it, and the least of the window before. */
const WINDOW_MS_AT: i32 = 2;
const LEAST: i32 = 3;
const LEAST_WAITING: i32 = 4;
const BEFORE: i32 = 5;
const BEFORE_WAITING: i32 = 6;
const COLUMNS: i32 = 7;
