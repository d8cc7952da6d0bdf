import { proxy_grpc_close, proxy_grpc_send, proxy_grpc_stream } from "./imports";
import { RET_WORD } from "./memory";
import { STATUS_OK } from "./status";
import { Text } from "./text";

/**
 * Opens a bidirectional stream; 0 on failure. `service` is a serialized `GrpcService`. A failure
 * may also call `proxy_on_grpc_close` with a token that was never returned: ignore unknown tokens.
 * Envoy never reconnects.
 */
export function openStream(service: StaticArray<u8>, serviceName: Text, method: Text): u32 {
  store<u32>(RET_WORD, 0);
  const status = proxy_grpc_stream(
    changetype<usize>(service),
    service.length,
    serviceName.ptr,
    serviceName.bytes,
    method.ptr,
    method.bytes,
    0,
    0,
    RET_WORD,
  );
  return status == STATUS_OK ? load<u32>(RET_WORD) : 0;
}

/** False where the stream is gone. */
export function sendMessage(token: u32, message: usize, bytes: i32): bool {
  return proxy_grpc_send(token, message, bytes, 0) == STATUS_OK;
}

/** Only on a stream that is live. */
export function closeStream(token: u32): void {
  proxy_grpc_close(token);
}
