/**
 * A build of the filter for tests that can be made to trap, in AssemblyScript. It is the product but for
 * the request header `x-test-trap`:
 *
 *   request   traps in the request's own header callback: in the worker that the client is connected to
 *   holder    answers nothing itself; whichever VM holds the feed traps at the next table that it receives
 *
 *   asc test/e2e/trap/index.ts --target filter --outFile build/test/trap.wasm
 */
import { getRequestHeader } from "../../../assembly/abi/headers";
import { arrivedBytes, arrivedPtr } from "../../../assembly/abi/memory";
import { getShared, setShared } from "../../../assembly/abi/shared_data";
import { Text } from "../../../assembly/abi/text";
import {
  proxy_on_grpc_receive as receive,
  proxy_on_request_headers as requestHeaders,
} from "../../../assembly/filter/index";

export {
  malloc,
  proxy_abi_version_0_2_1,
  proxy_on_configure,
  proxy_on_delete,
  proxy_on_grpc_close,
  proxy_on_queue_ready,
  proxy_on_request_body,
  proxy_on_tick,
} from "../../../assembly/filter/index";

const HEADER = new Text("x-test-trap");
/** A byte: 1 while the holder is to trap. */
const HOLDER_FLAG = new Text("test/trap-holder");
const FLAG_VALUE: StaticArray<u8> = [0];

export function proxy_on_request_headers(contextId: u32, headers: u32, endOfStream: u32): u32 {
  if (getRequestHeader(HEADER) && arrivedBytes() > 0) {
    // By their first letters.
    if (load<u8>(arrivedPtr()) == 0x72) unreachable();
    setFlag(1);
  }
  return requestHeaders(contextId, headers, endOfStream);
}

export function proxy_on_grpc_receive(rootId: u32, token: u32, bytes: u32): void {
  if (getShared(HOLDER_FLAG.ptr, HOLDER_FLAG.bytes) && arrivedBytes() == 1 && load<u8>(arrivedPtr()) == 1) {
    setFlag(0);
    unreachable();
  }
  receive(rootId, token, bytes);
}

function setFlag(value: u8): void {
  FLAG_VALUE[0] = value;
  setShared(HOLDER_FLAG.ptr, HOLDER_FLAG.bytes, changetype<usize>(FLAG_VALUE), 1, 0);
}
