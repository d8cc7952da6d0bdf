/**
 * Who owns the bytes that the host hands over.
 *
 * The host calls our exported `malloc` once for each byte string that it returns and never frees
 * it. All of them land in one arrival buffer, so that a returned value costs no heap allocation and
 * leaves nothing to collect. The rule that follows: **a returned value is valid until the next host
 * call that returns bytes**; who needs it longer copies it.
 */

const INITIAL_BYTES: usize = 131072;

let arrival: usize = 0;
let arrivalCapacity: usize = 0;

/** Called by the host alone. Grows for a large value and keeps what it has. */
export function malloc(bytes: usize): usize {
  if (bytes > arrivalCapacity) {
    const capacity = max(INITIAL_BYTES, (bytes + 65535) & ~65535);
    if (arrival != 0) heap.free(arrival);
    arrival = heap.alloc(capacity);
    arrivalCapacity = capacity;
  }
  return arrival;
}

/** Out parameters of the call in progress. */
const slots: usize = memory.data(32);
export const RET_PTR: usize = slots;
export const RET_BYTES: usize = slots + 4;
export const RET_WORD: usize = slots + 8;
export const RET_LONG: usize = slots + 16;

/** Start of the bytes that the last successful call returned. */
// prettier-ignore
@inline
export function arrivedPtr(): usize {
  return load<u32>(RET_PTR);
}

/** Their number; 0 for an empty value. */
// prettier-ignore
@inline
export function arrivedBytes(): i32 {
  return load<i32>(RET_BYTES);
}

/** Before a call that returns bytes: a host that returns none leaves both at 0. */
// prettier-ignore
@inline
export function clearArrived(): void {
  store<u64>(RET_PTR, 0);
}
