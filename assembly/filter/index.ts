/**
 * The module's exports: the ABI version, `malloc`, and those callbacks of proxy-wasm 0.2.1 that do
 * something. Envoy calls into the VM only for what is exported, so a callback that is not needed
 * costs nothing: there is no on_log here, the end of an answer tells what it would.
 */
import "../abi/abort";
import { hasMonotonicClock, monotonicMs, randomBits } from "../abi/clock";
import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { BUFFER_PLUGIN_CONFIGURATION, getBuffer } from "../abi/buffers";
import { LEVEL_ERROR, log } from "../abi/log";
import { ACTION_CONTINUE } from "../abi/status";
import { Settings } from "./settings";
import { Streams } from "./streams";
import { Vm } from "./vm";

export { malloc } from "../abi/memory";

/**
 * Made by the first `proxy_on_configure`, the first callback of a VM: in `_initialize` Envoy refuses
 * host calls ("restricted_callback").
 */
let vm = changetype<Vm>(0);
let streams = changetype<Streams>(0);

export function proxy_abi_version_0_2_1(): void {}

/** Runs in a throw-away VM on the main thread too: nothing here dials, registers or claims. */
export function proxy_on_configure(rootId: u32, configurationBytes: u32): u32 {
  if (changetype<usize>(vm) == 0) {
    vm = new Vm(randomBits());
    streams = new Streams(vm);
  }
  let text = "";
  if (configurationBytes > 0 && getBuffer(BUFFER_PLUGIN_CONFIGURATION, 0, configurationBytes)) {
    text = String.UTF8.decodeUnsafe(arrivedPtr(), arrivedBytes());
  }
  const settings = Settings.parse(text);
  if (settings.error.length > 0) {
    log(LEVEL_ERROR, "configuration refused: " + settings.error);
    return 0;
  }
  if (!hasMonotonicClock()) {
    log(LEVEL_ERROR, "the host has no monotonic clock (WASI clock_time_get, id 1)");
    return 0;
  }
  vm.configure(rootId, settings);
  return 1;
}

/** The only callback that tells whose root context a stream is; its headers follow in the same event. */
export function proxy_on_context_create(contextId: u32, parentId: u32): void {
  if (parentId != 0) vm.began(contextId, parentId);
}

export function proxy_on_tick(rootId: u32): void {
  vm.tick(rootId);
  vm.garbage.tick(monotonicMs());
}

export function proxy_on_queue_ready(rootId: u32, token: u32): void {
  vm.queueReady(token);
}

export function proxy_on_grpc_receive(rootId: u32, token: u32, bytes: u32): void {
  vm.receive(token, bytes);
}

export function proxy_on_grpc_close(rootId: u32, token: u32, status: u32): void {
  vm.closed(token);
}

export function proxy_on_request_headers(contextId: u32, headers: u32, endOfStream: u32): u32 {
  return streams.requestHeaders(contextId, endOfStream != 0);
}

export function proxy_on_request_body(contextId: u32, bodyBytes: u32, endOfStream: u32): u32 {
  return streams.requestBody(contextId, bodyBytes, endOfStream != 0);
}

export function proxy_on_request_trailers(contextId: u32, trailers: u32): u32 {
  return streams.requestTrailers(contextId);
}

/** An answer is never held. */
export function proxy_on_response_headers(contextId: u32, headers: u32, endOfStream: u32): u32 {
  streams.responseHeaders(contextId, endOfStream != 0);
  return ACTION_CONTINUE;
}

export function proxy_on_response_body(contextId: u32, bodyBytes: u32, endOfStream: u32): u32 {
  streams.responseBody(contextId, bodyBytes, endOfStream != 0);
  return ACTION_CONTINUE;
}

export function proxy_on_response_trailers(contextId: u32, trailers: u32): u32 {
  streams.responseTrailers(contextId);
  return ACTION_CONTINUE;
}

/** The last callback of a stream, and of a root context. */
export function proxy_on_delete(contextId: u32): void {
  streams.end(contextId);
  vm.deleted(contextId);
}
