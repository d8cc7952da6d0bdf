import { METRIC_GAUGE, defineMetric, recordMetric } from "../../abi/metrics";
import { RunningSums } from "../../core/accounts/running_sums";
import { grown } from "../../core/columns";
import { rowStat } from "./stat_name";
import { STAT_RUNNING } from "./stat_names";

/**
 * Requests under way on Envoy's page. One VM, the holder of the feed, sets each gauge to the sum over all VMs
 * that live: counted up and down by each VM, a trap would leave what it had under way for ever.
 */
export class RunningGauges {
  readonly sums: RunningSums = new RunningSums();
  private ids: StaticArray<u32> = new StaticArray<u32>(0);
  private shown: StaticArray<u32> = new StaticArray<u32>(0);
  private defined: i32 = 0;
  /** Another VM may have set the gauges since. */
  private stale: bool = true;

  /** Another VM may hold the feed from here on. */
  forget(): void {
    this.stale = true;
  }

  /** Sets the gauges that moved to the sums, which are of one round over all VMs. */
  show(): void {
    const sums = this.sums;
    this.ids = grown<u32>(this.ids, sums.entries);
    this.shown = grown<u32>(this.shown, sums.entries);
    for (let entry = 0; entry < sums.entries; entry++) {
      const sum = unchecked(sums.sums[entry]);
      if (entry < this.defined && !this.stale && unchecked(this.shown[entry]) == sum) continue;
      if (entry >= this.defined) {
        this.ids[entry] = defineMetric(METRIC_GAUGE, this.nameOf(entry));
        this.defined = entry + 1;
      }
      this.shown[entry] = sum;
      recordMetric(unchecked(this.ids[entry]), sum);
    }
    this.stale = false;
  }

  private nameOf(entry: i32): string {
    const sums = this.sums;
    return rowStat(
      STAT_RUNNING,
      sums.namesPtr(entry),
      sums.poolBytes[entry],
      sums.modelBytes[entry],
      sums.targetBytes(entry),
    );
  }
}
