import { proxy_log } from "./imports";

export const LEVEL_INFO: u32 = 2;
export const LEVEL_WARN: u32 = 3;
export const LEVEL_ERROR: u32 = 4;

/** Rare events only: it allocates. Never a request's text or a secret. */
export function log(level: u32, message: string): void {
  const text = String.UTF8.encode("inference-picker: " + message);
  proxy_log(level, changetype<usize>(text), text.byteLength);
}
