/**
 * Numbers of the proxy-wasm ABI 0.2.1 (spec: `abi-versions/v0.2.1/README.md`), as a host sees them.
 */

export const Status = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  SerializationFailure: 3,
  ParseFailure: 4,
  BadExpression: 5,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  ResultMismatch: 9,
  InternalFailure: 10,
  BrokenConnection: 11,
  Unimplemented: 12,
} as const;

export const HeadersAction = {
  Continue: 0,
  StopIteration: 1,
  ContinueAndEndStream: 2,
  StopAllIterationAndBuffer: 3,
  StopAllIterationAndWatermark: 4,
} as const;

export const BodyAction = {
  Continue: 0,
  StopIterationAndBuffer: 1,
  StopIterationAndWatermark: 2,
  StopIterationNoBuffer: 3,
} as const;

export const TrailersAction = { Continue: 0, StopIteration: 1 } as const;

export const BufferType = {
  RequestBody: 0,
  ResponseBody: 1,
  DownstreamData: 2,
  UpstreamData: 3,
  HttpCallResponseBody: 4,
  GrpcReceive: 5,
  VmConfiguration: 6,
  PluginConfiguration: 7,
  CallData: 8,
} as const;
export const BUFFER_TYPE_MAX = 8;

export const MapType = {
  RequestHeaders: 0,
  RequestTrailers: 1,
  ResponseHeaders: 2,
  ResponseTrailers: 3,
  GrpcCreateInitialMetadata: 4,
  GrpcReceiveInitialMetadata: 5,
  GrpcReceiveTrailingMetadata: 6,
  HttpCallResponseHeaders: 7,
  HttpCallResponseTrailers: 8,
} as const;
export const MAP_TYPE_MAX = 8;

export const MetricType = { Counter: 0, Gauge: 1, Histogram: 2 } as const;
export const METRIC_TYPE_MAX = 2;

export const StreamType = { Request: 0, Response: 1, Downstream: 2, Upstream: 3 } as const;

export const LOG_LEVEL_MAX = 5;
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "critical"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** WASI errno values that Envoy's WASI subset answers. */
export const Wasi = { Success: 0, BadFileDescriptor: 8, Fault: 21, NotSupported: 58 } as const;

export const WASI_CLOCK_REALTIME = 0;
export const WASI_CLOCK_MONOTONIC = 1;

/**
 * Callbacks that Envoy looks up by name, with their parameter counts. A module whose callback has
 * another signature is not loaded by Envoy.
 */
export const CALLBACKS: Readonly<Record<string, number>> = {
  proxy_on_memory_allocate: 1,
  proxy_on_context_create: 2,
  proxy_on_vm_start: 2,
  proxy_validate_configuration: 2,
  proxy_on_configure: 2,
  proxy_on_tick: 1,
  proxy_on_request_headers: 3,
  proxy_on_request_body: 3,
  proxy_on_request_trailers: 2,
  proxy_on_response_headers: 3,
  proxy_on_response_body: 3,
  proxy_on_response_trailers: 2,
  proxy_on_queue_ready: 2,
  proxy_on_grpc_receive_initial_metadata: 3,
  proxy_on_grpc_receive: 3,
  proxy_on_grpc_receive_trailing_metadata: 3,
  proxy_on_grpc_close: 3,
  proxy_on_done: 1,
  proxy_on_log: 1,
  proxy_on_delete: 1,
};

/** What the guest runs at the moment; decides which host calls make sense. */
export type Phase =
  | "initialize"
  | "malloc"
  | "context_create"
  | "vm_start"
  | "configure"
  | "tick"
  | "queue_ready"
  | "grpc_initial_metadata"
  | "grpc_receive"
  | "grpc_trailing_metadata"
  | "grpc_close"
  | "request_headers"
  | "request_body"
  | "request_trailers"
  | "response_headers"
  | "response_body"
  | "response_trailers"
  | "log"
  | "done"
  | "delete";

/** Host calls that Envoy admits while `_initialize` runs; any other one ends the VM. */
export const ALLOWED_IN_INITIALIZE: ReadonlySet<string> = new Set([
  "proxy_log",
  "fd_write",
  "args_sizes_get",
  "args_get",
  "environ_sizes_get",
  "environ_get",
  "clock_time_get",
  "random_get",
]);

/** Host calls that Envoy admits while the guest's allocator runs. */
export const ALLOWED_IN_MALLOC: ReadonlySet<string> = new Set(["proxy_log", "fd_write"]);

export const ROOT_PHASES: ReadonlySet<Phase> = new Set<Phase>([
  "vm_start",
  "configure",
  "tick",
  "queue_ready",
  "grpc_initial_metadata",
  "grpc_receive",
  "grpc_trailing_metadata",
  "grpc_close",
]);
