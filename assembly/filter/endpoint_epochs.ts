import { Counter } from "../abi/metrics";
import { grown } from "../core/columns";
import { Flights } from "../core/flights/flights";
import { Table } from "../core/table";

/**
 * The life that each endpoint was in when it was heard of last, by account. One that has begun another has lost what it had
 * cached, and may be slower or faster than before.
 */
export class EndpointEpochs {
  private ids: StaticArray<u64> = new StaticArray<u64>(0);
  /** 0: not known, as of an account that stands for another endpoint now. */
  private epochs: StaticArray<u32> = new StaticArray<u32>(0);
  private readonly restarts: Counter = new Counter("inference_picker.endpoint_restarts");

  /**
   * Looks at a table bound to the ledger of `flights`. Only an epoch that rose above a known one is a restart: a controller
   * that does not know when the endpoint started, or a VM that does not, says nothing about it.
   */
  adopt(table: Table, flights: Flights): void {
    const accounts = flights.ledger.accounts;
    this.ids = grown<u64>(this.ids, accounts);
    this.epochs = grown<u32>(this.epochs, accounts);
    for (let row = 0, rows = table.endpointCount; row < rows; row++) {
      const account = unchecked(table.rowAccount[row]);
      if (account < 0) continue;
      const id = unchecked(table.rowId[row]);
      if (unchecked(this.ids[account]) != id) {
        unchecked((this.ids[account] = id));
        unchecked((this.epochs[account] = 0));
      }
      const known = unchecked(this.epochs[account]);
      const epoch = unchecked(table.rowEpoch[row]);
      if (epoch <= known) continue;
      unchecked((this.epochs[account] = epoch));
      if (known == 0) continue;
      flights.restarted(account);
      this.restarts.add();
    }
  }
}
