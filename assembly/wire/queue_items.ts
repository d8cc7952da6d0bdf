/**
 * What the VMs of one Envoy send each other by their slots' queues. Like all that they share it may be
 * anybody's bytes: readers look at the number of bytes first and trust no count.
 *
 *   wake:      | ITEM_WAKE u8 |   there is a new table, or whatever else is in shared data
 *
 *   exchange:  what one VM found out since its last one, or the holder of the feed heard of other Envoys
 *   0      1          4           8            12         16
 *  | kind | reserved | rows      | prefixes   | reserved | rows …, prefixes …
 *  | u8   |          | bytes u32 | bytes u32  |          |
 *
 * Rows are what was learned from answers, prefixes which prompts went where; their own formats are the core's.
 */
import { MAX_PREFIXES_BYTES } from "./prefixes";

export const ITEM_WAKE: u8 = 1;
/** By a VM of this Envoy: the holder of the feed passes its prefixes on to other Envoys. */
export const ITEM_LEARNED: u8 = 2;
/** From other Envoys: nobody passes it on. */
export const ITEM_RELAYED: u8 = 3;

const EXCHANGE_KIND: usize = 0;
const EXCHANGE_ROWS: usize = 4;
const EXCHANGE_PREFIXES: usize = 8;
/** Before the rows. */
export const EXCHANGE_BYTES: i32 = 16;
/** A VM's rows of one tick: what is beyond is lost. */
export const MAX_ROWS_BYTES: i32 = 16384;
export const MAX_ITEM_BYTES: i32 = EXCHANGE_BYTES + MAX_ROWS_BYTES + MAX_PREFIXES_BYTES;

/** Writes the part before the rows. */
export function writeExchange(ptr: usize, kind: u8, rowsBytes: u32, prefixesBytes: u32): void {
  memory.fill(ptr, 0, EXCHANGE_BYTES);
  store<u8>(ptr, kind, EXCHANGE_KIND);
  store<u32>(ptr, rowsBytes, EXCHANGE_ROWS);
  store<u32>(ptr, prefixesBytes, EXCHANGE_PREFIXES);
}

/** ITEM_*; 0 for an item that is none: empty, of an unknown kind, or not as long as it says. */
export function itemKind(ptr: usize, bytes: i32): u8 {
  if (bytes < 1) return 0;
  const kind = load<u8>(ptr, EXCHANGE_KIND);
  if (kind == ITEM_WAKE) return kind;
  if (kind != ITEM_LEARNED && kind != ITEM_RELAYED) return 0;
  if (bytes < EXCHANGE_BYTES || bytes > MAX_ITEM_BYTES) return 0;
  const rest = <u64>load<u32>(ptr, EXCHANGE_ROWS) + load<u32>(ptr, EXCHANGE_PREFIXES);
  return rest == <u64>(bytes - EXCHANGE_BYTES) ? kind : 0;
}

/** Bytes of rows behind the first EXCHANGE_BYTES bytes of an exchange item; of a checked one, as is the next. */
export function rowsBytes(ptr: usize): i32 {
  return load<i32>(ptr, EXCHANGE_ROWS);
}

/** Bytes of prefixes behind the rows. */
export function prefixesBytes(ptr: usize): i32 {
  return load<i32>(ptr, EXCHANGE_PREFIXES);
}
