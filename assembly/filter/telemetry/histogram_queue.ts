import { recordMetric } from "../../abi/metrics";

/** A tick of 25 ms at 40,000 requests a second, seven values each. */
const CAPACITY: i32 = 8192;

/**
 * Values for the host's histograms, handed over in ticks: a call in a row of its like costs a third of one between a
 * request's other work. A full queue is handed over at once.
 */
export class HistogramQueue {
  private readonly ids: StaticArray<u32> = new StaticArray<u32>(CAPACITY);
  private readonly values: StaticArray<u64> = new StaticArray<u64>(CAPACITY);
  private count: i32 = 0;

  add(id: u32, value: u64): void {
    if (this.count == CAPACITY) this.flush();
    unchecked((this.ids[this.count] = id));
    unchecked((this.values[this.count++] = value));
  }

  flush(): void {
    for (let at = 0; at < this.count; at++) recordMetric(unchecked(this.ids[at]), unchecked(this.values[at]));
    this.count = 0;
  }
}
