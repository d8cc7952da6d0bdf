import { MAX_PREFIX_KEYS, PREFIX_KEYS, PREFIX_KEY_BYTES, PREFIX_RECORD_BYTES } from "./prefixes";

/** Bytes of the record at `ptr`, of which `bytes` bytes are there; 0 if that is no whole one. */
export function prefixRecordBytes(ptr: usize, bytes: i32): i32 {
  if (bytes < <i32>PREFIX_RECORD_BYTES) return 0;
  const keys = load<u32>(ptr + PREFIX_KEYS);
  if (keys == 0 || keys > MAX_PREFIX_KEYS) return 0;
  const length = <i32>(PREFIX_RECORD_BYTES + keys * PREFIX_KEY_BYTES);
  return length <= bytes ? length : 0;
}

/** Records from `ptr` on, up to the first that is none or not whole. */
export function countPrefixRecords(ptr: usize, bytes: i32): i32 {
  let count = 0;
  for (let at = 0; at < bytes; count++) {
    const length = prefixRecordBytes(ptr + at, bytes - at);
    if (length == 0) break;
    at += length;
  }
  return count;
}

/** Bytes of the records from `ptr` on, up to the first that is none or not whole. */
export function wholePrefixRecords(ptr: usize, bytes: i32): i32 {
  let at = 0;
  while (at < bytes) {
    const length = prefixRecordBytes(ptr + at, bytes - at);
    if (length == 0) break;
    at += length;
  }
  return at;
}

/** Bytes of the whole records from `ptr` on that have to go so that at least `needed` bytes are free; all, if there are not as many. */
export function oldestPrefixRecords(ptr: usize, bytes: i32, needed: i32): i32 {
  let at = 0;
  while (at < needed) {
    const length = prefixRecordBytes(ptr + at, bytes - at);
    if (length == 0) return bytes;
    at += length;
  }
  return at;
}
