import { checkMessage as check } from "../../wire/reader";
import { flights, table } from "./state";

/** `checkMessage` of the wire format. */
export function checkMessage(ptr: usize, bytes: i32, kind: u32): u32 {
  return check(ptr, bytes, kind);
}

/** `Table.decode`, then `Flights.adopt`. */
export function decode(ptr: usize, bytes: i32, receivedMs: f64): u32 {
  const refusal = table.decode(ptr, bytes, receivedMs);
  if (refusal != 0) return refusal;
  flights.adopt(table);
  return 0;
}

export function age(nowMs: f64): void {
  table.age(nowMs);
}

export function epoch(): u64 {
  return table.epoch;
}

export function sequence(): u64 {
  return table.sequence;
}

export function poolCount(): i32 {
  return table.poolCount;
}

export function endpointCount(): i32 {
  return table.endpointCount;
}

export function poolOfCluster(ptr: usize, bytes: i32): i32 {
  return table.poolOfCluster(ptr, bytes);
}

export function poolOfName(ptr: usize, bytes: i32): i32 {
  return table.poolOfName(ptr, bytes);
}

/** First endpoint row of the pool. */
export function poolStart(pool: i32): i32 {
  return table.poolEndpointStart[pool];
}

/** Endpoint rows of the pool. */
export function poolRows(pool: i32): i32 {
  return table.poolEndpointCount[pool];
}

export function isPickable(row: i32): bool {
  return table.isPickable(row);
}

export function rowAccount(row: i32): i32 {
  return table.rowAccount[row];
}

export function rowValid(row: i32): u32 {
  return table.rowValid[row];
}

export function addressPtr(row: i32): usize {
  return table.addressPtr(row);
}

export function addressBytes(row: i32): i32 {
  return table.addressBytes(row);
}

export function saturation(pool: i32): f32 {
  return table.saturation(pool);
}

export function modelIndex(pool: i32, ptr: usize, bytes: i32): i32 {
  return table.modelIndex(pool, ptr, bytes);
}

export function objectivePriority(pool: i32, ptr: usize, bytes: i32): i32 {
  return table.objectivePriority(pool, ptr, bytes);
}

export function adapterState(row: i32, ptr: usize, bytes: i32): u32 {
  return table.adapterState(row, ptr, bytes);
}

/** POOL_FLAG_* bits. */
export function poolFlags(pool: i32): u32 {
  return table.poolFlags[pool];
}
