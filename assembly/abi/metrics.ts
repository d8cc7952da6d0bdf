import { proxy_define_metric, proxy_increment_metric, proxy_record_metric } from "./imports";
import { RET_WORD } from "./memory";
import { STATUS_OK } from "./status";

export const METRIC_COUNTER: u32 = 0;
/** One value for all VMs together: whoever records replaces it. */
export const METRIC_GAUGE: u32 = 1;
/** Of whole numbers, without a unit. */
export const METRIC_HISTOGRAM: u32 = 2;
/** No id that the host gives: the low bits of one are its kind. */
export const NO_METRIC: u32 = u32.MAX_VALUE;

/**
 * Id of the metric of this name in this VM, NO_METRIC where the host would not define it. Each call takes a
 * new id for ever, and the first one of a name in the process 30 us (the host looks for tags): once a name.
 */
export function defineMetric(kind: u32, name: string): u32 {
  const text = String.UTF8.encode(name);
  store<u32>(RET_WORD, 0);
  const status = proxy_define_metric(kind, changetype<usize>(text), text.byteLength, RET_WORD);
  return status == STATUS_OK ? load<u32>(RET_WORD) : NO_METRIC;
}

/** Adds to a counter, `by` > 0. */
export function incrementMetric(id: u32, by: i64): void {
  if (id != NO_METRIC) proxy_increment_metric(id, by);
}

/** Sets a gauge, or puts a value into a histogram. */
export function recordMetric(id: u32, value: u64): void {
  if (id != NO_METRIC) proxy_record_metric(id, value);
}

/** A counter of all VMs together; one that the host would not define counts nothing. */
export class Counter {
  private readonly id: u32;

  constructor(name: string) {
    this.id = defineMetric(METRIC_COUNTER, name);
  }

  add(by: i64 = 1): void {
    incrementMetric(this.id, by);
  }
}
