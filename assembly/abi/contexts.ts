import { proxy_set_effective_context } from "./imports";
import { STATUS_OK } from "./status";

/** Host calls act for that context from here to the end of the callback; false where it is gone. */
export function actFor(contextId: u32): bool {
  return proxy_set_effective_context(contextId) == STATUS_OK;
}
