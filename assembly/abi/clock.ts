import { clock_time_get, random_get } from "./imports";
import { RET_LONG } from "./memory";

const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;

let lastNanoseconds: u64 = 0;

/** False on a host without a monotonic clock, where no lease or age would mean anything: a start-up error. */
export function hasMonotonicClock(): bool {
  return clock_time_get(CLOCK_MONOTONIC, 0, RET_LONG) == 0;
}

/**
 * Monotonic ms, the same clock for every VM of an Envoy; a wall-clock jump does not move it. It stands
 * still in a call that the host refuses.
 */
export function monotonicMs(): f64 {
  if (clock_time_get(CLOCK_MONOTONIC, 0, RET_LONG) == 0) lastNanoseconds = load<u64>(RET_LONG);
  return <f64>lastNanoseconds / 1000000.0;
}

/** Nanoseconds since the Unix epoch, 0 if the host has none; only ever mixed into identities, never compared. */
function wallNanoseconds(): u64 {
  return clock_time_get(CLOCK_REALTIME, 0, RET_LONG) == 0 ? load<u64>(RET_LONG) : 0;
}

/** 64 random bits, never 0; falls back to the clock where the host has no source. */
export function randomBits(): u64 {
  store<u64>(RET_LONG, 0);
  if (random_get(RET_LONG, 8) != 0) return wallNanoseconds() | 1;
  const bits = load<u64>(RET_LONG);
  return bits != 0 ? bits : 1;
}
