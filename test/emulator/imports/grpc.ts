import { Status } from "../abi.ts";
import { parseGrpcService } from "../grpc-service.ts";
import { GrpcStream } from "../grpc-transport.ts";
import { unmarshalPairs } from "../header-map.ts";
import { Root } from "../root.ts";
import type { Vm } from "../vm.ts";
import type { HostFunctions } from "./index.ts";

/** Status that Envoy gives to a stream that never got a connection. */
const GRPC_UNAVAILABLE = 14;

export function grpcCalls(vm: Vm): HostFunctions {
  const callingRoot = (call: string): Root => {
    const root = vm.rootOf(vm.context());
    return root ?? vm.fail(call, "no context");
  };

  /** A handle that Envoy would follow; a stream that is over for good is a dangling pointer there. */
  const usable = (call: string, token: number): GrpcStream => {
    const stream = callingRoot(call).grpc.get(token >>> 0);
    if (stream === undefined) {
      return vm.fail(
        call,
        `gRPC stream ${token >>> 0} is not one of this root's (those of others need their context)`,
      );
    }
    if (stream.remoteClosed && !stream.closing) {
      return vm.fail(call, `gRPC stream ${token >>> 0} was closed by its server before`);
    }
    return stream;
  };

  return {
    proxy_grpc_stream(
      service: number,
      serviceSize: number,
      serviceName: number,
      serviceNameSize: number,
      method: number,
      methodSize: number,
      metadata: number,
      metadataSize: number,
      tokenOut: number,
    ): number {
      const context = vm.context();
      if (vm.canary) vm.fail("proxy_grpc_stream", "a canary VM must not dial: dial from on_tick");
      if (!(context instanceof Root)) vm.fail("proxy_grpc_stream", "a stream dialled from a request");
      const serviceBytes = vm.memory.read(service, serviceSize, "gRPC service");
      const name = vm.memory.readText(serviceName, serviceNameSize, "service name");
      const methodName = vm.memory.readText(method, methodSize, "method name");
      const pairs = unmarshalPairs(vm.memory.read(metadata, metadataSize, "initial metadata"));
      if (pairs === undefined) vm.fail("proxy_grpc_stream", "initial metadata is no list of pairs");
      if (name === "" || methodName === "") vm.fail("proxy_grpc_stream", "no service or method name");

      const transport = vm.process.grpc;
      const target = parseGrpcService(serviceBytes);
      if (target === undefined) {
        return vm.fail("proxy_grpc_stream", "the GrpcService message names no envoy_grpc cluster");
      }
      const byName = target === "unparsable";
      const cluster = byName ? Buffer.from(serviceBytes).toString("utf8") : target.cluster;
      const authority = byName ? cluster : target.authority;
      if (byName && transport.mode(cluster) === undefined) return Status.ParseFailure;

      const token = vm.process.nextGrpcToken();
      const now = vm.process.clock.monotonicNs;
      if (transport.mode(cluster) !== "accept") {
        transport.failedDialsNs.push(now);
        // The guest has no token yet: the close reaches it with one it does not know.
        vm.defer(() => context.onGrpcClose(token, GRPC_UNAVAILABLE));
        return Status.InternalFailure;
      }
      const request = { cluster, authority, service: name, method: methodName, metadata: pairs };
      const stream = new GrpcStream(context, token, request, now);
      context.grpc.set(token, stream);
      transport.streams.push(stream);
      vm.memory.writeU32(tokenOut, token, "gRPC token out");
      return Status.Ok;
    },

    proxy_grpc_send(token: number, message: number, messageSize: number, endOfStream: number): number {
      const stream = usable("proxy_grpc_send", token);
      if (stream.localClosed || stream.remoteClosed) {
        vm.fail("proxy_grpc_send", `gRPC stream ${token >>> 0} is closed`);
      }
      stream.sent.push(vm.memory.read(message, messageSize, "gRPC message"));
      if (endOfStream !== 0) stream.localClosed = true;
      return Status.Ok;
    },

    proxy_grpc_close(token: number): number {
      const stream = usable("proxy_grpc_close", token);
      stream.localClosed = true;
      if (stream.remoteClosed) callingRoot("proxy_grpc_close").grpc.delete(token >>> 0);
      return Status.Ok;
    },

    proxy_grpc_cancel(token: number): number {
      const stream = usable("proxy_grpc_cancel", token);
      stream.reset = true;
      callingRoot("proxy_grpc_cancel").grpc.delete(token >>> 0);
      return Status.Ok;
    },

    proxy_get_status(codeOut: number, messageOut: number, sizeOut: number): number {
      vm.memory.writeU32(codeOut, vm.process.lastGrpcStatus, "status code out");
      return vm.give("proxy_get_status", new Uint8Array(0), messageOut, sizeOut);
    },
  };
}
