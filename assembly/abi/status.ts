/** Result of a host call that did what it was asked (proxy-wasm 0.2.1, "Status codes"); any other one did not. */
export const STATUS_OK: u32 = 0;

/** What a callback answers. */
export const ACTION_CONTINUE: u32 = 0;
/** At headers: hold them until a later callback continues. After a local response: nothing more. */
export const ACTION_PAUSE: u32 = 1;
/**
 * At a body chunk: hold it, and let the sender wait when the connection's or route's buffer limit is
 * reached. The callback sees new bytes only, the stream may be resumed at any time, and beyond the
 * limit it is the filter that answers, since Envoy stays silent.
 */
export const ACTION_PAUSE_AND_WATERMARK: u32 = 2;
/** At a body chunk: throw it away. */
export const ACTION_DISCARD: u32 = 3;
