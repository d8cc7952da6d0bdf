/** Results of host calls (proxy-wasm 0.2.1, "Status codes"). */
export const STATUS_OK: u32 = 0;
export const STATUS_NOT_FOUND: u32 = 1;
export const STATUS_BAD_ARGUMENT: u32 = 2;
export const STATUS_CAS_MISMATCH: u32 = 8;

/** What a callback answers: go on, or hold (with a body: hold and buffer). */
export const ACTION_CONTINUE: u32 = 0;
export const ACTION_PAUSE: u32 = 1;
