import {
  proxy_dequeue_shared_queue,
  proxy_enqueue_shared_queue,
  proxy_register_shared_queue,
} from "./imports";
import { RET_BYTES, RET_PTR, RET_WORD, clearArrived } from "./memory";
import { STATUS_OK } from "./status";

/** Makes the calling root context the queue's only consumer. 0 on failure; tokens are process-wide. */
export function registerQueue(name: usize, nameBytes: i32): u32 {
  store<u32>(RET_WORD, 0);
  if (proxy_register_shared_queue(name, nameBytes, RET_WORD) != STATUS_OK) return 0;
  return load<u32>(RET_WORD);
}

/** Unbounded in Envoy: enqueue only where a live consumer is known. */
export function enqueue(token: u32, value: usize, valueBytes: i32): bool {
  return proxy_enqueue_shared_queue(token, value, valueBytes) == STATUS_OK;
}

/** True with the oldest item in the arrival buffer; false when empty. */
export function dequeue(token: u32): bool {
  clearArrived();
  return proxy_dequeue_shared_queue(token, RET_PTR, RET_BYTES) == STATUS_OK;
}
