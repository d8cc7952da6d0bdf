import { proxy_get_property } from "./imports";
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
