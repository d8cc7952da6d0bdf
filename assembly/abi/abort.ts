import { proxy_log } from "./imports";

const LEVEL_CRITICAL: u32 = 5;

/**
 * AssemblyScript's `abort`: says where, then traps. Reached only through a defect of ours; Envoy
 * then re-creates the VM (FAIL_RELOAD) and answers 503 on this worker until it has.
 */
// @ts-ignore: the compiler asks for this signature
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const where = (file ? file : "?") + ":" + line.toString() + ":" + column.toString();
  const text = String.UTF8.encode("inference-picker: " + (message ? message : "abort") + " at " + where);
  proxy_log(LEVEL_CRITICAL, changetype<usize>(text), text.byteLength);
  unreachable();
}
