import { Table } from "../table";
import { PREFIX_BLOCK_BYTES } from "./block_hasher";

/** Memory that an index may take, in bytes: a million blocks at 256 endpoints of 8,192 blocks each. */
const MAX_BYTES: i64 = 64_000_000;
/** Of this, what the clocks may take; the rest is the table's. */
const MAX_CLOCK_BYTES: i64 = 24_000_000;
/** At most, of a block of an endpoint: its place in a ring, and its bits of recent use rounded up to a power of two. */
const CLOCK_BLOCK_BYTES: i64 = 6;
/** Endpoints come in steps of a word of a set. */
const STEP: i32 = 64;
/** English in JSON: what a token of KV cache is in the index, until usage says more. */
const BYTES_PER_TOKEN: i64 = 4;
/** Of an endpoint that does not tell its KV cache: a million tokens. */
const UNKNOWN_CAPACITY_BLOCKS: i32 = 8192;
const MIN_CAPACITY_BLOCKS: i32 = 64;

/** How large an index of prefixes (`PrefixIndex`) the endpoints of a table ask for, within MAX_BYTES. */
export class IndexSize {
  blocks: i32 = 0;
  endpoints: i32 = 0;
  capacityBlocks: i32 = 0;

  /** `accounts` is one past the highest account in use: an index holds what is below its `endpoints`, and a quarter more fit. */
  measure(table: Table, accounts: i32): void {
    const endpoints = ((accounts + (accounts >> 2)) / STEP + 1) * STEP;
    let largest: i64 = 0;
    for (let row = 0; row < table.endpointCount; row++) largest = max<i64>(largest, cacheBlocks(table, row));
    if (largest == 0) largest = UNKNOWN_CAPACITY_BLOCKS;
    const affordable = MAX_CLOCK_BYTES / (CLOCK_BLOCK_BYTES * endpoints);
    const capacity = min<i64>(affordable, max<i64>(largest, MIN_CAPACITY_BLOCKS));
    // Of a table that has room for just what the endpoints hold, blocks fall out whose buckets are full.
    const wanted = 2 * capacity * max<i32>(accounts, 1);
    const slotBytes: i64 = 8 + (endpoints >> 3);
    const fitting = ((MAX_BYTES - CLOCK_BLOCK_BYTES * capacity * endpoints) * 4) / (5 * slotBytes);
    this.endpoints = endpoints;
    this.capacityBlocks = <i32>capacity;
    this.blocks = <i32>min<i64>(wanted, fitting);
  }
}

/** Blocks of text that the KV cache of a row's endpoint has room for; 0: it does not tell. */
export function cacheBlocks(table: Table, row: i32): i64 {
  const tokens = <i64>unchecked(table.rowKvBlocks[row]) * <i64>unchecked(table.rowKvBlockTokens[row]);
  return (tokens * BYTES_PER_TOKEN) / PREFIX_BLOCK_BYTES;
}
