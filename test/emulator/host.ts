/** A strict proxy-wasm 0.2.1 host: what a test needs to drive a built filter module. */
export {
  BodyAction,
  BufferType,
  CALLBACKS,
  HeadersAction,
  MapType,
  MetricType,
  Status,
  StreamType,
  TrailersAction,
} from "./abi.ts";
export { encodeGrpcService } from "./grpc-service.ts";
export type { GrpcStream } from "./grpc-transport.ts";
export { HeaderMap, type HeaderPair } from "./header-map.ts";
export type { PluginOptions } from "./plugin.ts";
export { type Deployment, Process } from "./process.ts";
export type { PropertyMap } from "./property.ts";
export { SeededRandom } from "./random.ts";
export type { Root } from "./root.ts";
export type { LocalResponse, Stream } from "./stream.ts";
export { HostViolation } from "./violation.ts";
export type { Vm } from "./vm.ts";
