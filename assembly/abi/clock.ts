import { clock_time_get, random_get } from "./imports";
import { RET_LONG } from "./memory";

const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;

/** Monotonic ms, the same clock for every VM of an Envoy; a wall-clock jump does not move it. */
export function monotonicMs(): f64 {
  store<u64>(RET_LONG, 0);
  clock_time_get(CLOCK_MONOTONIC, 0, RET_LONG);
  return <f64>load<u64>(RET_LONG) / 1000000.0;
}

/** Nanoseconds since the Unix epoch; only ever mixed into identities, never compared. */
export function wallNanoseconds(): u64 {
  store<u64>(RET_LONG, 0);
  clock_time_get(CLOCK_REALTIME, 0, RET_LONG);
  return load<u64>(RET_LONG);
}

/** 64 random bits, never 0; falls back to the clock where the host has no source. */
export function randomBits(): u64 {
  store<u64>(RET_LONG, 0);
  if (random_get(RET_LONG, 8) != 0) return wallNanoseconds() | 1;
  const bits = load<u64>(RET_LONG);
  return bits != 0 ? bits : 1;
}
