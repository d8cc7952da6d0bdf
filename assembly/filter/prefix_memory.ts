import { Flights } from "../core/flights/flights";
import { IndexSize } from "../core/prefix/index_size";
import { PrefixIndex } from "../core/prefix/prefix_index";
import { Table } from "../core/table";

/**
 * The memory for what a VM knows of prompts: none before a request has asked for it, since the main thread's VM serves none, and no
 * pool may. It is made anew, and empty, where a table has outgrown it: by a quarter of its endpoints, or by the first
 * measurement of a larger cache.
 */
export class PrefixMemory {
  /** A request's pool picks by who holds its prompt. */
  isWanted: bool = false;
  private readonly size: IndexSize = new IndexSize();
  private seenEpoch: u64 = 0;
  private seenSequence: u64 = 0;

  /** At a tick, where a pause of some milliseconds meets no request. */
  tick(table: Table, flights: Flights): void {
    if (!this.isWanted) return;
    const index = flights.index;
    if (index != null && table.sequence == this.seenSequence && table.epoch == this.seenEpoch) return;
    this.seenSequence = table.sequence;
    this.seenEpoch = table.epoch;
    const size = this.size;
    const accounts = flights.ledger.accounts;
    size.measure(table, accounts);
    if (
      index != null &&
      accounts <= index.endpoints &&
      size.capacityBlocks <= index.capacityBlocks + (index.capacityBlocks >> 2)
    ) {
      return;
    }
    flights.useIndex(new PrefixIndex(size.blocks, size.endpoints, size.capacityBlocks));
  }
}
