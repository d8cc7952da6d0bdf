import { arrivedBytes, arrivedPtr } from "../abi/memory";
import { getProperty } from "../abi/properties";
import { MAX_STRING_BYTES } from "../wire/layout";
import { PROPERTY_NODE_ID } from "./names";

/** What the controller knows this Envoy by: the configured name, else Envoy's node id; empty where Envoy has none. */
export function nodeName(configured: string): ArrayBuffer {
  if (configured.length > 0) return String.UTF8.encode(configured);
  const bytes = getProperty(PROPERTY_NODE_ID) ? min(arrivedBytes(), <i32>MAX_STRING_BYTES) : 0;
  const name = new ArrayBuffer(bytes);
  memory.copy(changetype<usize>(name), arrivedPtr(), bytes);
  return name;
}
