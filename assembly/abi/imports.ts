/**
 * The host's functions, raw: proxy-wasm ABI 0.2.1 (spec, "Functions exposed by the host") and two of
 * WASI preview 1 that Envoy implements. One line a function; only what the filter calls is declared,
 * since an import costs nothing but an unknown one keeps the module from loading.
 *
 * Pointers named `ret…` are out parameters. A returned byte string is placed by the host into
 * memory from our exported `malloc` (see `memory.ts`), which is why such calls cost about 1 µs.
 */

// prettier-ignore
@external("env", "proxy_log")
export declare function proxy_log(level: u32, ptr: usize, bytes: usize): u32;


@external("env", "proxy_get_property")
export declare function proxy_get_property(
  path: usize,
  pathBytes: usize,
  retPtr: usize,
  retBytes: usize,
): u32;


@external("env", "proxy_set_property")
export declare function proxy_set_property(
  path: usize,
  pathBytes: usize,
  value: usize,
  valueBytes: usize,
): u32;


@external("env", "proxy_get_header_map_value")
export declare function proxy_get_header_map_value(
  map: u32,
  key: usize,
  keyBytes: usize,
  retPtr: usize,
  retBytes: usize,
): u32;


@external("env", "proxy_replace_header_map_value")
export declare function proxy_replace_header_map_value(
  map: u32,
  key: usize,
  keyBytes: usize,
  value: usize,
  valueBytes: usize,
): u32;


@external("env", "proxy_remove_header_map_value")
export declare function proxy_remove_header_map_value(map: u32, key: usize, keyBytes: usize): u32;


@external("env", "proxy_get_buffer_bytes")
export declare function proxy_get_buffer_bytes(
  buffer: u32,
  start: u32,
  length: u32,
  retPtr: usize,
  retBytes: usize,
): u32;


@external("env", "proxy_set_buffer_bytes")
export declare function proxy_set_buffer_bytes(
  buffer: u32,
  start: u32,
  length: u32,
  value: usize,
  valueBytes: usize,
): u32;


@external("env", "proxy_send_local_response")
export declare function proxy_send_local_response(
  status: u32,
  details: usize,
  detailsBytes: usize,
  body: usize,
  bodyBytes: usize,
  headers: usize,
  headersBytes: usize,
  grpcStatus: i32,
): u32;


@external("env", "proxy_set_effective_context")
export declare function proxy_set_effective_context(contextId: u32): u32;


@external("env", "proxy_set_tick_period_milliseconds")
export declare function proxy_set_tick_period_milliseconds(period: u32): u32;


@external("env", "proxy_get_shared_data")
export declare function proxy_get_shared_data(
  key: usize,
  keyBytes: usize,
  retPtr: usize,
  retBytes: usize,
  retCas: usize,
): u32;


@external("env", "proxy_set_shared_data")
export declare function proxy_set_shared_data(
  key: usize,
  keyBytes: usize,
  value: usize,
  valueBytes: usize,
  cas: u32,
): u32;


@external("env", "proxy_register_shared_queue")
export declare function proxy_register_shared_queue(name: usize, nameBytes: usize, retToken: usize): u32;


@external("env", "proxy_enqueue_shared_queue")
export declare function proxy_enqueue_shared_queue(token: u32, value: usize, valueBytes: usize): u32;


@external("env", "proxy_dequeue_shared_queue")
export declare function proxy_dequeue_shared_queue(token: u32, retPtr: usize, retBytes: usize): u32;


@external("env", "proxy_define_metric")
export declare function proxy_define_metric(kind: u32, name: usize, nameBytes: usize, retId: usize): u32;


@external("env", "proxy_increment_metric")
export declare function proxy_increment_metric(id: u32, by: i64): u32;


@external("env", "proxy_record_metric")
export declare function proxy_record_metric(id: u32, value: u64): u32;


@external("env", "proxy_grpc_stream")
export declare function proxy_grpc_stream(
  service: usize,
  serviceBytes: usize,
  serviceName: usize,
  serviceNameBytes: usize,
  method: usize,
  methodBytes: usize,
  metadata: usize,
  metadataBytes: usize,
  retToken: usize,
): u32;


@external("env", "proxy_grpc_send")
export declare function proxy_grpc_send(
  token: u32,
  message: usize,
  messageBytes: usize,
  endOfStream: u32,
): u32;


@external("env", "proxy_grpc_close")
export declare function proxy_grpc_close(token: u32): u32;


@external("wasi_snapshot_preview1", "clock_time_get")
export declare function clock_time_get(clock: u32, precision: u64, retNanoseconds: usize): u32;


@external("wasi_snapshot_preview1", "random_get")
export declare function random_get(ptr: usize, bytes: usize): u32;
