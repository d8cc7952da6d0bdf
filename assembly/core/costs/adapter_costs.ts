import { ADAPTER_RUNNING, ADAPTER_WAITING, MODEL_FLAG_ADAPTER, VALID_ADAPTERS } from "../../wire/layout";
import { fresh } from "../columns";
import { nameHash } from "../name_hash";
import { PickContext } from "../pick_context";

/**
 * ms to load an adapter into a free slot: so little that a queue of half a second sends the request on to an endpoint that has
 * to load it. Twice that where another adapter has to go first, half of it where it is being loaded already.
 */
const LOAD_MS: f64 = 300;

/**
 * What it costs that an endpoint does not hold the LoRA adapter that is asked for. An adapter is what the pool lists as one, or what
 * some candidate holds; any other model costs nothing anywhere. Held is what the table says, or what we sent there lately: that
 * is known before the next scrape, and where nothing is scraped.
 */
export class AdapterCosts {
  private costs: StaticArray<f32> = new StaticArray<f32>(0);
  private isAdapter: bool = false;

  begin(context: PickContext): void {
    this.isAdapter = false;
    const request = context.request;
    const bytes = request.modelBytes;
    if (bytes == 0) return;
    const table = context.table;
    const name = request.modelPtr;
    const model = table.modelIndex(context.pool, name, bytes);
    if (model >= 0) this.isAdapter = (unchecked(table.modelFlags[model]) & MODEL_FLAG_ADAPTER) != 0;
    const count = context.count;
    this.costs = fresh<f32>(this.costs, count);
    const hash = nameHash(name, bytes);
    const loads = context.flights.loads;
    for (let index = 0; index < count; index++) {
      const row = unchecked(context.candidates[index]);
      let cost = LOAD_MS;
      if (unchecked(table.rowValid[row]) & VALID_ADAPTERS) {
        const held = <u32>unchecked(table.rowAdapterCount[row]);
        const state = held > 0 ? table.adapterStateHashed(row, hash, name, bytes) : 0;
        if (state != 0) this.isAdapter = true;
        if (state == ADAPTER_RUNNING) cost = 0;
        else if (state == ADAPTER_WAITING) cost = LOAD_MS / 2;
        else if (held >= unchecked(table.rowMaxAdapters[row])) cost = 2 * LOAD_MS;
      }
      if (cost > 0 && loads.sentLately(unchecked(table.rowAccount[row]), hash)) cost = 0;
      unchecked((this.costs[index] = <f32>cost));
    }
  }

  /** ms, at the candidate of a position. */
  @inline at(index: i32): f64 {
    return this.isAdapter ? <f64>unchecked(this.costs[index]) : 0;
  }
}
