import { ledger } from "./state";

export function accountOf(id: u64): i32 {
  return ledger.accountOf(id);
}

export function accountCount(): i32 {
  return ledger.accounts;
}

export function openRequest(account: i32, uncached: u32, resident: u32): void {
  ledger.open(account, uncached, resident);
}

export function prefilled(account: i32, uncached: u32): void {
  ledger.prefilled(account, uncached);
}

export function closeRequest(account: i32, uncached: u32, resident: u32): void {
  ledger.close(account, uncached, resident);
}

export function inFlight(account: i32): u32 {
  return ledger.total(account);
}

export function inFlightUncached(account: i32): u64 {
  return ledger.totalUncached(account);
}

export function inFlightResident(account: i32): u64 {
  return ledger.totalResident(account);
}

export function beginMerge(): void {
  ledger.beginMerge();
}

export function mergeRow(id: u64, requests: u32, uncached: u32, resident: u64): void {
  ledger.mergeRow(id, requests, uncached, resident);
}

/** TALLY rows of another root. */
export function mergeTallies(rows: usize, count: u32): void {
  ledger.mergeTallies(rows, count);
}

export function endMerge(): void {
  ledger.endMerge();
}

export function writeTallies(ptr: usize, capacityRows: i32, includeIdle: bool): i32 {
  return ledger.writeTallies(ptr, capacityRows, includeIdle);
}

export function writeTotals(ptr: usize, capacityRows: i32): i32 {
  return ledger.writeTotals(ptr, capacityRows);
}
