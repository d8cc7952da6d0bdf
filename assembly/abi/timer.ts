import { proxy_set_tick_period_milliseconds } from "./imports";

/** Ticks of the calling root context, at least 1 ms apart. */
export function setTickPeriod(periodMs: u32): void {
  proxy_set_tick_period_milliseconds(periodMs);
}
