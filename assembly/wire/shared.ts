/**
 * What the VMs of one Envoy keep in its shared data, for each other alone: slots, picks, the lease and
 * the table. Little-endian, like the messages. Any change here raises SHARED_VERSION, which is part of
 * every key together with the messages' VERSION, so that modules which differ do not meet. The bytes may
 * still be anybody's: readers look at the number of bytes first and trust no count. Beside each slot lie
 * its VM's accounts, which are a message (KIND_ACCOUNTS) and go up as they are. What VMs send each other by queues is in
 * `queue_items.ts`; rows in it, and what was learned, published by the holder of the feed, are the core's
 * (`observation.ts`, `learning.ts`): a change of any of these raises SHARED_VERSION too.
 */
import { TALLY_STRIDE } from "./layout";

export const SHARED_VERSION: u32 = 1;

/*  A slot: who owns it, then TALLY rows of the endpoints to which that VM has something in flight.
 *   0         8               16           20       24           28         32
 *  | holder  | heartbeat      | queue      | rows   | publication| reserved | tallies … |
 *  | u64     | monotonic ms   | token u32  | u32    | u32        |          |
 *  |         | f64            |            |        |            |          |
 */
const SLOT_HOLDER: usize = 0;
const SLOT_HEARTBEAT: usize = 8;
const SLOT_QUEUE: usize = 16;
const SLOT_ROWS: usize = 20;
/** Counts up whenever the rows changed: one that was merged before needs no second look. */
const SLOT_PUBLICATION: usize = 24;
export const SLOT_BYTES: i32 = 32;

/** Writes the part before the tallies. */
export function writeSlot(
  ptr: usize,
  holder: u64,
  heartbeatMs: f64,
  queue: u32,
  rows: u32,
  publication: u32,
): void {
  store<u64>(ptr, holder, SLOT_HOLDER);
  store<f64>(ptr, heartbeatMs, SLOT_HEARTBEAT);
  store<u32>(ptr, queue, SLOT_QUEUE);
  store<u32>(ptr, rows, SLOT_ROWS);
  store<u32>(ptr, publication, SLOT_PUBLICATION);
}

/** The VM that owns the slot. This and the next ones need SLOT_BYTES bytes at `ptr`. */
export function slotHolder(ptr: usize): u64 {
  return load<u64>(ptr, SLOT_HOLDER);
}

export function slotHeartbeatMs(ptr: usize): f64 {
  return load<f64>(ptr, SLOT_HEARTBEAT);
}

/** Token of the queue that wakes the holder; 0 if it has none. */
export function slotQueue(ptr: usize): u32 {
  return load<u32>(ptr, SLOT_QUEUE);
}

export function slotPublication(ptr: usize): u32 {
  return load<u32>(ptr, SLOT_PUBLICATION);
}

/** TALLY rows at `ptr + SLOT_BYTES`: those that the slot names and that its `bytes` bytes hold. */
export function slotRows(ptr: usize, bytes: i32): u32 {
  return min(load<u32>(ptr, SLOT_ROWS), <u32>(bytes - SLOT_BYTES) / TALLY_STRIDE);
}

/*  The picks of a slot's VM: in a value of their own, since they are wanted ten times a second by one VM,
 *  and not by every VM in every tick.
 *   0         8        12         16
 *  | holder  | rows   | reserved | rows of | endpoint's id u64 | picks u64, counts up |
 *  | u64     | u32    |          |
 */
const PICKS_HOLDER: usize = 0;
const PICKS_ROWS: usize = 8;
export const PICKS_BYTES: i32 = 16;
const PICK_ID: usize = 0;
const PICK_COUNT: usize = 8;
export const PICK_ROW_BYTES: u32 = 16;

/** Writes the part before the rows. */
export function writePicks(ptr: usize, holder: u64, rows: u32): void {
  store<u64>(ptr, holder, PICKS_HOLDER);
  store<u64>(ptr, rows, PICKS_ROWS);
}

/** Needs PICKS_BYTES bytes at `ptr`, as does `picksRows`. */
export function picksHolder(ptr: usize): u64 {
  return load<u64>(ptr, PICKS_HOLDER);
}

/** Rows at `ptr + PICKS_BYTES`: those that the value names and that its `bytes` bytes hold. */
export function picksRows(ptr: usize, bytes: i32): u32 {
  return min(load<u32>(ptr, PICKS_ROWS), <u32>(bytes - PICKS_BYTES) / PICK_ROW_BYTES);
}

export function writePickRow(row: usize, id: u64, picks: u64): void {
  store<u64>(row, id, PICK_ID);
  store<u64>(row, picks, PICK_COUNT);
}

export function pickRowId(row: usize): u64 {
  return load<u64>(row, PICK_ID);
}

export function pickRowCount(row: usize): u64 {
  return load<u64>(row, PICK_COUNT);
}

/*  The lease of the feed.
 *   0            8         16             24        28         32
 *  | generation | holder  | expires       | table   | reserved |
 *  | u64        | u64     | monotonic ms  | version |          |
 *  |            |         | f64           | u32     |          |
 */
const LEASE_GENERATION: usize = 0;
const LEASE_HOLDER: usize = 8;
const LEASE_EXPIRES: usize = 16;
const LEASE_TABLE_VERSION: usize = 24;
export const LEASE_BYTES: i32 = 32;

export function writeLease(
  ptr: usize,
  generation: u64,
  holder: u64,
  expiresMs: f64,
  tableVersion: u32,
): void {
  store<u64>(ptr, generation, LEASE_GENERATION);
  store<u64>(ptr, holder, LEASE_HOLDER);
  store<f64>(ptr, expiresMs, LEASE_EXPIRES);
  store<u64>(ptr, tableVersion, LEASE_TABLE_VERSION);
}

/** Needs LEASE_BYTES bytes at `ptr`, as do the next ones. */
export function leaseGeneration(ptr: usize): u64 {
  return load<u64>(ptr, LEASE_GENERATION);
}

export function leaseHolder(ptr: usize): u64 {
  return load<u64>(ptr, LEASE_HOLDER);
}

export function leaseExpiresMs(ptr: usize): f64 {
  return load<f64>(ptr, LEASE_EXPIRES);
}

export function leaseTableVersion(ptr: usize): u32 {
  return load<u32>(ptr, LEASE_TABLE_VERSION);
}

/*  The table: an envelope, then the message as the controller sent it.
 *   0               8         12         16
 *  | received       | version | reserved | message … |
 *  | monotonic ms   | u32     |          |
 *  | f64            |         |          |
 */
const ENVELOPE_RECEIVED: usize = 0;
const ENVELOPE_VERSION: usize = 8;
export const ENVELOPE_BYTES: i32 = 16;

export function writeEnvelope(ptr: usize, receivedMs: f64, version: u32): void {
  store<f64>(ptr, receivedMs, ENVELOPE_RECEIVED);
  store<u64>(ptr, version, ENVELOPE_VERSION);
}

/** Needs ENVELOPE_BYTES bytes at `ptr`, as does `envelopeVersion`. */
export function envelopeReceivedMs(ptr: usize): f64 {
  return load<f64>(ptr, ENVELOPE_RECEIVED);
}

export function envelopeVersion(ptr: usize): u32 {
  return load<u32>(ptr, ENVELOPE_VERSION);
}
