import {
  TALLY_ID,
  TALLY_PICKS,
  TALLY_REQUESTS,
  TALLY_RESIDENT_TOKENS,
  TALLY_STRIDE,
  TALLY_UNCACHED_TOKENS,
} from "./layout";

/** Writes one TALLY row (`TALLY_STRIDE` bytes) at `ptr`; uncached tokens beyond 32 bits are capped. */
export function writeTally(
  ptr: usize,
  id: u64,
  requests: u32,
  uncached: u64,
  resident: u64,
  picks: u64,
): void {
  memory.fill(ptr, 0, TALLY_STRIDE);
  store<u64>(ptr + TALLY_ID, id);
  store<u32>(ptr + TALLY_REQUESTS, requests);
  store<u32>(ptr + TALLY_UNCACHED_TOKENS, <u32>min<u64>(uncached, u32.MAX_VALUE));
  store<u64>(ptr + TALLY_RESIDENT_TOKENS, resident);
  store<u64>(ptr + TALLY_PICKS, picks);
}

/** The endpoint of a TALLY row. */
export function tallyId(row: usize): u64 {
  return load<u64>(row + TALLY_ID);
}

/** Requests in flight to it. */
export function tallyRequests(row: usize): u32 {
  return load<u32>(row + TALLY_REQUESTS);
}

/** Prompt tokens in flight to it and not yet computed, capped at 32 bits. */
export function tallyUncached(row: usize): u32 {
  return load<u32>(row + TALLY_UNCACHED_TOKENS);
}

/** Prompt tokens in flight to it. */
export function tallyResident(row: usize): u64 {
  return load<u64>(row + TALLY_RESIDENT_TOKENS);
}
