import { proxy_get_buffer_bytes } from "./imports";
import { RET_BYTES, RET_PTR, clearArrived } from "./memory";
import { STATUS_OK } from "./status";

export const BUFFER_REQUEST_BODY: u32 = 0;
export const BUFFER_GRPC_MESSAGE: u32 = 5;
export const BUFFER_PLUGIN_CONFIGURATION: u32 = 7;

/** Copies `[start, start + length)` into the arrival buffer; false where the buffer has less or is gone. */
export function getBuffer(buffer: u32, start: u32, length: u32): bool {
  clearArrived();
  return proxy_get_buffer_bytes(buffer, start, length, RET_PTR, RET_BYTES) == STATUS_OK;
}
