import { proxy_send_local_response } from "./imports";
import { STATUS_OK } from "./status";
import { Text } from "./text";

const NO_GRPC_STATUS: i32 = -1;

/**
 * Answers in place of the upstream. `headers` is a map as `serializeHeaders` makes it; `details` shows
 * as %RESPONSE_CODE_DETAILS% in access logs. The callback must then return ACTION_PAUSE.
 */
export function sendLocalResponse(
  status: u32,
  details: Text,
  body: usize,
  bodyBytes: i32,
  headers: usize,
  headersBytes: i32,
): bool {
  return (
    proxy_send_local_response(
      status,
      details.ptr,
      details.bytes,
      body,
      bodyBytes,
      headers,
      headersBytes,
      NO_GRPC_STATUS,
    ) == STATUS_OK
  );
}

/**
 * A header map as the host reads it (spec, "Serialized map"):
 *
 *   | count u32 | key bytes u32, value bytes u32 | … | key \0 value \0 | … |
 */
export function serializeHeaders(pairs: StaticArray<string>): ArrayBuffer {
  const count = pairs.length >> 1;
  let total = 4 + count * 8;
  for (let i = 0; i < pairs.length; i++) total += String.UTF8.byteLength(pairs[i]) + 1;
  const map = new ArrayBuffer(total);
  const base = changetype<usize>(map);
  store<u32>(base, count);
  let cursor = base + 4 + count * 8;
  for (let i = 0; i < pairs.length; i++) {
    const bytes = String.UTF8.byteLength(pairs[i]);
    store<u32>(base + 4 + i * 4, bytes);
    String.UTF8.encodeUnsafe(changetype<usize>(pairs[i]), pairs[i].length, cursor);
    cursor += bytes + 1;
  }
  return map;
}
