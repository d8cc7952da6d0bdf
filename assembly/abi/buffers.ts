import { proxy_get_buffer_bytes, proxy_set_buffer_bytes } from "./imports";
import { RET_BYTES, RET_PTR, clearArrived } from "./memory";
import { STATUS_OK } from "./status";

export const BUFFER_REQUEST_BODY: u32 = 0;
export const BUFFER_RESPONSE_BODY: u32 = 1;
export const BUFFER_GRPC_MESSAGE: u32 = 5;
export const BUFFER_PLUGIN_CONFIGURATION: u32 = 7;

/** Copies `[start, start + length)` into the arrival buffer; false where the buffer has less or is gone. */
export function getBuffer(buffer: u32, start: u32, length: u32): bool {
  clearArrived();
  return proxy_get_buffer_bytes(buffer, start, length, RET_PTR, RET_BYTES) == STATUS_OK;
}

/**
 * Puts `bytes` bytes in the place of the chunk of `chunkBytes` bytes that the callback is for; false where it is gone.
 * The host does no less: it puts bytes before a buffer (start 0, length 0), behind it (start at its end) or in place of
 * all of it, and refuses to write into its middle (Envoy, `Buffer::copyFrom`).
 */
export function setChunk(buffer: u32, chunkBytes: u32, value: usize, bytes: i32): bool {
  return proxy_set_buffer_bytes(buffer, 0, chunkBytes, value, bytes) == STATUS_OK;
}
