import { BUFFER_TYPE_MAX, BufferType, MAP_TYPE_MAX, MapType, Status, StreamType } from "../abi.ts";
import type { BodyBuffer } from "../body-buffer.ts";
import { type HeaderMap, marshalPairs, unmarshalPairs } from "../header-map.ts";
import { Root } from "../root.ts";
import type { Stream } from "../stream.ts";
import type { Vm } from "../vm.ts";
import type { HostFunctions } from "./index.ts";

/** Envoy's bound for what a guest writes into a header. */
const MAX_HEADER_BYTES = 1_048_576;

/** Header maps, buffers, local responses, resuming. */
export function httpCalls(vm: Vm): HostFunctions {
  const map = (call: string, type: number): HeaderMap => {
    if (type >>> 0 > MAP_TYPE_MAX) vm.fail(call, `unknown header map ${type >>> 0}`);
    const context = vm.context();
    const found = context instanceof Root ? rootMap(context, type) : context?.map(type);
    return found ?? vm.fail(call, `header map ${nameOf(MapType, type)} is not available here`);
  };

  const editable = (call: string, type: number): HeaderMap => {
    const context = vm.context();
    const found = map(call, type);
    if (context === undefined || context instanceof Root) return vm.fail(call, "a root has no map to edit");
    if (vm.phase === "log") vm.fail(call, "headers are over when a request is logged");
    if (type === MapType.RequestHeaders) context.routeCacheClears++;
    return found;
  };

  const name = (call: string, pointer: number, size: number): string => {
    const text = vm.memory.readByteString(pointer, size, "header name");
    if (text === "") vm.fail(call, "the header name is empty");
    return text;
  };

  const writtenValue = (call: string, pointer: number, size: number): string => {
    if (size >>> 0 > MAX_HEADER_BYTES) vm.fail(call, `a header value of ${size >>> 0} bytes`);
    const text = vm.memory.readByteString(pointer, size, "header value");
    if (/[\0\r\n]/.test(text)) vm.fail(call, "NUL, CR or LF in a header value");
    return text;
  };

  const buffer = (call: string, type: number): BodyBuffer => {
    if (type >>> 0 > BUFFER_TYPE_MAX) vm.fail(call, `unknown buffer ${type >>> 0}`);
    const context = vm.context();
    const found = context instanceof Root ? rootBuffer(context, type, vm) : context?.buffer(type);
    return found ?? vm.fail(call, `buffer ${nameOf(BufferType, type)} is not available here`);
  };

  const stream = (call: string): Stream => {
    const context = vm.context();
    if (context === undefined || context instanceof Root) return vm.fail(call, "no stream is in effect");
    return context;
  };

  return {
    proxy_get_header_map_value(
      type: number,
      key: number,
      keySize: number,
      valueOut: number,
      sizeOut: number,
    ): number {
      const call = "proxy_get_header_map_value";
      const value = map(call, type).get(name(call, key, keySize));
      if (value === undefined) return Status.NotFound;
      return vm.give(call, Buffer.from(value, "latin1"), valueOut, sizeOut);
    },

    proxy_get_header_map_size(type: number, sizeOut: number): number {
      const bytes = map("proxy_get_header_map_size", type)
        .pairs()
        .reduce((sum, [header, value]) => sum + header.length + value.length, 0);
      vm.memory.writeU32(sizeOut, bytes, "size out");
      return Status.Ok;
    },

    proxy_get_header_map_pairs(type: number, pairsOut: number, sizeOut: number): number {
      const call = "proxy_get_header_map_pairs";
      return vm.give(call, marshalPairs(map(call, type).pairs()), pairsOut, sizeOut);
    },

    proxy_add_header_map_value(
      type: number,
      key: number,
      keySize: number,
      value: number,
      size: number,
    ): number {
      const call = "proxy_add_header_map_value";
      editable(call, type).add(name(call, key, keySize), writtenValue(call, value, size));
      return Status.Ok;
    },

    proxy_replace_header_map_value(
      type: number,
      key: number,
      keySize: number,
      value: number,
      size: number,
    ): number {
      const call = "proxy_replace_header_map_value";
      editable(call, type).replace(name(call, key, keySize), writtenValue(call, value, size));
      return Status.Ok;
    },

    proxy_remove_header_map_value(type: number, key: number, keySize: number): number {
      const call = "proxy_remove_header_map_value";
      editable(call, type).remove(name(call, key, keySize));
      return Status.Ok;
    },

    /** Clamps to the buffer; for no bytes the out words stay as they are, as in Envoy. */
    proxy_get_buffer_bytes(
      type: number,
      start: number,
      length: number,
      bytesOut: number,
      sizeOut: number,
    ): number {
      const call = "proxy_get_buffer_bytes";
      const bytes = buffer(call, type);
      const from = start >>> 0;
      const wanted = length >>> 0;
      if (from + wanted > 0xffffffff) return Status.BadArgument;
      if (from > bytes.length) vm.fail(call, `start ${from} is behind the end (${bytes.length})`);
      const part = bytes.slice(from, Math.min(wanted, bytes.length - from));
      return part.length === 0 ? Status.Ok : vm.give(call, part, bytesOut, sizeOut);
    },

    proxy_get_buffer_status(type: number, lengthOut: number, flagsOut: number): number {
      vm.memory.writeU32(lengthOut, buffer("proxy_get_buffer_status", type).length, "length out");
      vm.memory.writeU32(flagsOut, 0, "flags out");
      return Status.Ok;
    },

    proxy_set_buffer_bytes(type: number, start: number, length: number, value: number, size: number): number {
      const call = "proxy_set_buffer_bytes";
      if (type !== BufferType.RequestBody && type !== BufferType.ResponseBody) {
        return vm.fail(call, `buffer ${nameOf(BufferType, type)} cannot be written`);
      }
      const target = buffer(call, type);
      const [from, count] = [start >>> 0, length >>> 0];
      // Before it, behind it or in place of all of it; Envoy does not write into the middle (Buffer::copyFrom).
      const isWhole = from === 0 && (count === 0 || count >= target.length);
      if (!isWhole && from < target.length) return Status.BadArgument;
      target.splice(from, count, vm.memory.read(value, size, "buffer bytes"));
      return Status.Ok;
    },

    proxy_send_local_response(
      code: number,
      details: number,
      detailsSize: number,
      body: number,
      bodySize: number,
      headers: number,
      headersSize: number,
      grpcStatus: number,
    ): number {
      const call = "proxy_send_local_response";
      const target = stream(call);
      if (code < 200 || code > 599) vm.fail(call, `status ${code}`);
      const pairs = unmarshalPairs(vm.memory.read(headers, headersSize, "response headers"));
      if (pairs === undefined) vm.fail(call, "the headers are no list of pairs");
      for (const [header, value] of pairs) {
        if (header === "" || /[\0\r\n]/.test(value)) vm.fail(call, `header ${JSON.stringify(header)}`);
      }
      const text = vm.memory.readText(details, detailsSize, "details");
      if (/\s/.test(text)) vm.fail(call, `details ${JSON.stringify(text)} hold white space`);
      if (target.answered || target.localResponsePending) vm.fail(call, "the stream has its answer");
      if (target.responseHeaders !== undefined) vm.fail(call, "the response has begun");
      if (target.over) vm.fail(call, "the stream is over");
      target.localResponsePending = true;
      const response = {
        status: code,
        details: text,
        body: Buffer.from(vm.memory.read(body, bodySize, "body")).toString("utf8"),
        headers: pairs,
        grpcStatus,
      };
      vm.defer(() => target.sendLocalResponse(response));
      return Status.Ok;
    },

    proxy_continue_stream(type: number): number {
      const call = "proxy_continue_stream";
      const target = stream(call);
      if (type !== StreamType.Request) vm.fail(call, `stream type ${type} is never stopped here`);
      if (!target.stopped) vm.fail(call, "the request is not stopped");
      vm.defer(() => target.resume());
      return Status.Ok;
    },

    proxy_close_stream(type: number): number {
      return vm.fail("proxy_close_stream", `stream type ${type}: closing is not emulated`);
    },

    proxy_clear_route_cache(): number {
      stream("proxy_clear_route_cache").routeCacheClears++;
      return Status.Ok;
    },
  };
}

function rootMap(root: Root, type: number): HeaderMap | undefined {
  if (type === MapType.GrpcReceiveInitialMetadata) return root.grpcInitialMetadata;
  if (type === MapType.GrpcReceiveTrailingMetadata) return root.grpcTrailingMetadata;
  return undefined;
}

function rootBuffer(root: Root, type: number, vm: Vm): BodyBuffer | undefined {
  if (type === BufferType.GrpcReceive) return readOnly(root.grpcBuffer);
  if (type === BufferType.VmConfiguration) return readOnly(root.plugin.vmConfiguration);
  if (type === BufferType.PluginConfiguration && vm.phase === "configure") {
    return readOnly(root.plugin.configuration);
  }
  return undefined;
}

function readOnly(bytes: Uint8Array | undefined): BodyBuffer | undefined {
  if (bytes === undefined) return undefined;
  return {
    length: bytes.length,
    slice: (start, length) => bytes.subarray(start, start + length),
    splice: () => {
      throw new Error("a read-only buffer was written");
    },
  };
}

function nameOf(numbers: Readonly<Record<string, number>>, wanted: number): string {
  return Object.entries(numbers).find(([, number]) => number === wanted)?.[0] ?? String(wanted);
}
