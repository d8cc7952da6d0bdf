import { hexDigit } from "../core/body/json_bytes";
import { putU8, u8At } from "../wire/bytes";

/**
 * Undoes percent-encoding in place (RFC 3986, 2.1) and returns how many bytes are left. What is not an encoded byte
 * stays as it is: a path is a client's, and nothing in it is an error here.
 */
export function decodePercent(ptr: usize, bytes: i32): i32 {
  let to = 0;
  for (let from = 0; from < bytes; from++) {
    let byte = <i32>u8At(ptr + from);
    if (byte == 0x25 && from + 2 < bytes) {
      const high = hexDigit(u8At(ptr + from + 1));
      const low = hexDigit(u8At(ptr + from + 2));
      if (high >= 0 && low >= 0) {
        byte = (high << 4) | low;
        from += 2;
      }
    }
    putU8(ptr + to++, byte);
  }
  return to;
}
