import {
  proxy_get_header_map_value,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
} from "./imports";
import { RET_BYTES, RET_PTR, clearArrived } from "./memory";
import { STATUS_OK } from "./status";
import { Text } from "./text";

const MAP_REQUEST_HEADERS: u32 = 0;
const MAP_RESPONSE_HEADERS: u32 = 2;

/** True with the (first) value in the arrival buffer; false where the header is absent. */
export function getRequestHeader(name: Text): bool {
  return getRequestHeaderAt(name.ptr, name.bytes);
}

/** `getRequestHeader` for a name of `bytes` bytes at `name`, in lower case. */
export function getRequestHeaderAt(name: usize, bytes: i32): bool {
  clearArrived();
  return proxy_get_header_map_value(MAP_REQUEST_HEADERS, name, bytes, RET_PTR, RET_BYTES) == STATUS_OK;
}

/** Collapses repeats into one value. Envoy clears the route cache (ABI <= 0.2.1). */
export function setRequestHeader(name: Text, value: usize, bytes: i32): bool {
  return proxy_replace_header_map_value(MAP_REQUEST_HEADERS, name.ptr, name.bytes, value, bytes) == STATUS_OK;
}

/** Removes every value of that name. Envoy clears the route cache (ABI <= 0.2.1). */
export function removeRequestHeader(name: Text): bool {
  return proxy_remove_header_map_value(MAP_REQUEST_HEADERS, name.ptr, name.bytes) == STATUS_OK;
}

/** Adds the value to the answer, in place of others of that name; only in the callback for its headers. */
export function setResponseHeader(name: Text, value: usize, bytes: i32): bool {
  return (
    proxy_replace_header_map_value(MAP_RESPONSE_HEADERS, name.ptr, name.bytes, value, bytes) == STATUS_OK
  );
}

/** Removes every value of that name from the answer; only in the callback for its headers. */
export function removeResponseHeader(name: Text): bool {
  return proxy_remove_header_map_value(MAP_RESPONSE_HEADERS, name.ptr, name.bytes) == STATUS_OK;
}
