import { proxy_get_shared_data, proxy_set_shared_data } from "./imports";
import { RET_BYTES, RET_PTR, RET_WORD, clearArrived } from "./memory";
import { STATUS_OK } from "./status";

/**
 * One process-wide store per vm_id, under one mutex; values are copied whole both ways and keys are
 * never deleted, so the set of keys must be bounded by whoever makes them.
 */

/** True with the value in the arrival buffer and its CAS token in `arrivedCas()`. */
export function getShared(key: usize, keyBytes: i32): bool {
  clearArrived();
  store<u32>(RET_WORD, 0);
  return proxy_get_shared_data(key, keyBytes, RET_PTR, RET_BYTES, RET_WORD) == STATUS_OK;
}

/** The token of the value that `getShared` returned last; never 0 for a value that exists. */
// prettier-ignore
@inline
export function arrivedCas(): u32 {
  return load<u32>(RET_WORD);
}

/**
 * A token that no stored value has: writes only where there is no value yet. The host compares tokens of
 * values that exist and does not look at the token otherwise; its own count up from 1.
 */
export const CREATE: u32 = u32.MAX_VALUE;

/** Writes if the stored token is still `cas`, or if there is no value; `cas` 0 writes always. */
export function setShared(key: usize, keyBytes: i32, value: usize, valueBytes: i32, cas: u32): bool {
  return proxy_set_shared_data(key, keyBytes, value, valueBytes, cas) == STATUS_OK;
}
