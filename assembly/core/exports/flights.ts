import { IndexSize } from "../prefix/index_size";
import { PrefixIndex } from "../prefix/prefix_index";
import { currentPicker, flights, ledger, request, table } from "./state";

/** Opens a flight of the request set last to a row of a pool, at the clock's time; its handle, >= 0. */
export function openFlight(pool: i32, row: i32): i32 {
  return flights.open(table, pool, row, request).handle;
}

export function flightFirstToken(handle: i32): void {
  flights.firstToken(flights.at(handle), request.nowMs);
}

/** So many tokens of the answer have come in all. */
export function flightProgress(handle: i32, tokens: u32): void {
  flights.progress(flights.at(handle), tokens, request.nowMs);
}

/** The last bytes of the answer came. */
export function flightComplete(handle: i32): void {
  flights.complete(flights.at(handle), request.nowMs);
}

/** Tokens by the server's own count; -1: not stated. */
export function flightFinish(handle: i32, promptTokens: i32, completionTokens: i32, cachedTokens: i32): void {
  flights.finish(flights.at(handle), request.nowMs, promptTokens, completionTokens, cachedTokens);
}

export function flightAbandon(handle: i32): void {
  flights.abandon(flights.at(handle), request.nowMs);
}

/** 1 if the flight is counted to the account from now on. */
export function flightMove(handle: i32, account: i32): bool {
  return flights.move(flights.at(handle), account, request.nowMs);
}

export function flightCount(): i32 {
  return flights.count;
}

export function flightsTick(): void {
  flights.tick(request.nowMs);
}

export function endpointRestarted(account: i32): void {
  flights.restarted(account);
}

/** From now on flights have an index of prefixes, empty at first, of `PrefixIndex`'s sizes. */
export function usePrefixIndex(blocks: i32, endpoints: i32, capacityBlocks: i32): void {
  flights.useIndex(new PrefixIndex(blocks, endpoints, capacityBlocks));
}

/** The same, of the sizes that the table's endpoints ask for. */
export function fitPrefixIndex(): void {
  const size = new IndexSize();
  size.measure(table, ledger.accounts);
  usePrefixIndex(size.blocks, size.endpoints, size.capacityBlocks);
}

/** Blocks of the request's prompt that a row's endpoint is believed to hold. */
export function cachedBlocks(row: i32): i32 {
  flights.begin();
  flights.lookUp(request);
  return flights.cachedBlocks(table.rowAccount[row]);
}

export function takeRows(ptr: usize, capacityBytes: i32): i32 {
  return flights.takeRows(ptr, capacityBytes);
}

export function applyRows(ptr: usize, bytes: i32): void {
  flights.applyRows(ptr, bytes);
}

export function takePrefixRecords(ptr: usize, capacityBytes: i32): i32 {
  return flights.takePrefixRecords(ptr, capacityBytes);
}

export function applyPrefixRecords(ptr: usize, bytes: i32): void {
  flights.applyPrefixRecords(ptr, bytes);
}

export function writeState(ptr: usize, capacityBytes: i32): i32 {
  return flights.writeState(ptr, capacityBytes);
}

export function readState(ptr: usize, bytes: i32): bool {
  return flights.readState(ptr, bytes);
}

/**
 * Picks `rounds` times for the request set last, a ms apart, and has each fly to the endpoint picked: its first token comes at once, then
 * 40 tokens, and it ends when `underWay` others are; a sum of rows.
 */
export function benchFlights(pool: i32, rounds: i32, underWay: i32): u32 {
  const picker = currentPicker();
  if (flying.length < underWay) flying = new StaticArray<i32>(underWay).fill(-1);
  let sum: u32 = 0;
  for (let round = 0; round < rounds; round++) {
    const slot = round % underWay;
    if (unchecked(flying[slot]) >= 0) flights.finish(flights.at(flying[slot]), request.nowMs, 1000, 200, -1);
    unchecked((flying[slot] = -1));
    if (picker.pick(table, flights, pool, request) == 0) return 0;
    const row = unchecked(picker.picked[0]);
    const flight = flights.open(table, pool, row, request);
    sum += <u32>row;
    request.nowMs++;
    flights.firstToken(flight, request.nowMs);
    flights.progress(flight, 40, request.nowMs);
    unchecked((flying[slot] = flight.handle));
  }
  return sum;
}

let flying = new StaticArray<i32>(0);
