import { proxy_get_property, proxy_set_property } from "./imports";
import { RET_BYTES, RET_PTR, clearArrived } from "./memory";
import { STATUS_OK } from "./status";
import { Text } from "./text";

/**
 * Reads an attribute of the stream or the node. `path` joins its parts by NUL bytes
 * (`xds\0cluster_name`). True with the value in the arrival buffer; false where there is none.
 */
export function getProperty(path: Text): bool {
  clearArrived();
  return proxy_get_property(path.ptr, path.bytes, RET_PTR, RET_BYTES) == STATUS_OK;
}

/** Stores the value as filter state `wasm.<name>` of the stream, where other filters and access logs find it. */
export function setProperty(name: Text, value: usize, bytes: i32): bool {
  return proxy_set_property(name.ptr, name.bytes, value, bytes) == STATUS_OK;
}
