/**
 * The core for Node: one table, ledger, picker and scanner behind plain functions, so that a caller
 * needs nothing but WebAssembly's own API. Buffers come from `allocate` and are the caller's.
 */
import { addressOf } from "../wire/bytes";
import { fnv1a64 } from "../wire/hash";
import { checkMessage as check } from "../wire/reader";
import { BodyScanner } from "./body/body_scanner";
import { Ledger } from "./ledger";
import { Picker } from "./picker";
import { PickRequest } from "./request";
import { Table } from "./table";

const table = new Table();
const ledger = new Ledger();
const request = new PickRequest();
const scanner = new BodyScanner();
let picker = new Picker(1);

// --- memory -----------------------------------------------------------------------------------

/** A block of `bytes` bytes that stays until `release`. */
export function allocate(bytes: i32): usize {
  return heap.alloc(bytes);
}

/** Gives back a block of `allocate`. */
export function release(block: usize): void {
  heap.free(block);
}

/** Collects what is no longer referenced. */
export function collect(): void {
  __collect();
}

export function hash(ptr: usize, bytes: i32): u64 {
  return fnv1a64(ptr, bytes);
}

// --- table ------------------------------------------------------------------------------------

/** `checkMessage` of the wire format. */
export function checkMessage(ptr: usize, bytes: i32, kind: u32): u32 {
  return check(ptr, bytes, kind);
}

/** `Table.decode`, then binds the rows to the ledger and frees the accounts no longer needed. */
export function decode(ptr: usize, bytes: i32, receivedMs: f64): u32 {
  const refusal = table.decode(ptr, bytes, receivedMs);
  if (refusal != 0) return refusal;
  table.bind(ledger);
  ledger.release(table);
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

// --- ledger -----------------------------------------------------------------------------------

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

export function endMerge(): void {
  ledger.endMerge();
}

export function writeTallies(ptr: usize, capacityRows: i32, includeIdle: bool): i32 {
  return ledger.writeTallies(ptr, capacityRows, includeIdle);
}

export function writeTotals(ptr: usize, capacityRows: i32): i32 {
  return ledger.writeTotals(ptr, capacityRows);
}

// --- picking ----------------------------------------------------------------------------------

/** A new picker: what chance decides from now on depends on `seed` alone. */
export function seedPicker(seed: u64): void {
  picker = new Picker(seed);
}

/** What the next picks are for; the model's name must stay where it is. */
export function setRequest(modelPtr: usize, modelBytes: i32, promptBytes: u32, priority: i32): void {
  request.reset();
  request.modelPtr = modelPtr;
  request.modelBytes = modelBytes;
  request.promptBytes = promptBytes;
  request.priority = priority;
}

export function pick(pool: i32): i32 {
  return picker.pick(table, ledger, pool, request);
}

/** Address of the rows picked last, i32 each. */
export function pickedPtr(): usize {
  return addressOf<i32>(picker.picked);
}

export function missingTerms(pool: i32): u32 {
  return picker.missingTerms(table, pool);
}

/** Picks `rounds` times, each pick opened and the one 64 picks ago closed; returns a sum of rows. */
export function benchPick(pool: i32, rounds: i32): u32 {
  let sum: u32 = 0;
  for (let round = 0; round < rounds; round++) {
    if (picker.pick(table, ledger, pool, request) == 0) return 0;
    const row = unchecked(picker.picked[0]);
    sum += <u32>row;
    const slot = round & 63;
    const account = unchecked(recent[slot]);
    if (account >= 0) ledger.close(account, 100, 200);
    const opened = unchecked(table.rowAccount[row]);
    ledger.open(opened, 100, 200);
    unchecked((recent[slot] = opened));
  }
  for (let slot = 0; slot < recent.length; slot++) {
    if (unchecked(recent[slot]) >= 0) ledger.close(unchecked(recent[slot]), 100, 200);
    unchecked((recent[slot] = -1));
  }
  return sum;
}

const recent = new StaticArray<i32>(64).fill(-1);

// --- body -------------------------------------------------------------------------------------

export function scanReset(): void {
  scanner.reset();
}

export function scanFeed(ptr: usize, bytes: i32): i32 {
  return scanner.feed(ptr, bytes);
}

export function scanFinish(): i32 {
  return scanner.finish();
}

export function scanOffset(): u32 {
  return scanner.offset;
}

export function scanModelSeen(): bool {
  return scanner.modelSeen;
}

export function scanModelRepeated(): bool {
  return scanner.modelRepeated;
}

export function scanModelIsString(): bool {
  return scanner.modelIsString;
}

export function scanModelTooLong(): bool {
  return scanner.modelTooLong;
}

export function scanModelPtr(): usize {
  return scanner.modelPtr();
}

export function scanModelBytes(): i32 {
  return scanner.modelBytes;
}

export function scanModelStart(): u32 {
  return scanner.modelStart;
}

export function scanModelEnd(): u32 {
  return scanner.modelEnd;
}

export function scanStream(): bool {
  return scanner.stream;
}

export function scanMaxTokensSeen(): bool {
  return scanner.maxTokensSeen;
}

export function scanMaxTokens(): u32 {
  return scanner.maxTokens;
}

export function scanErrorOffset(): u32 {
  return scanner.errorOffset;
}

export function scanErrorReason(): i32 {
  return scanner.errorReason;
}

/** Scans the body of `bytes` bytes at `ptr` in pieces of `piece` bytes, `rounds` times; the last answer. */
export function benchScan(ptr: usize, bytes: i32, piece: i32, rounds: i32): i32 {
  let answer = 0;
  for (let round = 0; round < rounds; round++) {
    scanner.reset();
    for (let at = 0; at < bytes; at += piece) answer = scanner.feed(ptr + at, min<i32>(piece, bytes - at));
  }
  return answer;
}
