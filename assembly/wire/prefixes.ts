/**
 * Which prompts went where, as VMs, Envoys and controllers tell each other; for both languages. Records, one behind
 * the other, the oldest first:
 *   0            8          12         16
 *  | endpoint   | keys     | reserved | keys, u64 each …
 *  | id u64     | u32 >= 1 |          |
 *
 * Keys are those of the blocks of one prompt from its beginning on, under its model, adapter, salt and the secret that
 * all share: neither text nor salts leave a VM.
 */
export const PREFIX_ENDPOINT: u32 = 0;
export const PREFIX_KEYS: u32 = 8;
export const PREFIX_RECORD_BYTES: u32 = 16;
export const PREFIX_KEY_BYTES: u32 = 8;
/** Keys of one record: what a flight remembers of its prompt is less. */
export const MAX_PREFIX_KEYS: u32 = 1024;
/** Records of a message or an item: 120 prompts of 64 KB. What is beyond is lost, the oldest first. */
export const MAX_PREFIXES_BYTES: u32 = 131072;
